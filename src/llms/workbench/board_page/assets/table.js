// The table: each row is built once and then moved, columns are hidden by one rule, and cells are blanked by a class. Rows are
// boxes of their own (board.css), so that only those in view are laid out; the roles say that it is a table. It is one stop of
// the Tab key, within which the arrows go from cell to cell.
import { element } from "./dom.js";
import { along, decides, passes } from "./model.js";
import { heading, interval, rank, sentence, show, signs } from "./words.js";

const CHUNK = 40; // rows that are put into the table at a time: two screens
const NAMES = { "own data": "your data", "own group": "your groups", fresh: "fresh items" };

/** {node, update(selection, state)} of the table of `board`. `on` has sort(id) and open(column id, row key). */
export function table(board, on) {
  const hidden = element("style");
  const groups = element("tr", { role: "row", "aria-hidden": "true" });
  const corner = element("th", { role: "columnheader", class: "board-name", tabindex: "0", "data-sort": "" }, element("small", {}, "rank"), " system");
  const heads = board.columns.map((column) =>
    element("th", { role: "columnheader", class: `c${column.index}`, tabindex: "-1", "data-sort": column.id, title: about(column) }, element("span", {}, heading(column))));
  const lines = rows(board);
  const head = element("thead", { role: "rowgroup" }, groups, element("tr", { role: "row" }, corner, ...heads));
  const grid = element("table", { role: "grid", class: "board-table", "aria-label": "Leaderboard" }, head, lines.body);
  const node = element("div", { class: "board-scroll" }, hidden, grid);

  const columnOf = (cell) => board.columns[cell.cellIndex - 1];
  const target = (event) => event.target.closest("th, td");
  const act = (cell) => {
    if (!cell) return;
    if (cell.dataset.sort !== undefined) on.sort(cell.dataset.sort);
    else if (cell.parentElement.board) on.open(columnOf(cell)?.id ?? "", cell.parentElement.board.key);
  };
  grid.addEventListener("click", (event) => {
    const cell = target(event);
    if (!cell || cell.matches(".off")) return;
    cell.tabIndex = 0;
    cell.focus(); // where one comes back to from the panel
    act(cell);
  });
  const describe = (event) => {
    const cell = target(event);
    const row = cell?.parentElement.board;
    const column = row && columnOf(cell);
    if (!column) return;
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
    if (!next) return;
    next.tabIndex = 0;
    next.focus();
  });

  return {
    node,
    update(selection, state) {
      const shown = new Set(selection.columns);
      hidden.textContent = board.columns.filter((column) => !shown.has(column)).map((column) => `.board-table .c${column.index}`).join(",") + "{display:none}";
      groups.replaceChildren(element("td", { role: "cell", class: "board-name" }), ...spans(selection.columns));
      for (const th of [corner, ...heads]) {
        const sorted = th.dataset.sort === state.sort;
        if (sorted) th.setAttribute("aria-sort", direction(selection.sorted, state));
        else th.removeAttribute("aria-sort");
        th.classList.toggle("by-low", sorted && state.by === "low");
      }
      if (lines.update(selection, state)) node.scrollTop = 0;
      grid.setAttribute("aria-rowcount", selection.rows.length + 2);
    },
  };
}

const about = (column) => [column.title, ...Object.entries(column.details ?? {}).map(([name, value]) => `${name}: ${value}`), column.higher_is_better ? "more is better" : "less is better"].join("\n");

const GRID_CELL = element("td", { role: "gridcell" }); // cloned, as there are thousands

function line(row, columns) {
  const tr = element("tr", { role: "row" }, element("th", { role: "rowheader", class: "board-name", tabindex: "-1", title: row.name }, element("small"), element("span", {}, row.name)));
  tr.board = row;
  for (const column of columns) {
    const cell = row.cells[column.index];
    const td = GRID_CELL.cloneNode();
    const kinds = [`c${column.index}`];
    if (!cell) kinds.push("off");
    else {
      td.textContent = show(cell.value, column.unit);
      if (interval(cell, column)) {
        kinds.push("between");
        td.style.cssText = `--a:${percent(along(column, cell.low))};--b:${percent(along(column, cell.high))};--v:${percent(along(column, cell.value))}`;
      }
      if (!decides(cell)) kinds.push("outside");
      if (signs(cell)) td.append(element("sup", {}, signs(cell)));
    }
    td.className = kinds.join(" ");
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
  return runs.map((run) => element("td", { role: "cell", style: `width:calc(var(--cell) * ${run.count})`, class: "board-group" }, element("span", {}, NAMES[run.group] ?? run.group)));
}

/** The best first is from above where more is better, and from below for names and for what one wants little of. */
const direction = (column, state) => (Boolean(column?.higher_is_better) === (state.dir === "best") ? "descending" : "ascending");

/** Of each row its rank by the sorted column, and whether a line goes above it: its best rank is worse than the worst one of
    the first row behind the line before. */
function places(selection, state) {
  let worst = null;
  const ranked = selection.sorted !== null && state.by === "value" && state.dir === "best";
  return selection.rows.map((row) => {
    const cell = selection.sorted && row.cells[selection.sorted.index];
    const counts = cell && passes(cell, selection.sorted, state) && cell.rank_low !== null;
    const apart = Boolean(ranked && counts && worst !== null && cell.rank_low > worst);
    if (counts && (worst === null || apart)) worst = cell.rank_high;
    return { row, rank: counts ? rank(cell) : "", apart };
  });
}

/** The body of the table: the first screens of rows at once, the others behind the next frames, so that one sees soon what a
    click did. A row is built when it is first needed; rows that stay where they were keep the focus. */
function rows(board) {
  const body = element("tbody", { role: "rowgroup" });
  const lines = new Map();
  let current = [];
  let updates = 0;
  const lineOf = ({ row, rank: text, apart }, state) => {
    if (!lines.has(row)) lines.set(row, line(row, board.columns));
    const tr = lines.get(row);
    const filter = `${state.evidence} ${state.partial} ${state.n}`;
    if ((tr.filter ?? "all true 0") !== filter) board.columns.forEach((column) => tr.cells[column.index + 1].classList.toggle("off", !passes(row.cells[column.index], column, state)));
    tr.filter = filter;
    tr.cells[0].firstChild.textContent = text;
    tr.classList.toggle("apart", apart);
    return tr;
  };
  const add = (waiting, state) => {
    const attached = waiting.slice(0, CHUNK).map((one) => lineOf(one, state));
    body.append(...attached);
    const mine = updates;
    if (waiting.length > CHUNK) requestAnimationFrame(() => setTimeout(() => mine === updates && add(waiting.slice(CHUNK), state)));
  };
  return {
    body,
    /** Returns whether rows went to other places. */
    update(selection, state) {
      const next = places(selection, state);
      const moved = next.length !== current.length || next.some((one, index) => one.row !== current[index]);
      current = selection.rows;
      if (!moved && body.rows.length === next.length) next.forEach((one) => lineOf(one, state));
      else {
        updates += 1;
        body.replaceChildren();
        add(next, state);
      }
      return moved;
    },
  };
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
  const all = [cell.closest("table").tHead.rows[1], ...cell.closest("table").tBodies[0].rows];
  const at = all.indexOf(cell.parentElement);
  const inRow = (index) => all[Math.min(all.length - 1, Math.max(0, index))].cells[cell.cellIndex];
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
