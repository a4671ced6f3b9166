// Numbers and cells in words, and the board as CSV.
import { decides, EVIDENCE, passes } from "./model.js";

const ROUNDED = { 2: new Intl.NumberFormat("en-US", { maximumSignificantDigits: 2 }), 3: new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 }) };
const digits = (value, count) => (value === 0 ? "0" : ROUNDED[count].format(value));

const FORMATS = {
  share: (value) => (100 * value).toFixed(1),
  elo: (value) => value.toFixed(0),
  points: (value) => value.toFixed(1),
  nats: (value) => value.toFixed(3),
  seconds: (value) => (value !== 0 && Math.abs(value) < 1 ? `${digits(1000 * value, 3)} ms` : `${digits(value, 3)} s`),
  "tokens/s": (value) => digits(value, 3),
  bytes: (value) => (Math.abs(value) >= 1e9 ? `${digits(value / 1e9, 3)} GB` : Math.abs(value) >= 1e6 ? `${digits(value / 1e6, 3)} MB` : `${digits(value / 1e3, 3)} kB`),
  dollars: (value) => (value === 0 ? "$0" : Math.abs(value) >= 1 ? `$${value.toFixed(2)}` : `$${digits(value, 2)}`),
};
const UNITS = { share: "%", elo: "Elo", seconds: "", "tokens/s": "tokens/s", bytes: "", dollars: "US dollars", points: "points" };

export const show = (value, unit) => (FORMATS[unit] ?? String)(value);
export const unitOf = (column) => UNITS[column.unit] ?? column.unit;
export const heading = (column) => `${column.title}${unitOf(column) ? ` (${unitOf(column)})` : ""}`;
export const interval = (cell, column) => (cell.low === null || cell.high === null ? "" : `${show(cell.low, column.unit)} – ${show(cell.high, column.unit)}`);
export const rank = (cell) => (!cell || cell.rank_low === null || cell.rank_high === null ? "" : cell.rank_low === cell.rank_high ? `${cell.rank_low}` : `${cell.rank_low}–${cell.rank_high}`);

/** The signs behind a value: * part of the data, ! a note, ° not measured here. */
export const signs = (cell) => `${cell.partial ? "*" : ""}${cell.marks.length ? "!" : ""}${decides(cell) ? "" : "°"}`;

/** A cell as a sentence. */
export function sentence(cell, row, column) {
  if (!cell) return `${row.name}, ${column.title}: nothing known`;
  const parts = [`${row.name}, ${column.title}: ${show(cell.value, column.unit)}${column.unit === "share" ? " %" : ""}`];
  if (interval(cell, column)) parts.push(`95 % interval ${interval(cell, column)}`);
  if (cell.n) parts.push(`n = ${cell.n.toLocaleString("en-US")}`);
  if (rank(cell)) parts.push(`rank ${rank(cell)}`);
  parts.push(EVIDENCE[cell.evidence] ?? cell.evidence);
  if (cell.partial) parts.push("part of the data only");
  return [parts.join(", "), ...cell.marks].join(". ");
}

const quoted = (value) => {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text; // a spreadsheet would run it
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** One line per cell that is shown, in the order of the page. */
export function csv(selection, state) {
  const fields = ["value", "low", "high", "stderr", "n", "rank_low", "rank_high", "evidence", "partial", "method", "run", "source"];
  const lines = [["system", "identity", "column", "title", "unit", ...fields].join(",")];
  for (const row of selection.rows) {
    for (const column of selection.columns) {
      const cell = row.cells[column.index];
      if (passes(cell, column, state)) lines.push([row.system, row.identity, column.id, column.title, column.unit, ...fields.map((field) => cell[field])].map(quoted).join(","));
    }
  }
  return `${lines.join("\r\n")}\r\n`;
}
