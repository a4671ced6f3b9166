// How tokenizers cut a text: pieces in colour and between borders, counts, price.
import { call, make } from "./api.js";

const $ = (id) => document.getElementById(id);
let wait = 0;

async function cut() {
  const models = $("models").value.split(/\s+/).filter(Boolean);
  try {
    const found = await call("/api/tokens", { text: $("text").value, models });
    $("alert").textContent = "";
    $("out").replaceChildren(...found.map(card));
  } catch (error) {
    $("alert").textContent = error.message;
  }
}

function card(one) {
  const price = one.price === null ? "price unknown" : one.price === 0 ? "free" : `$${one.price.toPrecision(3)}`;
  const line = [`${one.tokens} tokens (${one.grade})`, one.message === null ? null : `${one.message} as a chat message`, `${one.characters} characters`, `${one.bytes} bytes`,
    one.per_token ? `${one.per_token.toFixed(2)} characters a token` : null, price].filter(Boolean).join(", ");
  const pieces = one.pieces
    ? make("div", { class: "pieces" }, ...one.pieces.map((piece) =>
        make("span", { class: `piece${piece.special ? " special" : ""}`, title: `id ${piece.id}` }, piece.text.replaceAll("\n", "⏎\n"), $("ids").checked ? make("small", {}, String(piece.id)) : null)))
    : make("p", { class: "soft" }, "Its tokenizer is not at hand; the count is an estimate.");
  return make("section", { class: "card" }, make("h2", {}, one.model), make("p", { class: "soft" }, line), pieces);
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); cut(); });
for (const id of ["text", "ids", "models"]) $(id).addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(cut, 250); });
cut();
