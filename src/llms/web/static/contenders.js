// Who may be drawn for a battle, and what both may use: ticked on the page, remembered by this browser.
import { call, make } from "./api.js";
import { guarded, say } from "./session.js";

const KEPT = "llms.arena";
const SECOND = "smollm2?quantize=int8"; // a second form of the model that comes along
/** {off: names that were unticked, added: names that were typed, tools: names that were ticked} */
const kept = { off: [], added: [], tools: [] };
let box = null;
let known = { models: [], tools: [] };
let changed = () => {};

const names = () => [...new Set([...known.models.map((one) => one.name), ...kept.added])];
export const ticked = () => names().filter((name) => !kept.off.includes(name));
export const tools = () => kept.tools.filter((name) => known.tools.some((tool) => tool.name === name));

/** Ask the server who is at hand and show it in `place`; `listener` is called whenever another choice is made. */
export async function choose(place, listener) {
  changed = listener;
  box = place;
  try {
    Object.assign(kept, JSON.parse(localStorage.getItem(KEPT)) ?? {});
  } catch {
    // nothing that can be read: as if nothing was chosen
  }
  box.replaceChildren(make("p", { class: "meta" }, "Looking at which models are at hand…"));
  known = await call("/api/arena/contenders");
  draw(false);
}

function put(list, name, there) {
  kept[list] = kept[list].filter((one) => one !== name);
  if (there) kept[list].push(name);
  localStorage.setItem(KEPT, JSON.stringify(kept));
}

function tick(list, name, label, checked, there) {
  const input = make("input", { type: "checkbox", checked, value: name });
  input.addEventListener("change", () => {
    put(list, name, there(input.checked));
    summary();
    changed();
  });
  return make("label", { class: "tick" }, input, label);
}

/** One more by name; it is drawn from now on. */
const add = guarded(async (name) => {
  if (!name) return;
  await call("/api/settings", { settings: {}, change: { model: name } }); // refused here, where it was typed
  if (!names().includes(name)) put("added", name, true);
  put("off", name, false);
  draw(true);
  say(`${name} may be drawn`);
});

function summary() {
  const count = ticked().length;
  const words = count > 1 ? `Two of ${count} models are drawn` : "A battle needs two models";
  const used = tools().length;
  box.querySelector("summary").textContent = `${words}${used ? `, with ${used === 1 ? tools()[0] : `${used} tools`}` : ""}`;
}

function draw(open) {
  const groups = new Map();
  for (const model of known.models) groups.set(model.where, [...(groups.get(model.where) ?? []), model.name]);
  const own = kept.added.filter((name) => !known.models.some((one) => one.name === name));
  if (own.length) groups.set("By name", own);
  const name = make("input", { id: "add-name", spellcheck: "false", autocomplete: "off", placeholder: SECOND });
  const form = make("form", { class: "add", onsubmit: (event) => { event.preventDefault(); add(name.value.trim()); } },
    make("label", {}, "Another model by its name", name), make("button", {}, "Add"));
  box.replaceChildren(...(ticked().length < 2 ? [lonely()] : []),
    make("details", { class: "contenders", open: open || ticked().length < 2 }, make("summary", {}),
      ...[...groups].map(([where, models]) => make("fieldset", {}, make("legend", {}, where), ...models.map((model) => tick("off", model, make("span", {}, model), !kept.off.includes(model), (on) => !on)))),
      form,
      known.tools.length ? make("fieldset", {}, make("legend", {}, "Tools that both may use"), ...known.tools.map((tool) => tick("tools", tool.name, make("span", {}, make("strong", {}, tool.name), ` ${tool.description}`), kept.tools.includes(tool.name), (on) => on))) : null));
  summary();
  changed();
}

/** What to do where there is nobody to fight. */
function lonely() {
  return make("div", { class: "empty" },
    make("p", {}, "A battle needs two models, and fewer are ticked. A second one comes from"),
    make("ul", {},
      make("li", {}, "another form of the model that comes along: ", make("button", { type: "button", class: "quiet", onclick: () => add(SECOND) }, `Add ${SECOND}`)),
      make("li", {}, "a server on this machine: ", make("code", {}, "ollama run llama3.2"), ", or any that speaks OpenAI's protocol, by its address: ", make("code", {}, "http://127.0.0.1:8000/v1#name")),
      make("li", {}, "a hosted model, once its key is set: ", make("code", {}, "llms models"), " lists the endpoints")));
}
