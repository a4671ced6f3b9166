// The picker of the model: what runs here, what each endpoint lists, or any name that is typed. Hosted endpoints are asked
// only when the person says so.
import { call, make } from "./api.js";
import { icon, iconButton } from "./icons.js";
import { $, guarded, say, state } from "./session.js";
import { change, short, whenSet } from "./settings.js";

const STATES = { here: "", ready: "ready", "needs a key": "needs a key", "not running": "not running", failed: "did not answer" };
const FULL = /^(smollm2$|smollm2\?|[a-z]+:.|https?:\/\/[^#]+#.)/; // what could be a whole name
const MOST_SHOWN = 60; // of a group, until more is typed

let box = null;
let found = null; // {default, groups}
let options = []; // as shown, in order: {element, name}
let active = -1;
let changes = 0; // of the default, that have begun or ended

const isOpen = () => box?.matches(":popover-open");

const open = guarded(async () => {
  box ??= build();
  box.showPopover();
  place();
  $("model-open").setAttribute("aria-expanded", "true");
  $("model").value = "";
  complain("");
  draw();
  $("model").focus();
  found = await latest();
  if (isOpen()) draw();
});

function close(back = true) {
  if (!isOpen()) return;
  box.hidePopover();
  $("model-open").setAttribute("aria-expanded", "false");
  if (back) $("model-open").focus();
}

function build() {
  const input = make("input", { id: "model", role: "combobox", "aria-label": "Model", "aria-expanded": "true", "aria-controls": "model-lists", "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false", placeholder: "Search, or type any model's name" });
  const made = make("div", { class: "picker", id: "picker", popover: "manual", role: "dialog", "aria-label": "Choose a model" },
    make("div", { class: "picker-head" }, input, iconButton("again", "Ask the servers of this machine again", { onclick: refresh }), iconButton("close", "Close", { onclick: () => close() })),
    make("p", { class: "bad field-error", role: "alert", id: "model-error" }),
    make("div", { class: "picker-lists", id: "model-lists", tabindex: "0", role: "group", "aria-label": "Models" }),
    make("div", { class: "picker-foot", id: "model-foot" }));
  document.body.append(made);
  input.addEventListener("input", () => { complain(""); draw(); });
  made.addEventListener("keydown", keys);
  document.addEventListener("pointerdown", (event) => { if (isOpen() && !made.contains(event.target) && !$("model-open").contains(event.target)) close(false); }, true);
  addEventListener("resize", () => isOpen() && place());
  return made;
}

/** The models as they are now: where the default was changed while the server answered, it is asked again. */
async function latest() {
  for (;;) {
    const asked = changes;
    const answer = await call("/api/models");
    if (asked === changes) return answer;
  }
}

const refresh = guarded(async () => {
  found = await latest();
  draw();
  say("the list is new");
});

/** Below its button, within the window; where it is narrow, the style sheet makes it a sheet. */
function place() {
  const at = $("model-open").getBoundingClientRect();
  box.style.setProperty("--right", `${Math.max(8, innerWidth - at.right)}px`);
  box.style.setProperty("--top", `${at.bottom + 4}px`);
}

const complain = (words) => ($("model-error").textContent = words);

function draw() {
  const query = $("model").value.trim();
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (model) => words.every((word) => model.name.toLowerCase().includes(word));
  options = [];
  const meant = ({ name }) => Boolean(name && query) && (name.startsWith(words[0]) || words[0].startsWith(name));
  const groups = (found?.groups ?? []).map((group) => section(group, group.models.filter(matches), words.length > 0 && !meant(group))).filter(Boolean);
  const exact = options.findIndex((one) => one.name === query);
  const typed = query && exact < 0 ? [free(query, FULL.test(query))] : [];
  const lists = FULL.test(query) ? [...typed, ...groups] : [...groups, ...typed];
  if (!found) lists.push(make("p", { class: "meta" }, "Looking at what runs here…"));
  $("model-lists").replaceChildren(...lists);
  const place = query ? exact : options.findIndex((one) => one.name === state.settings.model);
  move(options.length ? Math.max(0, place) : -1);
  foot();
}

/** One place where models run, with those of it that match; null where none does and the place was not meant either. */
function section(group, models, sought) {
  if (sought && !models.length) return null;
  const id = `group-${group.title.replace(/\W/g, "-")}`;
  const again = group.state === "ready" && group.name && !group.asked;
  const list = make("button", { type: "button", class: "quiet", onclick: () => ask(group, list) }, group.state === "failed" ? "Try again" : "List models");
  const shown = models.slice(0, MOST_SHOWN);
  return make("section", { "data-group": group.name || "here" },
    make("header", {}, make("h3", { id }, group.title), make("span", { class: `meta ${group.state === "ready" ? "good" : group.state === "failed" ? "bad" : ""}` }, STATES[group.state]), again || group.state === "failed" ? list : null),
    group.note ? make("p", { class: "meta" }, group.note) : null,
    shown.length ? make("div", { role: "listbox", "aria-labelledby": id }, ...shown.map(option)) : null,
    models.length > shown.length ? make("p", { class: "meta" }, `and ${models.length - shown.length} more: type to search`) : null,
    group.asked && !group.models.length && group.state === "ready" ? make("p", { class: "meta" }, "It lists no model.") : null);
}

function option(model) {
  const chosen = model.name === state.settings.model;
  const element = make("div", { role: "option", id: `option-${options.length}`, "aria-selected": String(chosen), title: model.name, onclick: () => choose(model.name) },
    make("span", { class: "option-name" }, chosen ? icon("check") : null, make("span", {}, model.label), model.name === found.default ? make("span", { class: "chip" }, "default") : null),
    make("span", { class: "meta" }, facts(model)));
  options.push({ element, name: model.name });
  return element;
}

function free(name, first) {
  const element = make("div", { role: "option", id: "option-free", "aria-selected": "false", onclick: () => choose(name) }, make("span", { class: "option-name" }, `Use “${name}”`));
  options[first ? "unshift" : "push"]({ element, name });
  return make("section", {}, make("div", { role: "listbox", "aria-label": "The name as typed" }, element));
}

/** Size, window, price, what it takes: as far as it is known. */
function facts(model) {
  const price = (dollars) => `$${dollars >= 1 ? dollars.toFixed(2) : dollars.toPrecision(2).replace(/0+$/, "").replace(/\.$/, "")}`;
  const cost = model.price_in === null || model.price_out === null ? "" : model.price_in + model.price_out === 0 ? "free" : `${price(model.price_in)} in, ${price(model.price_out)} out per million tokens`;
  const size = model.bytes ? (model.bytes >= 1e9 ? `${(model.bytes / 1e9).toFixed(1)} GB` : `${Math.round(model.bytes / 1e6)} MB`) : "";
  const room = model.window ? `${model.window >= 1e6 ? `${(model.window / 1e6).toFixed(1).replace(".0", "")}M` : `${Math.round(model.window / 1000)}k`} window` : "";
  return [size, room, cost, model.sees ? "sees" : "", model.hears ? "hears" : ""].filter(Boolean).join(" · ");
}

function foot() {
  if (!found) return $("model-foot").replaceChildren();
  const mine = state.settings.model, stands = JSON.stringify([found.default, mine]);
  if ($("model-foot").dataset.stands === stands) return; // a click that has begun finds its button
  $("model-foot").dataset.stands = stands;
  const make_default = make("button", { type: "button", class: "quiet", onclick: guarded(async () => {
    try {
      changes += 1;
      await call("/api/models/default", { name: mine }, "PUT");
      changes += 1;
      found = { ...found, default: mine };
      say(`${mine} answers in new chats`);
      draw();
    } catch (problem) {
      complain(problem.message);
    }
  }) }, `Make ${short(mine)} the default`);
  $("model-foot").replaceChildren(make("span", { class: "meta", title: found.default }, `New chats: ${short(found.default)}`), ...(mine === found.default ? [] : [make_default]));
}

async function ask(group, button) {
  button.disabled = true;
  button.textContent = "Asking…";
  complain("");
  let listed;
  try {
    listed = await call("/api/models/list", { name: group.name });
  } catch (problem) {
    listed = { ...group, state: "failed", note: problem.message };
  }
  found = { ...found, groups: found.groups.map((one) => (one.name === group.name ? listed : one)) };
  draw();
  $("model").focus();
}

async function choose(name) {
  complain("");
  try {
    await change({ model: name });
    say(`${name} answers from now on`);
    close();
  } catch (problem) {
    complain(problem.message);
    $("model").focus();
  }
}

function move(to) {
  options[active]?.element.classList.remove("active");
  active = to;
  const one = options[active];
  one?.element.classList.add("active");
  one?.element.scrollIntoView({ block: "nearest" });
  if (one) $("model").setAttribute("aria-activedescendant", one.element.id);
  else $("model").removeAttribute("aria-activedescendant");
}

function keys(event) {
  if (event.isComposing) return;
  const last = options.length - 1;
  const to = { ArrowDown: active >= last ? 0 : active + 1, ArrowUp: active <= 0 ? last : active - 1, PageDown: Math.min(last, active + 8), PageUp: Math.max(0, active - 8) }[event.key];
  if (event.key === "Escape") close();
  else if (event.target.id === "model" && to !== undefined && last >= 0) move(to);
  else if (event.target.id === "model" && event.key === "Enter") {
    const name = options[active]?.name ?? $("model").value.trim();
    if (name) choose(name);
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

$("model-open").addEventListener("click", () => (isOpen() ? close() : open()));
whenSet((settings) => {
  $("model-open").querySelector(".model-name").textContent = short(settings.model);
  $("model-open").title = `Model: ${settings.model}`;
});
