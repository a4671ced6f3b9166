// What a board holds, and which of it is shown in which order. Knows nothing of the page.

const RESOURCES = new Set(["money", "time", "speed", "memory"]);
const DECIDING = new Set(["own rows", "benchmark"]);
export const EVIDENCE = {
  "own rows": "measured here on your rows",
  benchmark: "measured here on a benchmark",
  "same recipe": "published, asked in the same way",
  "other recipe": "published, asked in another way",
  "self-reported": "reported by the model's own makers",
  inherited: "reported of the model that this one was made from",
};
const NAMES = new Intl.Collator("en", { numeric: true });
const LINEAR = new Set(["share", "elo", "points", "nats"]);
const DECADES = 30; // from this ratio of the largest to the smallest value on, a scale is logarithmic

const ORDER = ["average", "benchmark", "view", "own data", "own group", "fresh", "arena", "money", "time", "speed", "memory", "published"];
/** A subset or another part of a benchmark; what it takes, and groups of own data, are asked for by their own names. */
export const isPart = (column) => Boolean(column.parent) && !isResource(column) && column.group !== "own group";
export const isResource = (column) => RESOURCES.has(column.group);
export const decides = (cell) => DECIDING.has(cell.evidence);

/** A board from `Leaderboard.to_json()`: columns with the bounds of their intervals, rows with a cell or null per column. */
export function readBoard(json) {
  const groups = [...new Set(json.columns.map((column) => column.group))].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  const order = json.columns.map((_, index) => index).sort((a, b) => groups.indexOf(json.columns[a].group) - groups.indexOf(json.columns[b].group) || a - b);
  const columns = order.map((from, index) => ({ ...json.columns[from], index }));
  const labels = new Map();
  for (const row of json.rows) labels.set(row.label, (labels.get(row.label) ?? 0) + 1);
  const rows = json.rows.map((row, index) => {
    const key = labels.get(row.label) > 1 ? `${row.label} ${row.identity.slice(0, 8) || index}` : row.label;
    return { key, name: key, system: row.system, identity: row.identity, latest: row.latest, text: key.toLowerCase(), cells: order.map((from) => readCell(row.cells[from], json)) };
  });
  [...rows].sort((a, b) => NAMES.compare(a.name, b.name)).forEach((row, index) => (row.named = index)); // collation is dear, and the same each time
  for (const column of columns) {
    const cells = rows.map((row) => row.cells[column.index]).filter((cell) => cell);
    column.low = Math.min(...cells.map((cell) => cell.low ?? cell.value));
    column.high = Math.max(...cells.map((cell) => cell.high ?? cell.value));
    column.logarithmic = spansDecades(column, cells.map((cell) => cell.value));
  }
  return { columns, rows, groups, steps: json.next_steps, notes: json.notes, json };
}

/** Its places by the names in `cell`, and the texts that it shares with others. */
function readCell(places, json) {
  if (!places) return null;
  const cell = { look: null };
  for (let place = 0; place < places.length; place += 1) cell[json.cell[place]] = places[place];
  cell.partial = Boolean(cell.partial);
  [cell.evidence, cell.method, cell.source] = [json.evidence[cell.evidence], json.methods[cell.method], json.sources[cell.source]];
  cell.marks = cell.marks.map((mark) => json.marks[mark]);
  return cell;
}

export const spansDecades = (column, values) => !LINEAR.has(column.unit) && values.length > 0 && Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= DECADES;

/** Where a value stands between the bounds of its column, 0 to 1. */
export function along(column, value) {
  const scaled = column.logarithmic ? (one) => Math.log(Math.max(one, 1e-12)) : (one) => one;
  const span = scaled(column.high) - scaled(column.low);
  return span > 0 ? Math.min(1, Math.max(0, (scaled(value) - scaled(column.low)) / span)) : 0.5;
}

/** The column by which a board is sorted first: an average, else one that was measured of most systems. */
export function firstColumn(board) {
  const count = (column) => board.rows.filter((row) => row.cells[column.index] && decides(row.cells[column.index])).length;
  const quality = board.columns.filter((column) => !isResource(column) && !isPart(column));
  const averages = quality.filter((column) => column.group === "average");
  const pool = averages.length ? averages : quality.length ? quality : board.columns;
  return pool.reduce((best, one) => (best && count(best) >= count(one) ? best : one), null);
}

/** Whether a cell passes the filters. What a system costs is not measured on anybody's rows, so `own` leaves it. */
export function passes(cell, column, state) {
  if (!cell) return false;
  if (state.evidence === "here" && !decides(cell)) return false;
  if (state.evidence === "own" && cell.evidence !== "own rows" && !(isResource(column) && decides(cell))) return false;
  if (!state.partial && cell.partial) return false;
  return isResource(column) || cell.n >= state.n;
}

/** Positions of the columns and the rows, in order, that a state shows; `sorted` is the column that orders them. */
export function select(board, state) {
  const words = state.q.toLowerCase().split(/\s+/);
  const rows = board.rows.filter((row) => !state.drop.has(row.key) && (row.latest || state.old) && words.every((word) => row.text.includes(word)));
  const narrowed = state.evidence !== "all" || !state.partial || state.n > 0;
  const columns = board.columns.filter(
    (column) => !state.hide.has(column.id) && (state.parts || !isPart(column)) && !state.nogroup.has(column.group) && (!narrowed || rows.some((row) => passes(row.cells[column.index], column, state))),
  );
  const left = narrowed ? rows.filter((row) => columns.some((column) => passes(row.cells[column.index], column, state))) : rows;
  const sorted = board.columns.find((column) => column.id === state.sort) ?? null;
  return { columns, rows: inOrder(left, sorted, state), sorted };
}

function inOrder(rows, column, state) {
  const byName = (a, b) => a.named - b.named;
  const turn = state.dir === "worst" ? -1 : 1;
  if (!column) return [...rows].sort((a, b) => turn * byName(a, b));
  const sign = column.higher_is_better ? -1 : 1;
  const value = new Map(rows.map((row) => {
    const cell = row.cells[column.index];
    return [row, passes(cell, column, state) ? sign * (state.by === "low" ? cautious(cell, column) : cell.value) : null];
  }));
  return [...rows].sort((a, b) => {
    const [one, other] = [value.get(a), value.get(b)];
    if (one === null || other === null) return (one === null) - (other === null) || byName(a, b);
    return turn * (one - other) || byName(a, b);
  });
}

/** The worse end of the interval; the value itself where there is none. */
export const cautious = (cell, column) => (column.higher_is_better ? cell.low : cell.high) ?? cell.value;

/** The points that no other one equals or beats in both: [{x, y, …}] in the order of x. */
export function frontier(points, xHigher, yHigher) {
  const ahead = (a, b, higher) => (higher ? a > b : a < b);
  const ordered = [...points].sort((a, b) => (xHigher ? b.x - a.x : a.x - b.x) || (yHigher ? b.y - a.y : a.y - b.y));
  const front = [];
  for (const point of ordered) if (!front.length || ahead(point.y, front.at(-1).y, yHigher)) front.push(point);
  return front;
}
