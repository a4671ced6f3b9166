// The board as a page: reads it, from the file it stands in or from the server, and draws what the address says.
import { address, readAddress } from "./address.js";
import { bars } from "./bars.js";
import { controls } from "./controls.js";
import { element } from "./dom.js";
import { firstColumn, readBoard, select } from "./model.js";
import { panel } from "./panel.js";
import { scatter } from "./scatter.js";
import { table } from "./table.js";

const home = document.getElementById("board");
const data = document.getElementById("board-data");

async function ask(path) {
  const response = await fetch(path);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

/** The page of a board without rows: what to run. */
function empty(board) {
  const steps = board.steps.length ? board.steps : ["llms eval smollm2 -b arc_easy --limit 50"];
  const copy = (command) => element("button", { type: "button", class: "board-chip", onclick: (event) => navigator.clipboard.writeText(command).then(() => (event.target.textContent = "Copied")) }, "Copy");
  return element("div", { class: "board-empty" }, element("p", {}, "Nothing was measured yet. One of these commands puts a first system here, with its interval, its speed and its memory:"),
    element("ul", {}, steps.map((command) => element("li", {}, element("code", {}, command), " ", copy(command)))));
}

function start(board, published, focused = "") {
  const initial = {
    q: "", sort: firstColumn(board).id, dir: "best", by: "value", evidence: "all", partial: true, old: false, published: false, parts: false, n: 0, nogroup: new Set(), hide: new Set(), drop: new Set(),
    view: "table", x: "", y: "", pick: null, cell: null,
  };
  let state = readAddress(initial);
  let selection = null;
  const on = {
    change(patch, quietly = false) {
      state = { ...state, ...patch };
      const next = address(state, initial);
      if (next !== location.pathname + location.search + location.hash) history[quietly ? "replaceState" : "pushState"](null, "", next);
      follow();
    },
    reset: () => on.change({ ...initial, view: state.view, sort: state.sort, dir: state.dir, by: state.by, published: state.published, x: state.x, y: state.y }),
    sort(id) {
      if (id !== state.sort) on.change({ sort: id, dir: "best" });
      else on.change({ dir: state.dir === "best" ? "worst" : "best" });
    },
    open: (column, key) => on.change({ cell: [column, key] }),
    close: () => state.cell && on.change({ cell: null }),
    hideSystem: (key) => on.change({ cell: null, drop: new Set([...state.drop, key]) }),
  };
  const above = controls(board, on, { served: !data, published });
  const grid = table(board, on);
  const picture = element("div", { class: "board-view" });
  const details = panel(board, on, data ? null : ask);
  const legend = element("p", { class: "board-note" }, "A bar is the 95 % interval within its column. * part of the data only · ! a note, which a click shows · ° not measured here, so it decides nothing. Systems between two lines cannot be told apart from the first of them. A click on a number leads to its items.");
  home.replaceChildren(above.node, grid.node, picture, legend, ...board.notes.map((note) => element("p", { class: "board-note" }, note)), steps(board), details.node);

  const left = new AbortController();
  /** Draws what the state says, from another board where it says so: with the results of others, or without them. */
  async function follow() {
    if (data || state.published === published) return draw();
    left.abort();
    home.setAttribute("aria-busy", "true");
    await open(state.published, document.activeElement?.textContent);
    home.setAttribute("aria-busy", "false");
  }
  function draw() {
    selection = select(board, state);
    above.update(selection, state);
    const drawn = state.view === "table";
    grid.node.classList.toggle("hidden", !drawn);
    legend.classList.toggle("hidden", !drawn);
    picture.classList.toggle("hidden", drawn);
    if (drawn) grid.update(selection, state);
    else paint();
    const row = state.cell && board.rows.find((one) => one.key === state.cell[1]);
    const column = state.cell && board.columns.find((one) => one.id === state.cell[0]);
    if (row && (column || !state.cell[0])) details.show(row, column);
    else details.hide();
  }
  let painted = "";
  function paint() {
    const width = picture.clientWidth || home.clientWidth;
    const now = JSON.stringify([width, { ...state, cell: null }, [...state.nogroup], [...state.hide], [...state.drop]]);
    if (now === painted) return; // a panel that opens keeps the focus where it was
    painted = now;
    const focused = picture.contains(document.activeElement) ? document.activeElement.closest("label")?.textContent : null;
    picture.replaceChildren((state.view === "scatter" ? scatter : bars)(board, selection, state, on, width));
    if (focused) [...picture.querySelectorAll("label")].find((label) => label.textContent.startsWith(focused.split(" ")[0]))?.querySelector("select").focus();
  }
  addEventListener("popstate", () => {
    if (location.hash && !location.hash.includes("=")) return; // a link within the page
    state = readAddress(initial);
    follow();
  }, { signal: left.signal });
  addEventListener("resize", () => state.view !== "table" && paint(), { signal: left.signal });
  follow();
  if (focused) [...above.node.querySelectorAll("button")].find((one) => one.textContent === focused)?.focus();
}

const steps = (board) => (board.steps.length ? element("details", { class: "board-steps" }, element("summary", {}, "What to measure next"), element("ul", {}, board.steps.map((command) => element("li", {}, element("code", {}, command))))) : "");

/** The board, with the results of others or without them, in the place of the one before. */
async function open(published, focused) {
  try {
    const board = readBoard(data ? JSON.parse(data.textContent) : await ask(published ? "/api/board?published=1" : "/api/board"));
    if (board.rows.length && board.columns.length) start(board, published, focused);
    else home.replaceChildren(empty(board));
  } catch (error) {
    home.replaceChildren(element("p", { role: "alert" }, `The board could not be read: ${error.message}`));
  }
}

await open(!data && new URLSearchParams(location.hash.slice(1)).get("published") === "yes");
home.setAttribute("aria-busy", "false");
performance.mark("board-drawn");
