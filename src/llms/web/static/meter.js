// The gauge below the box: how much of the window the next message takes, what it would push out, in how many parts it is read.
import { make } from "./api.js";
import { asked, counted } from "./attachments.js";
import { recalled } from "./chips.js";
import { openDialog } from "./dialogs.js";
import { $, state } from "./session.js";

let counting = 0;
let counter = null;
let editing = null;

/** From now on the box holds a new version of that message; of none, for null. */
export function countFor(node) {
  editing = node?.role === "user" ? node.id : null;
  meter();
}

export function meter() {
  clearTimeout(counting);
  counting = setTimeout(count, 250);
}

async function count() {
  counter?.abort();
  const here = (counter = new AbortController());
  try {
    const response = await fetch("/api/count", {
      method: "POST", signal: here.signal, headers: { "content-type": "application/json" },
      body: JSON.stringify({ id: state.id, text: $("text").value, settings: state.id ? {} : state.settings, edit: editing, ...asked() }),
    });
    const result = await response.json();
    if (here !== counter) return;
    if (!response.ok && state.source) return; // the last count stands while an answer is written
    if (!response.ok) return void ($("meter").textContent = result.error ?? "");
    counted(result.files);
    recalled(result.remembered);
    show(result);
  } catch (error) {
    if (error.name !== "AbortError") $("meter").textContent = "";
  }
}

const several = (number, one) => `${number.toLocaleString()} ${one}${number === 1 ? "" : "s"}`;

function show(result) {
  if (result.refused) return $("meter").replaceChildren(opener(result, make("span", { class: "bad" }, `Cannot be sent: ${result.refused}`)));
  const gauge = make("span", { class: `gauge${result.tokens > result.budget ? " full" : ""}`, "aria-hidden": "true" }, make("span"));
  gauge.firstChild.style.width = `${100 * Math.min(1, result.tokens / Math.max(1, result.budget))}%`;
  const size = `${result.tokens.toLocaleString()} / ${result.budget.toLocaleString()}`;
  const more = ` tokens (${result.grade})${result.price ? `, ${result.price}` : ""}`; // on a phone only in the dialog
  const effect = result.parts ? `Is read in ${result.rough ? "about " : ""}${several(result.parts, "part")} (${several(result.calls, "request")})` : result.drops ? `Leaves out ${result.drops}` : "";
  $("meter").replaceChildren(opener(result, gauge, make("span", {}, size, make("span", { class: "more" }, more)), ...(effect ? [make("span", { class: "warn" }, effect)] : [])));
}

const opener = (result, ...content) => make("button", { type: "button", class: "quiet", title: "What is sent, and what is left out", onclick: () => explain(result) }, ...content);

/** What sending would leave out, message by message. */
function explain(result) {
  const row = (one) => make("tr", {}, make("td", {}, one.role === "user" ? "You" : "Assistant"), make("td", {}, one.begins || "…"), make("td", { class: "number" }, one.tokens.toLocaleString()), make("td", {}, one.fate));
  const heads = ["By", "Message", "Tokens", "What becomes of it"].map((text) => make("th", { scope: "col", class: text === "Tokens" ? "number" : undefined }, text));
  openDialog("What is sent",
    make("p", {}, result.refused || `${result.tokens.toLocaleString()} of the ${result.budget.toLocaleString()} tokens that the model takes beside its answer, ${result.grade === "exact" ? "counted by its own tokenizer" : "estimated"}.${result.price ? ` Price: ${result.price}.` : ""}`),
    result.parts ? make("p", { class: "warn" }, `The text is larger than the window: it is read in ${result.rough ? "about " : ""}${several(result.parts, "part")}, which takes ${several(result.calls, "request")}, and the findings are joined.`) : null,
    result.left_out.length
      ? make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...result.left_out.map(row))))
      : result.refused || result.parts ? null : make("p", { class: "soft" }, "Nothing is left out."));
}
