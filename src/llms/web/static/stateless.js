// Three calls side by side: what was sent, what came back, and whether the payload held the name.
import { call, make } from "./api.js";

const $ = (id) => document.getElementById(id);

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("alert").textContent = "";
  $("out").replaceChildren(make("p", { class: "soft" }, "asking three times"));
  try {
    const found = await call("/api/stateless", { model: $("model").value, name: $("name").value });
    $("out").replaceChildren(...found.calls.map((one) =>
      make("section", { class: "card" }, make("h2", {}, one.title), make("p", { class: "soft" }, `${one.tokens} tokens sent`), make("pre", {}, one.payload),
        make("p", {}, make("strong", {}, "Answer: "), one.answer), make("p", { class: one.as_expected ? "good" : "bad" }, one.holds_name ? "the payload holds the name" : "the payload does not hold the name"))));
  } catch (error) {
    $("out").replaceChildren();
    $("alert").textContent = error.message;
  }
});
