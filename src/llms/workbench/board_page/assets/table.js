// The table: built once; afterwards rows are moved, columns are hidden by one rule, and cells are blanked by a class. It is one
// stop of the Tab key, within which the arrows go from cell to cell.
import { element } from "./dom.js";
import { along, decides, passes } from "./model.js";
import { heading, interval, rank, sentence, show, signs } from "./words.js";

const NAMES = { "own data": "your data", "own group": "your groups", fresh: "fresh items" };

/** {node, update(selection, state)} of the table of `board`. `on` has sort(id) and open(column id, row key). */
export function table(board, on) {
  const hidden = element("style");
  const groups = element("tr", { "aria-hidden": "true" });
  const corner = element("th", { scope: "col", class: "board-name", tabindex: "0", "data-sort": "" }, element("small", {}, "rank"), " system");
  const heads = board.columns.map((column) =>
    element("th", { scope: "col", class: `c${column.index}`, tabindex: "-1", "data-sort": column.id, title: about(column) }, element("span", {}, heading(column))));
  const lines = new Map(board.rows.map((row) => [row, line(row, board.columns)]));
  const body = element("tbody");
  const head = element("thead", {}, groups, element("tr", {}, corner, ...heads));
  const grid = element("table", { role: "grid", class: "board-table", "aria-label": "Leaderboard" }, head, body);
  const node = element("div", { class: "board-scroll" }, hidden, grid);
  let filtered = "";

  const target = (event) => event.target.closest("th, td");
  const act = (cell) => {
    if (!cell) return;
    if (cell.dataset.sort !== undefined) on.sort(cell.dataset.sort);
    else if (cell.parentElement.board) on.open(cell.dataset.c === undefined ? "" : board.columns[cell.dataset.c].id, cell.parentElement.board.key);
  };
  grid.addEventListener("click", (event) => {
    const cell = target(event);
    if (cell && !cell.matches(".off")) act(cell);
  });
  const describe = (event) => {
    const cell = target(event);
    const row = cell?.parentElement.board;
    if (!row || cell.dataset.c === undefined) return;
    const column = board.columns[cell.dataset.c];
    const words = cell.matches(".off") ? `${row.name}, ${column.title}: nothing that passes the filters` : sentence(row.cells[column.index], row, column);
    cell.title = words;
    cell.setAttribute("aria-label", words);
  };
  grid.addEventListener("pointerover", describe);
  grid.addEventListener("focusin", (event) => {
    describe(event);
    const cell = target(event);
    for (const old of grid.querySelectorAll("[tabindex='0']")) if (old !== cell) old.tabIndex = -1;
    if (cell) cell.tabIndex = 0;
  });
  grid.addEventListener("keydown", (event) => {
    const cell = target(event);
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (!cell.matches(".off")) act(cell);
      return;
    }
    const next = neighbour(cell, event.key);
    if (next === undefined) return;
    event.preventDefault();
    next?.focus();
  });

  return {
    node,
    update(selection, state) {
      const shown = new Set(selection.columns);
      hidden.textContent = board.columns.filter((column) => !shown.has(column)).map((column) => `.board-table .c${column.index}`).join(",") + "{display:none}";
      const filter = `${state.evidence} ${state.partial} ${state.n}`;
      if (filter !== filtered) {
        filtered = filter;
        for (const [row, tr] of lines) board.columns.forEach((column) => tr.cells[column.index + 1].classList.toggle("off", !passes(row.cells[column.index], column, state)));
      }
      groups.replaceChildren(element("td", { class: "board-name" }), ...spans(selection.columns));
      for (const th of [corner, ...heads]) {
        const sorted = th.dataset.sort === state.sort;
        if (sorted) th.setAttribute("aria-sort", direction(selection.sorted, state));
        else th.removeAttribute("aria-sort");
        th.classList.toggle("by-low", sorted && state.by === "low");
      }
      order(body, selection, lines, state);
      grid.setAttribute("aria-rowcount", selection.rows.length + 2);
    },
  };
}

const about = (column) => [column.title, ...Object.entries(column.details ?? {}).map(([name, value]) => `${name}: ${value}`), column.higher_is_better ? "more is better" : "less is better"].join("\n");

function line(row, columns) {
  const tr = element("tr", {}, element("th", { scope: "row", class: "board-name", tabindex: "-1", title: row.name }, element("small"), element("span", {}, row.name)));
  tr.board = row;
  for (const column of columns) {
    const cell = row.cells[column.index];
    const td = document.createElement("td");
    td.className = `c${column.index}`;
    td.dataset.c = column.index;
    td.tabIndex = -1;
    if (!cell) td.classList.add("off");
    else {
      td.textContent = show(cell.value, column.unit);
      if (interval(cell, column)) {
        td.classList.add("bar");
        td.style.cssText = `--a:${percent(along(column, cell.low))};--b:${percent(along(column, cell.high))};--v:${percent(along(column, cell.value))}`;
      }
      if (!decides(cell)) td.classList.add("outside");
      if (signs(cell)) td.append(element("sup", {}, signs(cell)));
    }
    tr.append(td);
  }
  return tr;
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;

/** The heads of groups over the columns that are shown, each as wide as its columns. */
function spans(columns) {
  const runs = [];
  for (const column of columns) {
    if (runs.at(-1)?.group === column.group) runs.at(-1).count += 1;
    else runs.push({ group: column.group, count: 1 });
  }
  return runs.map((run) => element("td", { colspan: run.count, class: "board-group" }, element("span", {}, NAMES[run.group] ?? run.group)));
}

/** The best first is from above where more is better, and from below for names and for what one wants little of. */
const direction = (column, state) => (Boolean(column?.higher_is_better) === (state.dir === "best") ? "descending" : "ascending");

/** Rows in order; a line above each whose best rank is worse than the worst one of the first row behind the line before. */
function order(body, selection, lines, state) {
  let worst = null;
  const ranked = selection.sorted !== null && state.by === "value" && state.dir === "best";
  const ordered = selection.rows.map((row) => {
    const tr = lines.get(row);
    const cell = selection.sorted && row.cells[selection.sorted.index];
    const counts = cell && passes(cell, selection.sorted, state) && cell.rank_low !== null;
    tr.cells[0].firstChild.textContent = counts ? rank(cell) : "";
    const apart = ranked && counts && worst !== null && cell.rank_low > worst;
    tr.classList.toggle("apart", Boolean(apart));
    if (counts && (worst === null || apart)) worst = cell.rank_high;
    return tr;
  });
  if (ordered.length !== body.rows.length || ordered.some((tr, index) => tr !== body.rows[index])) body.replaceChildren(...ordered); // else the focus stays
}

/** The cell to which a key leads: null at an edge, undefined where the key leads nowhere. */
function neighbour(cell, key) {
  const visible = (one) => one && getComputedStyle(one).display !== "none";
  const beside = (step) => {
    let next = cell;
    do next = next[step];
    while (next && !visible(next));
    return next;
  };
  const rows = [cell.closest("table").tHead.rows[1], ...cell.closest("table").tBodies[0].rows];
  const at = rows.indexOf(cell.parentElement);
  const inRow = (index) => rows[Math.min(rows.length - 1, Math.max(0, index))].cells[cell.cellIndex];
  const cells = [...cell.parentElement.cells].filter(visible);
  switch (key) {
    case "ArrowRight": return beside("nextElementSibling");
    case "ArrowLeft": return beside("previousElementSibling");
    case "ArrowDown": return inRow(at + 1);
    case "ArrowUp": return inRow(at - 1);
    case "PageDown": return inRow(at + 10);
    case "PageUp": return inRow(at - 10);
    case "Home": return cells[0];
    case "End": return cells.at(-1);
    default: return undefined;
  }
}
