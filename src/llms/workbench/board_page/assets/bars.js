// Bars over the columns of quality for a few systems, each with its interval as a whisker.
import { shortened } from "./chart.js";
import { element, shape, toggle } from "./dom.js";
import { decides, passes } from "./model.js";
import { interval, show } from "./words.js";

const MOST = 6; // systems side by side: so many colours can be told apart, and each bar has its name
const BAR = 18;

/** The keys of the systems that are drawn: those picked, or the first four. */
export const picked = (selection, state) => {
  const shown = new Set(selection.rows.map((row) => row.key));
  const chosen = (state.pick ?? []).filter((key) => shown.has(key));
  return chosen.length ? chosen.slice(0, MOST) : selection.rows.slice(0, 4).map((row) => row.key);
};

export function bars(board, selection, state, on, room) {
  const columns = selection.columns.filter((column) => column.unit === "share");
  if (!columns.length || !selection.rows.length) return element("p", { class: "board-empty" }, "No column of shares is shown; bars are drawn over benchmarks and your own data.");
  const chosen = picked(selection, state);
  const rows = chosen.map((key) => selection.rows.find((row) => row.key === key));
  const flip = (key) => on.change({ pick: chosen.includes(key) ? chosen.filter((one) => one !== key) : [...chosen, key].slice(-MOST) });
  const others = element("select", { "aria-label": "Add a system", onchange: (event) => event.target.value && flip(event.target.value) },
    element("option", { value: "" }, "Add a system…"), selection.rows.filter((row) => !chosen.includes(row.key)).map((row) => element("option", { value: row.key }, row.name)));
  return element("div", {},
    element("div", { class: "board-row", role: "group", "aria-label": "Systems that are drawn" },
      rows.map((row, index) => toggle(row.name, true, () => flip(row.key), { style: `--swatch:var(--chart-${index + 1})`, title: "Take away" })), chosen.length < MOST ? others : null),
    element("div", { class: "board-bars" }, columns.map((column) => block(column, rows, state, on, room)).filter(Boolean)),
    element("p", { class: "board-note" }, "From 0 to 100 %; a whisker is the 95 % interval, the dashed line what guessing gets. ° marks what was not measured here."));
}

function block(column, rows, state, on, room) {
  const drawn = rows.map((row, index) => ({ row, index, cell: row.cells[column.index] })).filter((one) => passes(one.cell, column, state));
  if (!drawn.length) return null;
  const width = Math.max(280, Math.min(room, 640));
  const [names, numbers] = [Math.min(200, width * 0.36), 62];
  const at = (share) => names + (width - names - numbers) * Math.min(1, Math.max(0, share));
  const most = Math.floor(names / 7);
  const height = drawn.length * BAR + 4;
  const chance = column.chance ?? null;
  return element("section", { class: "board-block" }, element("h2", {}, column.title),
    shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "board-chart", role: "list", "aria-label": column.title },
      shape("line", { class: "rule", x1: at(0), x2: at(0), y1: 0, y2: height }), shape("line", { class: "rule", x1: at(1), x2: at(1), y1: 0, y2: height }),
      drawn.map(({ row, index, cell }, line) => {
        const y = line * BAR + 2;
        const middle = y + BAR / 2 - 1;
        const words = `${row.name}: ${show(cell.value, column.unit)} %${interval(cell, column) && `, 95 % interval ${interval(cell, column)}`}${decides(cell) ? "" : ", not measured here"}`;
        return shape("g", { class: `bar-line${decides(cell) ? "" : " hollow"}`, role: "listitem", "aria-label": words, style: `--swatch:var(--chart-${index + 1})`, onclick: () => on.open(column.id, row.key) },
          shape("title", {}, words),
          shape("text", { x: 0, y: middle + 4 }, shortened(row.name, most)),
          shape("rect", { x: at(0), y: y + 2, width: Math.max(0, at(cell.value) - at(0)), height: BAR - 6 }),
          cell.low === null || cell.high === null ? null : shape("path", { class: "whisker", d: `M${at(cell.low)},${middle}H${at(cell.high)}M${at(cell.low)},${middle - 4}v8M${at(cell.high)},${middle - 4}v8` }),
          shape("text", { x: width, y: middle + 4, "text-anchor": "end" }, `${show(cell.value, column.unit)}${decides(cell) ? "" : "°"}`));
      }),
      chance ? shape("line", { class: "chance-line", x1: at(chance), x2: at(chance), y1: 0, y2: height }) : null));
}
