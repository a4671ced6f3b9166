// The body of the table: a row for each system, whose name is always there, so that the browser's own search finds it and rows
// are counted right; cells only for the rows and columns in view and a margin around them. Rows and cells stay where they are
// and show something else, as new nodes cost most.
import { element } from "./dom.js";
import { along, decides, passes } from "./model.js";
import { interval, rank, show, signs } from "./words.js";

const MARGIN = { rows: 5, columns: 2 }; // what is drawn beyond the view on each side: a turn of the wheel
const HEAD = 3; // aria-rowindex of the first system, behind two rows of heads
const NONE = { top: 0, bottom: 0, left: 0, right: 0 };
const CELL = element("td", { role: "gridcell", tabindex: "-1" });

/** {node, drawn(), row(place), update(selection, state, view), look(view), leaving(cell, tr)}: `look` draws what a view of {top, bottom,
    left, right}, in rows and columns, needs; `leaving` is replaced by who wants to know which cells go. */
export function windowed() {
  const node = element("tbody", { role: "rowgroup" });
  const slots = [];
  const spare = [];
  let [lines, columns, state, filter] = [[], [], null, ""];
  let drawn = NONE;
  const self = { node, drawn: () => drawn, row: (place) => slots[place], leaving: () => {} };

  function release(tr, count) {
    while (tr.childElementCount - 1 > count) {
      const td = tr.lastChild;
      self.leaving(td, tr);
      td.remove();
      spare.push(td);
    }
  }
  function attach() {
    while (slots.length < lines.length) slots.push(slot(slots.length));
    if (node.childElementCount < lines.length) node.append(...slots.slice(node.childElementCount, lines.length));
    while (node.childElementCount > lines.length) {
      release(node.lastChild, 0);
      self.leaving(node.lastChild.firstChild, null);
      node.lastChild.remove();
    }
  }
  function draw(next) {
    for (let place = drawn.top; place < drawn.bottom; place += 1) if (place < next.top || place >= next.bottom) release(slots[place], 0);
    for (let place = next.top; place < next.bottom; place += 1) {
      const tr = slots[place];
      release(tr, next.right - next.left);
      const missing = next.right - next.left - tr.childElementCount + 1;
      if (missing) tr.append(...Array.from({ length: missing }, () => spare.pop() ?? CELL.cloneNode()));
      let td = tr.firstChild;
      for (let at = next.left; at < next.right; at += 1) {
        td = td.nextSibling;
        fill(td, tr.board, columns[at], at, at === next.left ? at : 0);
      }
    }
    drawn = next;
  }
  function fill(td, row, column, at, indent) {
    if (td.row === row && td.column === column && td.indent === indent && td.filter === filter) return;
    if (td.at !== at) td.setAttribute("aria-colindex", at + 2);
    const cell = row.cells[column.index];
    const look = passes(cell, column, state) ? (cell.look ??= lookOf(cell, column)) : null;
    const kinds = `c${column.index}${look ? look.kinds : " off"}`;
    if (td.className !== kinds) td.className = kinds;
    const style = (indent ? `margin-left:calc(${indent} * var(--cell));` : "") + (look?.style ?? "");
    if (td.drawnStyle !== style) td.style.cssText = style;
    if (!td.firstChild) td.append("");
    const text = look?.text ?? "";
    if (td.firstChild.data !== text) td.firstChild.data = text;
    const after = look?.signs ?? "";
    if (td.childElementCount) td.lastChild.textContent = after;
    else if (after) td.append(element("sup", {}, after));
    if (td.title) for (const name of ["title", "aria-label"]) td.removeAttribute(name);
    Object.assign(td, { row, column, at, indent, filter, drawnStyle: style });
  }
  const around = ({ top, bottom, left, right }) => {
    const inside = (value, most) => Math.min(most, Math.max(0, value));
    return { top: inside(top - MARGIN.rows, lines.length), bottom: inside(bottom + MARGIN.rows, lines.length), left: inside(left - MARGIN.columns, columns.length), right: inside(right + MARGIN.columns, columns.length) };
  };
  return Object.assign(self, {
    look(view) {
      const covers = drawn.top <= view.top && drawn.bottom >= Math.min(lines.length, view.bottom) && drawn.left <= view.left && drawn.right >= Math.min(columns.length, view.right);
      if (!covers) draw(around(view));
    },
    /** `view(moved)` answers what is in view, `moved` being whether rows went to other places. */
    update(selection, nextState, view) {
      const next = places(selection, nextState);
      const moved = next.length !== lines.length || next.some((one, index) => one.row !== lines[index].row);
      [lines, columns, state] = [next, selection.columns, nextState];
      filter = `${state.evidence} ${state.partial} ${state.n}`;
      attach();
      lines.forEach((line, place) => name(slots[place], line));
      drawn = { ...drawn, bottom: Math.min(drawn.bottom, lines.length), top: Math.min(drawn.top, lines.length) };
      draw(around(view(moved)));
    },
  });
}

function slot(place) {
  const tr = element("tr", { role: "row", "aria-rowindex": place + HEAD }, element("th", { role: "rowheader", class: "board-name", tabindex: "-1", "aria-colindex": 1 }, element("small", {}, ""), element("span", {}, "")));
  tr.place = place;
  return tr;
}

function name(tr, { row, rank: text, apart }) {
  const [small, span] = tr.firstChild.children;
  if (tr.board !== row) {
    tr.firstChild.title = row.name;
    span.firstChild.data = row.name;
    tr.board = row;
  }
  if (small.firstChild.data !== text) small.firstChild.data = text;
  if (tr.apart !== apart) tr.classList.toggle("apart", apart);
  tr.apart = apart;
}

/** How a cell looks: it is asked for once, when the cell first comes into view. */
function lookOf(cell, column) {
  const between = cell.low !== null && cell.high !== null;
  return {
    text: show(cell.value, column.unit),
    signs: signs(cell),
    kinds: `${between ? " between" : ""}${decides(cell) ? "" : " outside"}`,
    style: between ? bar(along(column, cell.low), along(column, cell.high), along(column, cell.value)) : "",
  };
}

/** The places of the images in board.css. An image of a width w is put at (1 - w) times its percentage. */
function bar(low, high, value) {
  const width = high - low;
  return `background-position-x:${percent(value)},${percent(width < 1 ? low / (1 - width) : 0)},0;background-size:2px 7px,${percent(width)} 3px,100% 1px`;
}

const percent = (share) => `${(100 * share).toFixed(1)}%`;

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
