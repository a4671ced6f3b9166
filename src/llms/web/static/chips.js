// What is set for this chat, as chips above the box; a click opens the panel there. And what memory would tell the model.
import { make } from "./api.js";
import { icon } from "./icons.js";
import { openPanel } from "./panel.js";
import { $, state } from "./session.js";
import { whenSet } from "./settings.js";

let facts = [];

/** The remembered facts that go along with the next message: `found` is a list of {id, text}. */
export function recalled(found) {
  facts = found ?? [];
  draw(state.settings);
}

function chips(set) {
  const count = set.tools.length;
  return [
    set.preset && ["preset", "settings", set.preset, "Preset"],
    set.system && ["system", "chat", "system prompt", set.system],
    count && ["tools", "tools", count === 1 ? set.tools[0] : `${count} tools`, set.tools.join(", ")],
    set.temperature !== null && ["temperature", null, `temperature ${set.temperature}`],
    set.max_tokens !== null && ["max_tokens", null, `at most ${set.max_tokens.toLocaleString()} tokens`],
    set.seed !== null && ["seed", null, `seed ${set.seed}`],
    set.policy !== "truncate" && ["policy", null, set.policy],
    set.memory && ["memory", "thinking", facts.length ? `memory: ${facts.length} ${facts.length === 1 ? "fact" : "facts"}` : "memory"],
  ].filter(Boolean);
}

function draw(set) {
  const shown = chips(set).map(([field, symbol, text, title]) =>
    make("button", { type: "button", class: "chip", title: title?.slice(0, 400), onclick: () => openPanel(field) }, symbol ? icon(symbol) : null, make("span", {}, text)));
  const told = set.memory && facts.length ? [make("p", { class: "meta told" }, `The model is told: ${facts.map((fact) => fact.text).join("; ")}`)] : [];
  $("chips").replaceChildren(...shown, ...told);
}

whenSet(draw);
