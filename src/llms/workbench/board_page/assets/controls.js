// What stands above the board: search, views, filters, columns and systems, and the ways out.
import { download, drop, element, toggle } from "./dom.js";
import { isPart } from "./model.js";
import { csv } from "./words.js";

const VIEWS = { table: "Table", scatter: "Scatter", bars: "Bars" };
const EVIDENCE = { all: "All evidence", here: "Measured here", own: "My rows only" };
const GROUPS = {
  average: "Averages", benchmark: "Benchmarks", view: "Views", "own data": "Your data", "own group": "Your groups", fresh: "Fresh items", arena: "Arena", speed: "Speed",
  memory: "Memory", money: "Money", time: "Time", published: "Published",
};

const press = (button, pressed) => button && button.getAttribute("aria-pressed") !== String(pressed) && button.setAttribute("aria-pressed", String(pressed));

/** {node, update(selection, state)}; `on` has change(patch, quietly) and reset(), `served` says whether a server is behind,
    `published` whether the board has the results of others. */
export function controls(board, on, { served, published }) {
  let state = null;
  let selection = null;
  const search = element("input", { type: "search", placeholder: "Search systems", "aria-label": "Search systems", autocomplete: "off", spellcheck: "false" });
  search.addEventListener("input", () => on.change({ q: search.value }, true));
  const least = element("input", { type: "number", min: "0", step: "1", inputmode: "numeric" });
  least.addEventListener("change", () => on.change({ n: Math.max(0, Math.floor(Number(least.value) || 0)) }));
  const evidence = element("select", { "aria-label": "Evidence" }, Object.entries(EVIDENCE).map(([value, text]) => element("option", { value }, text)));
  evidence.addEventListener("change", () => on.change({ evidence: evidence.value }));
  const flip = (set, value) => {
    const next = new Set(set);
    if (!next.delete(value)) next.add(value);
    return next;
  };
  const views = Object.entries(VIEWS).map(([view, text]) => toggle(text, false, () => on.change({ view }), { "data-view": view }));
  const groups = board.groups.length > 1 ? board.groups.map((group) => toggle(GROUPS[group] ?? group, true, () => on.change({ nogroup: flip(state.nogroup, group) }), { "data-group": group })) : [];
  const whole = toggle("Hide partial runs", false, () => on.change({ partial: !state.partial }));
  const bound = toggle("Sort by lower bound", false, () => on.change({ by: state.by === "low" ? "value" : "low" }), { title: "Sort by the worse end of the interval" });
  const old = board.rows.some((row) => !row.latest) ? toggle("Earlier versions", false, () => on.change({ old: !state.old })) : null;
  const parts = board.columns.some(isPart) ? toggle("Subsets", false, () => on.change({ parts: !state.parts })) : null;
  const others = served ? toggle("Published results", published, () => on.change({ published: !state.published }), { title: "What others measured, greyed: it decides nothing" }) : null;
  const reset = element("button", { type: "button", class: "board-chip", onclick: on.reset }, "Show everything");
  const line = element("p", { class: "board-note", role: "status" });
  const narrow = matchMedia("(max-width: 760px)");
  const filters = element("details", { class: "board-filters", open: !narrow.matches }, element("summary", {}, "Filters"),
    element("div", { class: "board-row" }, element("div", { class: "board-row", role: "group", "aria-label": "Groups of columns" }, groups, parts), evidence, whole, element("label", {}, "n at least ", least), old, bound, others));

  narrow.addEventListener("change", () => (filters.open = !narrow.matches)); // where it is wide there is nothing to open it with

  const checks = (all, name, hidden, apply) => () => {
    const boxes = all.map((one) => [one, element("input", { type: "checkbox", checked: !hidden().has(one[name]), onchange: () => apply(flip(hidden(), one[name])) })]);
    const filter = element("input", { type: "search", placeholder: "Search", "aria-label": "Search this list", oninput: () => boxes.forEach(([one, box]) => box.parentElement.classList.toggle("hidden", !(one.title ?? one.name).toLowerCase().includes(filter.value.toLowerCase()))) });
    const every = (checked) => element("button", { type: "button", class: "board-chip", onclick: () => {
      for (const [, box] of boxes) if (!box.parentElement.classList.contains("hidden")) box.checked = checked;
      apply(new Set(boxes.filter(([, box]) => !box.checked).map(([one]) => one[name])));
    } }, checked ? "All" : "None");
    return [element("div", { class: "board-row" }, filter, every(true), every(false)), element("div", { class: "board-checks" }, boxes.map(([one, box]) => element("label", {}, box, ` ${one.title ?? one.name}`)))];
  };
  const columns = drop("Columns", checks(board.columns, "id", () => state.hide, (hide) => on.change({ hide })));
  const systems = drop("Systems", checks(board.rows.map((row) => ({ key: row.key, name: row.name })), "key", () => state.drop, (value) => on.change({ drop: value })));
  const exports = drop("Export", () => [
    element("button", { type: "button", class: "board-chip", onclick: () => download("leaderboard.csv", "text/csv", csv(selection, state)) }, "CSV, as shown"),
    element("button", { type: "button", class: "board-chip", onclick: () => download("leaderboard.json", "application/json", JSON.stringify(board.json)) }, "JSON, everything"),
    served ? element("a", { class: "board-chip", href: `/api/board/page${published ? "?published=1" : ""}`, download: "leaderboard.html" }, "One HTML file") : null,
  ].filter(Boolean));

  return {
    node: element("div", { class: "board-controls" },
      element("div", { class: "board-row" }, search, element("div", { class: "board-row board-views", role: "group", "aria-label": "View" }, views, served ? element("a", { class: "board-chip", href: "/arena/ratings#matrix" }, "Win matrix") : null), columns, systems, exports),
      filters, element("div", { class: "board-row" }, line, reset)),
    update(nextSelection, nextState) {
      [selection, state] = [nextSelection, nextState];
      if (document.activeElement !== search) search.value = state.q;
      if (document.activeElement !== least) least.value = state.n || "";
      evidence.value = state.evidence;
      for (const button of views) press(button, button.dataset.view === state.view);
      for (const button of groups) press(button, !state.nogroup.has(button.dataset.group));
      press(whole, !state.partial);
      press(bound, state.by === "low");
      press(parts, state.parts);
      press(old, state.old);
      const narrowed = selection.rows.length < board.rows.filter((row) => row.latest || state.old).length || selection.columns.length < board.columns.filter((column) => state.parts || !isPart(column)).length;
      reset.classList.toggle("hidden", !narrowed);
      line.textContent = `${selection.rows.length} of ${board.rows.length} systems, ${selection.columns.length} of ${board.columns.length} columns${selection.sorted ? `, ${state.dir} first by ${selection.sorted.title}${state.by === "low" ? " (lower bound)" : ""}` : ", by name"}`;
    },
  };
}
