// What stands behind a cell: the value in full, how it was measured, and, where a server answers, the items and their prompts.
import { element, toggle } from "./dom.js";
import { decides, EVIDENCE } from "./model.js";
import { heading, interval, rank, show } from "./words.js";

const PAGE = 20;
const KINDS = { all: "All", wrong: "Wrong", right: "Right", unparsed: "Unreadable", failed: "Failed" };

/** {node, show(row, column), hide()} of the dialog; `on` has close() and hideSystem(key), `ask(path)` answers JSON or is null. */
export function panel(board, on, ask) {
  const body = element("div", { class: "board-panel-body" });
  const title = element("h2", { id: "board-panel-title" });
  const close = element("button", { type: "button", class: "board-close", "aria-label": "Close" }, "✕");
  const node = element("dialog", { class: "board-panel", "aria-labelledby": "board-panel-title" }, element("header", {}, title, close), body);
  close.addEventListener("click", () => node.close());
  node.addEventListener("click", (event) => event.target === node && node.close());
  node.addEventListener("close", () => on.close());
  return {
    node,
    show(row, column) {
      title.textContent = column ? `${row.name} on ${column.title}` : row.name;
      body.replaceChildren(...(column ? ofCell(row, column, ask) : ofSystem(row, board, on)));
      body.scrollTop = 0;
      if (!node.open) node.showModal();
    },
    hide: () => node.open && node.close(),
  };
}

const facts = (pairs) => element("dl", { class: "board-facts" }, pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined).map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));

function ofCell(row, column, ask) {
  const cell = row.cells[column.index];
  if (!cell) return [element("p", {}, "Nothing is known here.")];
  const between = interval(cell, column);
  return [
    element("p", { class: "board-value" }, element("strong", {}, `${show(cell.value, column.unit)}${column.unit === "share" ? " %" : ""}`), between ? ` 95 % interval ${between}` : " no interval"),
    element("p", { class: decides(cell) ? "" : "board-outside" }, `${EVIDENCE[cell.evidence] ?? cell.evidence}${decides(cell) ? "" : "; it decides nothing until it is measured here"}`),
    cell.marks.length || cell.partial ? element("ul", { class: "board-marks", "aria-label": "Notes" }, cell.partial ? element("li", {}, "part of the data only") : null, cell.marks.map((mark) => element("li", {}, mark))) : null,
    facts([
      ["n", cell.n ? cell.n.toLocaleString("en-US") : ""], ["rank", rank(cell)], ["standard error", cell.stderr === null ? "" : show(cell.stderr, column.unit)], ["interval by", cell.method],
      ["guessing gets", column.chance ? show(column.chance, column.unit) : ""], ["better is", column.higher_is_better ? "more" : "less"], ["source", cell.source], ...Object.entries(column.details ?? {}),
      ["run", cell.run && element("code", {}, cell.run)], ["identity", row.identity && element("code", {}, row.identity)],
    ]),
    ...(cell.run ? [element("h3", {}, "Items"), ask ? items(cell.run, ask) : element("p", { class: "board-note" }, "This file holds no items. Where the run is stored: ", element("code", {}, `llms samples ${cell.run}`))] : []),
  ].filter(Boolean);
}

function ofSystem(row, board, on) {
  const known = board.columns.filter((column) => row.cells[column.index]);
  return [
    facts([["system", row.system], ["identity", row.identity && element("code", {}, row.identity)], ["", row.latest ? "" : "an earlier meaning of this name"]]),
    element("table", {}, element("thead", {}, element("tr", {}, ["measure", "value", "95 % interval", "rank", "n"].map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, known.map((column) => {
        const cell = row.cells[column.index];
        return element("tr", {}, element("th", { scope: "row" }, heading(column)), [show(cell.value, column.unit) + (decides(cell) ? "" : "°"), interval(cell, column), rank(cell), String(cell.n || "")].map((text) => element("td", {}, text)));
      }))),
    element("p", {}, element("button", { type: "button", onclick: () => on.hideSystem(row.key) }, "Hide this system")),
  ];
}

/** Items of a run, wrong ones first, a page at a time. */
function items(run, ask) {
  const list = element("ol", { class: "board-items" });
  const line = element("p", { class: "board-note", role: "status" });
  const more = element("button", { type: "button", class: "hidden" }, "More");
  const chips = element("div", { class: "board-row", role: "group", "aria-label": "Which items" });
  let kind = "all";
  const load = async (start) => {
    line.textContent = "reading the items";
    try {
      const answer = await ask(`/api/board/items?${new URLSearchParams({ run, kind, start, count: PAGE })}`);
      const kinds = Object.keys(KINDS).filter((one) => one === "all" || answer.counts[one]);
      chips.replaceChildren(...kinds.map((one) => toggle(`${KINDS[one]} ${one === "all" ? answer.total : answer.counts[one]}`, one === kind, () => pick(one))));
      list.append(...answer.items.map((item) => entry(run, item, ask)));
      more.classList.toggle("hidden", list.children.length >= answer.selected);
      line.textContent = `${list.children.length} of ${answer.selected}${kind === "all" ? ", wrong ones first" : ""}`;
    } catch (error) {
      line.textContent = error.message;
    }
  };
  const pick = async (one) => {
    kind = one;
    list.replaceChildren();
    await load(0);
    chips.querySelector("[aria-pressed=true]")?.focus();
  };
  more.addEventListener("click", () => load(list.children.length));
  load(0);
  return element("div", {}, chips, list, line, more);
}

function entry(run, item, ask) {
  const body = element("div");
  const box = element("details", { class: `board-item ${item.kind}` },
    element("summary", {}, element("span", { class: "kind" }, item.kind), ` ${item.item} `, element("span", { class: "start" }, item.start)), body);
  box.addEventListener("toggle", async () => {
    if (!box.open || body.hasChildNodes()) return;
    body.append(element("p", { class: "board-note" }, "reading the prompt"));
    try {
      body.replaceChildren(...prompt(await ask(`/api/board/item?${new URLSearchParams({ run, item: item.item })}`)));
    } catch (error) {
      body.replaceChildren(element("p", { role: "alert" }, error.message));
    }
  });
  return element("li", {}, box);
}

const block = (name, text) => [element("h4", {}, name), element("pre", { tabindex: "0", "aria-label": name }, text)];

/** An item in full: the prompt exactly as it was sent, then what came back. */
function prompt(item) {
  return [
    ...block("Prompt, exactly as it was asked", item.header + item.prompt),
    item.choices.length ? element("table", {}, element("thead", {}, element("tr", {}, ["", "log-probability", "continuation"].map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, item.choices.map((choice) => element("tr", {}, [[choice.picked ? "picked" : "", choice.right ? "right" : ""].filter(Boolean).join(", "), choice.logprob.toFixed(3), choice.text].map((text) => element("td", {}, text)))))) : null,
    ...item.answers.flatMap((answer) => [...(answer.thinking ? block("Thinking", answer.thinking) : []), ...block("Answer", answer.text)]),
    ...item.judge.flatMap((text) => block("The judge", text)),
    facts([["read as", item.extracted], ["right is", item.target], ["scores", item.scores]]),
  ].filter(Boolean);
}
