// The gauge below the box: how much of the window the next message takes, and what it would push out.
import { make } from "./api.js";
import { recalled } from "./chips.js";
import { $, state } from "./session.js";

/** The attachments that will go along, {id, name, type, url}. */
export const files = [];

let counting = 0;
let counter = null;
export function meter() {
  clearTimeout(counting);
  counting = setTimeout(async () => {
    counter?.abort();
    counter = new AbortController();
    const here = counter;
    const text = $("text").value;
    try {
      const response = await fetch("/api/count", {
        method: "POST", signal: here.signal, headers: { "content-type": "application/json" },
        body: JSON.stringify({ id: state.id, text, settings: state.id ? {} : state.settings, attachments: files.map((f) => f.id) }),
      });
      const found = await response.json();
      if (here !== counter) return;
      if (!response.ok && state.source) return; // the last count stands while an answer is written
      if (!response.ok) return void ($("meter").textContent = found.error ?? "");
      recalled(found.remembered);
      const share = Math.min(1, found.tokens / Math.max(1, found.budget));
      const gauge = make("span", { class: `gauge${found.tokens > found.budget ? " full" : ""}`, "aria-hidden": "true" }, make("span"));
      gauge.firstChild.style.width = `${100 * share}%`;
      $("meter").replaceChildren(gauge, ` ${found.tokens.toLocaleString()} / ${found.budget.toLocaleString()} tokens (${found.grade})${found.price ? `, ${found.price}` : ""}${found.drops ? `. Sending would leave out ${found.drops}` : ""}`);
    } catch (error) {
      if (error.name !== "AbortError") $("meter").textContent = "";
    }
  }, 250);
}
