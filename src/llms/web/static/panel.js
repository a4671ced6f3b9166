// The panel: what this chat is asked with, before its first message and after. Each field is saved as it is changed, and
// says itself what was wrong with its value.
import { call, make } from "./api.js";
import { confirm } from "./confirm.js";
import { iconButton } from "./icons.js";
import { $, guarded, say, state } from "./session.js";
import { change, settled, whenSet } from "./settings.js";

const TYPING_MS = 700; // after the last key a text is saved
const NOTHING = { system: null, tools: null, temperature: null, max_tokens: null, seed: null, policy: null, memory: null };
const POLICIES = [
  ["truncate", "Leave out the oldest", "Whole exchanges, oldest first; the model is told how many it does not see."],
  ["summarise", "Summarise", "Older messages become a summary, which is checked before it is used. Takes requests of its own."],
  ["strict", "Leave out nothing", "A message that does not fit is refused."],
];
const narrow = matchMedia("(max-width: 760px)"); // where it covers everything
const fields = {}; // by the name of the setting: {show, box}
let panel = null;
let known = { tools: [], presets: [] };

/** Open the panel, on the field of that name if one is given. */
export const openPanel = guarded(async (field) => {
  panel ??= build();
  document.querySelector(".chat").append(panel);
  panel.classList.add("open");
  $("panel-open").setAttribute("aria-expanded", "true");
  modal(narrow.matches);
  const target = fields[field]?.box ?? panel.querySelector(".panel-head button");
  const goTo = () => (target.querySelector("input, textarea, select, button") ?? target).focus({ preventScroll: true });
  goTo();
  const place = document.activeElement;
  await look();
  if (document.activeElement !== place) return; // whoever went on meanwhile, or closed the panel, is not led back
  target.scrollIntoView({ block: "nearest" });
  goTo();
});

export function closePanel() {
  if (!panel?.classList.contains("open")) return false;
  panel.classList.remove("open");
  panel.contains(document.activeElement) && document.activeElement.blur(); // which saves what was typed
  modal(false);
  $("panel-open").setAttribute("aria-expanded", "false");
  $("panel-open").focus();
  return true;
}

function modal(on) {
  for (const id of ["main", "side"]) $(id).inert = on;
  for (const [name, value] of [["role", "dialog"], ["aria-modal", "true"]]) on ? panel.setAttribute(name, value) : panel.removeAttribute(name);
}

/** What there is to choose from. */
async function look() {
  show(state.settings);
  const [tools, presets] = await Promise.all([call("/api/tools"), call("/api/presets")]);
  known = { tools, presets };
  await settled(); // what was changed meanwhile is not shown as it was before
  show(state.settings);
}

function show(settings) {
  if (panel) for (const field of Object.values(fields)) field.show(settings);
}

/** A part of the panel with a place for its error. `save(changes)` saves and says there what went wrong. */
function part(name, title, parts, note) {
  const error = make("p", { class: "bad field-error", role: "alert" });
  const box = make("section", { class: "field", "data-field": name }, title, ...parts(async (changes) => {
    error.textContent = "";
    try {
      await change(changes);
      say("saved");
    } catch (problem) {
      error.textContent = problem.message;
    }
  }), error, note ? make("p", { class: "meta" }, note) : null);
  return box;
}

const heading = (text, target) => make("label", { class: "name", for: target }, text);

/** Let `input` show the setting unless the person is at it: what is being typed is taken back by no answer to another field. */
function put(input, value) {
  if (document.activeElement !== input) input.value = value;
}

/** A control that shows the setting: what stands there wrong stays until it is right. */
function field(name, box, render) {
  fields[name] = { box, show: (settings) => render(settings) };
  return box;
}

function presetField() {
  const choice = make("select", { id: "preset" });
  const remove = iconButton("delete", "Delete this preset");
  const box = part("preset", heading("Preset", "preset"), (save) => {
    choice.addEventListener("change", () => choice.value && save({ preset: choice.value }).then(() => show(state.settings)));
    remove.addEventListener("click", guarded(async () => {
      const name = state.settings.preset;
      const sure = await confirm(`Delete the preset “${name}”?`, "Chats that took it keep what it said.", ["", "Cancel"], ["delete", "Delete", "danger"]);
      if (sure !== "delete") return;
      known.presets = await call("/api/presets", { name }, "DELETE");
      await save({ preset: null });
      show(state.settings);
    }));
    return [make("div", { class: "row" }, choice, remove), savePreset()];
  });
  return field("preset", box, (settings) => {
    const names = known.presets.map((one) => make("option", { value: one.name, disabled: Boolean(one.note), title: one.note }, one.note ? `${one.name} (out of reach)` : one.name));
    choice.replaceChildren(make("option", { value: "" }, known.presets.length ? "none" : "none is kept yet"), ...names);
    choice.value = known.presets.some((one) => one.name === settings.preset) ? settings.preset : "";
    choice.disabled = !known.presets.length;
    remove.classList.toggle("hidden", !choice.value);
  });
}

function savePreset() {
  const name = make("input", { "aria-label": "Name of the preset", maxlength: "60", placeholder: "a name, such as “brief”" });
  const error = make("p", { class: "bad field-error", role: "alert" });
  const form = make("form", { class: "row hidden" }, name, make("button", { class: "primary" }, "Save"));
  const open = make("button", { type: "button", class: "quiet", onclick: () => { form.classList.toggle("hidden"); name.focus(); } }, "Save as preset…");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.textContent = "";
    try {
      await settled(); // the field that was left by the click on Save
      known.presets = await call("/api/presets", { name: name.value, settings: worth(state.settings) });
      await change({ preset: name.value.trim() });
      form.classList.add("hidden");
      name.value = "";
      say("the preset is kept");
      show(state.settings);
    } catch (problem) {
      error.textContent = problem.message;
    }
  });
  return make("div", {}, open, form, error);
}

/** What a preset is to say: whatever is not as it would be anyway. */
function worth({ model, system, tools, temperature, max_tokens, seed, policy, memory }) {
  return { model, system: system || null, tools: tools.length ? tools : null, temperature, max_tokens, seed, policy: policy === "truncate" ? null : policy, memory: memory || null };
}

function systemField() {
  const text = make("textarea", { id: "system", rows: "4", placeholder: "How the model is to answer: its role, tone, format, language." });
  let wait = 0;
  const box = part("system", heading("System prompt", "system"), (save) => {
    const now = () => {
      clearTimeout(wait);
      wait = 0;
      if (text.value !== state.settings.system) return save({ system: text.value });
    };
    text.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(now, TYPING_MS); });
    text.addEventListener("change", now);
    return [text];
  }, "Changed in a chat that has begun, it holds from the next answer on; what was said stays.");
  return field("system", box, (settings) => put(text, settings.system));
}

function temperatureField() {
  const slider = make("input", { type: "range", min: "0", max: "2", step: "0.05", "aria-label": "Temperature" });
  const number = make("input", { id: "temperature", inputmode: "decimal", autocomplete: "off", placeholder: "model's own" });
  const own = make("button", { type: "button", class: "quiet" }, "Use the model's own");
  const box = part("temperature", make("div", { class: "row" }, heading("Temperature", "temperature"), own), (save) => {
    slider.addEventListener("input", () => { number.value = slider.value; slider.classList.remove("unset"); });
    slider.addEventListener("change", () => save({ temperature: Number(slider.value) }));
    number.addEventListener("change", () => save({ temperature: parsed(number.value) }));
    own.addEventListener("click", async () => { await save({ temperature: null }); number.focus(); });
    return [make("div", { class: "row" }, slider, number)];
  }, "0 always takes the likeliest token; higher is more varied.");
  return field("temperature", box, ({ temperature }) => {
    if (box.querySelector(".field-error").textContent) return;
    own.classList.toggle("hidden", temperature === null);
    put(number, temperature ?? "");
    slider.value = temperature ?? 1;
    slider.classList.toggle("unset", temperature === null);
  });
}

/** What was typed as a number; null of nothing; else as it stands, for the server to say what is wrong with it. */
function parsed(text) {
  const value = text.trim().replace(",", ".");
  return value === "" ? null : Number.isNaN(Number(value)) ? text : Number(value);
}

function numberField(name, title, placeholder, note) {
  const input = make("input", { id: name, inputmode: "numeric", autocomplete: "off", placeholder });
  const box = part(name, heading(title, name), (save) => {
    input.addEventListener("change", () => save({ [name]: parsed(input.value) }));
    return [input];
  }, note);
  return field(name, box, (settings) => { if (!box.querySelector(".field-error").textContent) put(input, settings[name] ?? ""); });
}

function memoryField() {
  const input = make("input", { type: "checkbox", id: "memory" });
  const box = part("memory", make("label", { class: "check name" }, input, "Memory"), (save) => {
    input.addEventListener("change", () => save({ memory: input.checked }));
    return [];
  }, "The remembered facts that matter are told to the model, and shown above the box before you send. llms memory keeps them.");
  return field("memory", box, (settings) => (input.checked = settings.memory));
}

function policyField() {
  const inputs = POLICIES.map(([value]) => make("input", { type: "radio", name: "policy", value }));
  const box = part("policy", make("h3", {}, "When the window is full"), (save) => {
    for (const input of inputs) input.addEventListener("change", () => save({ policy: input.value }));
    return [make("div", { role: "radiogroup", "aria-label": "When the window is full" },
      ...POLICIES.map(([, title, note], at) => make("label", { class: "check" }, inputs[at], make("span", {}, title, make("span", { class: "meta" }, note)))))];
  });
  return field("policy", box, (settings) => inputs.forEach((input) => (input.checked = input.value === settings.policy)));
}

function toolsField() {
  const list = make("div", {});
  const inputs = new Map(); // by the name of the tool
  let save;
  let saving = 0; // boxes that are ticked one after the other are not set back by the answer to the first
  const box = part("tools", make("h3", {}, "Tools"), (saved) => { save = saved; return [list]; });
  const row = (tool) => {
    const input = make("input", { type: "checkbox", id: `tool-${tool.name}` });
    input.addEventListener("change", async () => {
      saving += 1;
      await save({ tools: [...inputs].filter(([, one]) => one.checked).map(([name]) => name) });
      saving -= 1;
      show(state.settings);
    });
    inputs.set(tool.name, input);
    return make("label", { class: "check" }, input, make("span", {}, tool.name, make("span", { class: "meta" }, tool.description), tool.missing ? make("span", { class: "warn meta" }, tool.missing) : null));
  };
  return field("tools", box, (settings) => {
    const shipped = new Set(known.tools.map((tool) => tool.name));
    const others = settings.tools.filter((name) => !shipped.has(name)).map((name) => ({ name, description: "chosen in the terminal, or by a preset", group: "Chosen elsewhere" }));
    const tools = [...known.tools, ...others];
    if (tools.some((tool) => !inputs.has(tool.name)) || tools.length !== inputs.size) {
      inputs.clear();
      const groups = Map.groupBy(tools, (tool) => tool.group ?? (tool.asks ? "Ask you before each call" : "Run at once"));
      list.replaceChildren(...[...groups].map(([title, members]) => make("fieldset", {}, make("legend", {}, title), ...members.map(row))));
    }
    for (const tool of tools) {
      const input = inputs.get(tool.name);
      if (!saving) input.checked = settings.tools.includes(tool.name);
      input.disabled = Boolean(tool.missing) && !input.checked;
    }
  });
}

function tagsField() {
  const input = make("input", { id: "tags", placeholder: "separated by commas", autocomplete: "off" });
  const error = make("p", { class: "bad field-error", role: "alert" });
  input.addEventListener("change", async () => {
    error.textContent = "";
    try {
      await call(`/api/conversations/${state.id}`, { tags: input.value.split(",").map((tag) => tag.trim()).filter(Boolean) }, "PATCH");
      say("saved");
    } catch (problem) {
      error.textContent = problem.message;
    }
  });
  const box = make("section", { class: "field" }, heading("Tags", "tags"), input, error);
  return field("tags", box, async () => {
    box.classList.toggle("hidden", !state.id);
    if (!state.id || document.activeElement === input) return;
    input.value = (await call(`/api/conversations/${state.id}`)).tags.join(", ");
  });
}

function build() {
  const reset = make("button", { type: "button", onclick: guarded(async () => {
    for (const error of panel.querySelectorAll(".field-error")) error.textContent = "";
    await change(NOTHING);
    show(state.settings);
  }) }, "Reset all but the model");
  const head = make("div", { class: "panel-head" }, make("h2", {}, "Settings of this chat"), iconButton("close", "Close the settings", { onclick: closePanel }));
  const body = make("div", { class: "panel-body" }, presetField(), systemField(), temperatureField(),
    make("div", { class: "pair" }, numberField("max_tokens", "Token limit", "what fits", "Of an answer."), numberField("seed", "Seed", "none", "Equal ones draw alike.")),
    memoryField(), toolsField(), policyField(), tagsField(), make("div", { class: "field" }, reset));
  const made = make("section", { class: "panel", id: "panel", "aria-label": "Settings of this chat" }, head, body);
  made.addEventListener("keydown", keys);
  return made;
}

function keys(event) {
  if (event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    closePanel();
  } else if (event.key === "Tab" && panel.hasAttribute("aria-modal")) {
    const all = [...panel.querySelectorAll("button, input, select, textarea")].filter((one) => one.checkVisibility() && !one.disabled);
    const [from, to] = event.shiftKey ? [all[0], all.at(-1)] : [all.at(-1), all[0]];
    if (document.activeElement !== from) return;
    event.preventDefault();
    to.focus();
  }
}

$("panel-open").addEventListener("click", () => closePanel() || openPanel());
narrow.addEventListener("change", () => panel?.classList.contains("open") && modal(narrow.matches));
whenSet(show);
