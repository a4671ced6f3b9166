// The table: its heads, which are hidden and marked but never built again, and the way through its cells. Only the cells in
// view are there (window.js); rows are boxes of one height (board.css), and roles and indices say that it is a table of so many
// rows and columns. It is one stop of the Tab key, within which the arrows go from cell to cell.
import { element } from "./dom.js";
import { heading, sentence } from "./words.js";
import { windowed } from "./window.js";

const NAMES = { "own data": "your data", "own group": "your groups", fresh: "fresh items" };

/** {node, update(selection, state)} of the table of `board`. `on` has sort(id) and open(column id, row key). */
export function table(board, on) {
  const groups = element("tr", { role: "row", "aria-hidden": "true" });
  const corner = element("th", { role: "columnheader", class: "board-name", tabindex: "0", "data-sort": "", "aria-colindex": 1 }, element("small", {}, "rank"), " system");
  const heads = board.columns.map((column) =>
    element("th", { role: "columnheader", class: `c${column.index}`, tabindex: "-1", "data-sort": column.id, title: about(column) }, element("span", {}, heading(column))));
  const lines = windowed();
  const head = element("thead", { role: "rowgroup" }, groups, element("tr", { role: "row", "aria-rowindex": 2 }, corner, ...heads));
  const grid = element("table", { role: "grid", class: "board-table", "aria-label": "Leaderboard" }, head, lines.node);
  const node = element("div", { class: "board-scroll" }, grid);
  const view = viewOf(node, grid, () => lines.look(view.cells()));
  let [columns, stop, marked] = [[], corner, null];
  let at = null; // {line, column} of the focused cell, -1 for heads and names

  const target = (event) => event.target.closest("th, td");
  const whereOf = (cell) => ({ line: cell.parentElement.place ?? -1, column: cell.matches(".board-name") ? -1 : cell.column ? cell.at : columns.findIndex((one) => one.id === cell.dataset.sort) });
  const cellAt = ({ line, column }) => {
    view.reveal(line, column, head);
    if (line < 0) return column < 0 ? corner : heads[columns[column].index];
    return lines.row(line).children[column < 0 ? 0 : column - lines.drawn().left + 1];
  };
  const stopAt = (cell) => {
    if (stop !== cell) stop.tabIndex = -1;
    cell.tabIndex = 0;
    stop = cell;
  };
  lines.leaving = (cell, tr) => {
    const next = tr ? tr.firstChild : corner;
    const focused = document.activeElement === cell;
    if (stop === cell) stopAt(next);
    if (!focused) return;
    const before = at; // the arrows go on from where the focus was, though its cell has left the view
    next.focus({ preventScroll: true });
    if (tr) at = before;
  };
  const act = (cell) => {
    if (cell.dataset.sort !== undefined) on.sort(cell.dataset.sort);
    else if (cell.parentElement.board) on.open(cell.column?.id ?? "", cell.parentElement.board.key);
  };
  grid.addEventListener("click", (event) => {
    const cell = target(event);
    if (!cell || cell.matches(".off, .board-group")) return;
    cell.focus({ preventScroll: true }); // where one comes back to from the panel
    act(cell);
  });
  const describe = (cell) => {
    if (!cell?.row) return;
    const { row, column } = cell;
    const words = cell.matches(".off") ? `${row.name}, ${column.title}: nothing that passes the filters` : sentence(row.cells[column.index], row, column);
    cell.title = words;
    cell.setAttribute("aria-label", words);
  };
  grid.addEventListener("pointerover", (event) => describe(target(event)));
  grid.addEventListener("focusin", (event) => {
    const cell = target(event);
    if (!cell) return;
    describe(cell);
    stopAt(cell);
    at = whereOf(cell);
  });
  grid.addEventListener("keydown", (event) => {
    const cell = target(event);
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (!cell.matches(".off")) act(cell);
      return;
    }
    const next = neighbour(at, event.key, lines.node.childElementCount - 1, columns.length - 1);
    if (!next) return;
    event.preventDefault();
    cellAt(next).focus({ preventScroll: true });
  });

  function headed(shown) {
    if (shown.length === columns.length && shown.every((column, index) => column === columns[index])) return;
    columns = shown;
    const numbers = new Map(columns.map((column, index) => [column.index, index + 2]));
    heads.forEach((th, index) => {
      th.hidden = !numbers.has(index);
      if (!th.hidden) th.setAttribute("aria-colindex", numbers.get(index));
    });
    groups.replaceChildren(element("td", { role: "cell", class: "board-name" }), ...spans(columns));
    grid.style.width = `calc(var(--name) + ${columns.length} * var(--cell))`;
    grid.setAttribute("aria-colcount", columns.length + 1);
    if (stop.hidden) stopAt(corner);
  }
  return {
    node,
    update(selection, state) {
      headed(selection.columns);
      const sorted = selection.sorted ? heads[selection.sorted.index] : corner;
      if (marked !== sorted) marked?.removeAttribute("aria-sort");
      marked?.classList.remove("by-low");
      sorted.setAttribute("aria-sort", direction(selection.sorted, state));
      sorted.classList.toggle("by-low", state.by === "low");
      marked = sorted;
      lines.update(selection, state, (moved) => {
        if (moved) view.toTop();
        return view.cells();
      });
      grid.setAttribute("aria-rowcount", selection.rows.length + 2);
      if (grid.contains(document.activeElement)) describe(document.activeElement);
    },
  };
}

/** Where the table is scrolled to, and how much of it is in view, without asking for a layout: {cells() -> {top, bottom, left,
    right} in rows and columns, reveal(line, column, head), toTop()}. */
function viewOf(node, grid, changed) {
  let [left, top, width, height, sizes] = [0, 0, 0, 0, null];
  const measured = () => {
    const style = getComputedStyle(grid);
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    return Object.fromEntries(["name", "cell", "row"].map((one) => [one, rem * parseFloat(style.getPropertyValue(`--${one}`))]));
  };
  const scrolled = () => {
    [left, top] = [node.scrollLeft, node.scrollTop];
    changed();
  };
  node.addEventListener("scroll", scrolled, { passive: true });
  new ResizeObserver(([entry]) => {
    ({ width, height } = entry.contentRect);
    sizes = null;
    if (width) scrolled();
  }).observe(node);
  return {
    cells() {
      const { name, cell, row } = (sizes ??= measured());
      return { top: Math.floor(top / row), bottom: Math.ceil((top + (height || innerHeight)) / row), left: Math.floor(left / cell), right: Math.ceil((left + (width || innerWidth) - name) / cell) };
    },
    toTop() {
      if (top) node.scrollTop = top = 0;
    },
    reveal(line, column, head) {
      const { name, cell, row } = (sizes ??= measured());
      const into = (start, end, from, room) => (start < from ? start : end > from + room ? end - room : from);
      if (line >= 0) node.scrollTop = into(line * row, (line + 1) * row, node.scrollTop, node.clientHeight - head.offsetHeight);
      if (column >= 0) node.scrollLeft = into(column * cell, (column + 1) * cell, node.scrollLeft, node.clientWidth - name);
      scrolled();
    },
  };
}

const about = (column) => [column.title, ...Object.entries(column.details ?? {}).map(([name, value]) => `${name}: ${value}`), column.higher_is_better ? "more is better" : "less is better"].join("\n");

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

/** The place to which a key leads from `at`, the last row being `lines` and the last column `columns`; undefined where the key leads nowhere. */
function neighbour({ line, column }, key, lines, columns) {
  const to = (row, along) => ({ line: Math.min(lines, Math.max(-1, row)), column: Math.min(columns, Math.max(-1, along)) });
  switch (key) {
    case "ArrowRight": return to(line, column + 1);
    case "ArrowLeft": return to(line, column - 1);
    case "ArrowDown": return to(line + 1, column);
    case "ArrowUp": return to(line - 1, column);
    case "PageDown": return to(line + 10, column);
    case "PageUp": return to(line - 10, column);
    case "Home": return to(line, -1);
    case "End": return to(line, columns);
    default: return undefined;
  }
}
