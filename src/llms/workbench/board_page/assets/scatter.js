// Quality against money, time, memory or speed: a cross of two intervals per system, the frontier, names that do not overlap.
import { places, scale, shortened } from "./chart.js";
import { element, shape } from "./dom.js";
import { decides, firstColumn, frontier, isResource, passes } from "./model.js";
import { heading, interval, show } from "./words.js";

/** The two columns that a state names, or the first that can be drawn. */
export function axes(board, state) {
  const named = (id) => board.columns.find((column) => column.id === id);
  const resource = board.columns.filter(isResource);
  const quality = board.columns.filter((column) => !isResource(column));
  const y = named(state.y) ?? (quality.includes(named(state.sort)) ? named(state.sort) : firstColumn({ ...board, columns: quality }));
  const own = resource.filter((column) => column.parent === y?.id); // what this very benchmark took
  return { x: named(state.x) ?? own.find((column) => column.group === "money") ?? own[0] ?? resource[0], y, resource, quality };
}

export function scatter(board, selection, state, on, room) {
  const { x, y, resource, quality } = axes(board, state);
  if (!x || !y) return element("p", { class: "board-empty" }, "A scatter needs a column of quality and one of money, time, memory or speed; here is none yet. A run of llms eval brings both.");
  const points = selection.rows.map((row) => ({ row, name: row.name, cx: row.cells[x.index], cy: row.cells[y.index] }))
    .filter((point) => passes(point.cx, x, state) && passes(point.cy, y, state))
    .map((point) => ({ ...point, x: point.cx.value, y: point.cy.value, solid: decides(point.cx) && decides(point.cy) }));
  const front = frontier(points.filter((point) => point.solid), x.higher_is_better, y.higher_is_better);
  for (const point of points) point.front = front.includes(point);
  return element("div", {},
    element("div", { class: "board-axes" },
      picker("Up", "y", quality, y, on), picker("Across", "x", resource, x, on)),
    points.length ? picture(points, front, x, y, on, room) : element("p", { class: "board-empty" }, `No system that is shown has both ${y.title} and ${x.title}.`),
    element("p", { class: "board-note" }, `The line is the frontier: no system measured here is better in both. Crosses are 95 % intervals; hollow points were not measured here and make no frontier.`),
    element("details", {}, element("summary", {}, `The ${points.length} points as a table`), listing(points, x, y)));
}

const picker = (label, name, columns, chosen, on) =>
  element("label", {}, `${label} `, element("select", { onchange: (event) => on.change({ [name]: event.target.value }) },
    columns.map((column) => element("option", { value: column.id, selected: column === chosen }, heading(column)))));

function picture(points, front, x, y, on, room) {
  const width = Math.max(300, Math.min(1100, room));
  const height = Math.round(Math.min(560, Math.max(320, width * 0.55)));
  const [left, right, top, bottom] = [52, 12, 12, 24];
  const bounds = (cells, pick, best) => Math[best](...cells.map((cell) => cell[pick] ?? cell.value));
  const along = (column, name, from, to) => {
    const cells = points.map((point) => point[name]);
    return scale(column, cells.map((cell) => cell.value), bounds(cells, "low", "min"), bounds(cells, "high", "max"), from, to);
  };
  const [across, up] = [along(x, "cx", left, width - right), along(y, "cy", height - bottom, top)];
  for (const point of points) Object.assign(point, { px: across.to(point.x), py: up.to(point.y) });
  const important = [...points].sort((a, b) => b.front - a.front || b.solid - a.solid);
  const most = width < 500 ? 16 : 28;
  const spots = places(important.map((point) => ({ ...point, name: shortened(point.name, most) })), legs(front), { left, width, height: height - bottom });
  const chart = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": `${y.title} against ${x.title}: ${points.length} systems, ${front.length} on the frontier`, class: "board-chart" },
    up.ticks.map((tick) => [shape("line", { class: "rule", x1: left, x2: width - right, y1: up.to(tick), y2: up.to(tick) }), shape("text", { x: left - 6, y: up.to(tick) + 4, "text-anchor": "end" }, show(tick, y.unit))]),
    across.ticks.map((tick) => [shape("line", { class: "rule", x1: across.to(tick), x2: across.to(tick), y1: top, y2: height - bottom }), shape("text", { x: across.to(tick), y: height - bottom + 16, "text-anchor": "middle" }, show(tick, x.unit))]),
    shape("path", { class: "front", d: stairs(front) }),
    important.map((point, index) => mark(point, spots[index], shortened(point.name, most), across, up, x, y, index === 0)).reverse());
  walk(chart, (node) => on.open(y.id, node.dataset.row));
  const caption = (arrow, column, axis) => element("p", { class: "board-axis" }, `${arrow} ${heading(column)}, ${column.higher_is_better ? "more" : "less"} is better${axis.logarithmic ? "; logarithmic scale" : ""}`);
  return element("div", { class: "board-picture" }, caption("↑", y, up), chart, caption("→", x, across));
}

/** Its legs as boxes, which no name may cross. */
const legs = (front) => front.slice(1).flatMap((point, index) => {
  const before = front[index];
  const box = (x1, x2, y1, y2) => ({ left: Math.min(x1, x2) - 1, right: Math.max(x1, x2) + 1, top: Math.min(y1, y2) - 1, bottom: Math.max(y1, y2) + 1 });
  return [box(before.px, point.px, before.py, before.py), box(point.px, point.px, before.py, point.py)];
});

/** Between two points of the frontier one can have no more than the worse of the two: it goes in stairs. */
const stairs = (front) => front.map((point, index) => (index ? `H${point.px.toFixed(1)}V${point.py.toFixed(1)}` : `M${point.px.toFixed(1)},${point.py.toFixed(1)}`)).join("");

function mark(point, spot, name, across, up, x, y, first) {
  const whisker = (low, high, axis, line) => (low === null || high === null ? null : shape("line", { class: "whisker", ...line(axis.to(low), axis.to(high)) }));
  const words = `${point.name}: ${y.title} ${show(point.y, y.unit)} ${interval(point.cy, y) && `(${interval(point.cy, y)})`}, ${x.title} ${show(point.x, x.unit)}${point.front ? ", on the frontier" : ""}${point.solid ? "" : ", not measured here"}`;
  return shape("g", { class: `point${point.front ? " front" : ""}${point.solid ? "" : " hollow"}`, role: "button", tabindex: first ? "0" : "-1", "aria-label": words, "data-row": point.row.key },
    shape("title", {}, words),
    whisker(point.cy.low, point.cy.high, up, (a, b) => ({ x1: point.px, x2: point.px, y1: a, y2: b })),
    whisker(point.cx.low, point.cx.high, across, (a, b) => ({ x1: a, x2: b, y1: point.py, y2: point.py })),
    shape("circle", { cx: point.px, cy: point.py, r: 5 }),
    shape("text", { x: spot?.x ?? point.px, y: spot?.y ?? point.py - 10, "text-anchor": spot?.anchor ?? "middle", class: spot ? "name" : "name crowded" }, name));
}

/** Points are one stop of the Tab key; the arrows go on to the next in the order of their place. */
function walk(chart, open) {
  const marks = [...chart.querySelectorAll("[data-row]")].sort((a, b) => a.querySelector("circle").cx.baseVal.value - b.querySelector("circle").cx.baseVal.value);
  chart.addEventListener("click", (event) => event.target.closest("[data-row]") && open(event.target.closest("[data-row]")));
  chart.addEventListener("keydown", (event) => {
    const at = marks.indexOf(event.target);
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (at < 0 || (!step && event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    if (!step) return open(event.target);
    const next = marks[(at + step + marks.length) % marks.length];
    event.target.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
}

const listing = (points, x, y) =>
  element("div", { class: "board-scroll", tabindex: "0", role: "region", "aria-label": "Points as a table" },
    element("table", {}, element("thead", {}, element("tr", {}, ["system", heading(y), "95 % interval", heading(x), "95 % interval", "on the frontier"].map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, [...points].sort((a, b) => a.x - b.x).map((point) => element("tr", {}, element("th", { scope: "row" }, point.name),
        [show(point.y, y.unit), interval(point.cy, y), show(point.x, x.unit), interval(point.cx, x), point.front ? "yes" : ""].map((text) => element("td", {}, text)))))));
