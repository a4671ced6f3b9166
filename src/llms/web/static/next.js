// The likeliest next tokens; a click takes one.
import { call, make } from "./api.js";

const $ = (id) => document.getElementById(id);
const before = [];
const visible = (text) => text.replaceAll("\n", "⏎").replaceAll(" ", "␣");

async function predict() {
  $("alert").textContent = "";
  $("out").setAttribute("aria-busy", "true");
  try {
    const found = await call("/api/next", { text: $("text").value, model: $("model").value, top: 10 });
    const rest = Math.max(0, 1 - found.reduce((sum, token) => sum + token.probability, 0));
    $("out").replaceChildren(
      ...found.map((token) => row(make("button", { type: "button", onclick: () => take(token), title: token.id === null ? undefined : `id ${token.id}` }, token.end ? "(end)" : visible(token.text)), token.probability)),
      row(make("span", { class: "soft" }, "all others"), rest));
  } catch (error) {
    $("alert").textContent = error.message;
  }
  $("out").removeAttribute("aria-busy");
}

function row(name, probability) {
  const fill = make("div", { class: "fill" });
  fill.style.width = `${100 * probability}%`;
  return make("div", { class: "chance" }, name, make("div", { class: "track", "aria-hidden": "true" }, fill), make("span", {}, `${(100 * probability).toFixed(1)} %`));
}

function take(token) {
  if (token.end) return void ($("alert").textContent = "here the model would end its text");
  before.push($("text").value);
  $("text").value += token.text;
  $("undo").disabled = false;
  predict();
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); predict(); });
$("undo").addEventListener("click", () => { $("text").value = before.pop(); $("undo").disabled = !before.length; predict(); });
predict();
