// What the page knows: the conversation, the run that is being answered; and how it speaks to the person.
import { make } from "./api.js";
import { icon, iconButton } from "./icons.js";

export const $ = (id) => document.getElementById(id);

/** From the server: id, run, path, settings. `live`: what of the running answer has been shown; `source`: its events. */
export const state = { live: null, source: null, ...JSON.parse($("state").textContent) };

/** For screen readers, what can be seen elsewhere: `say` in its time, `alarm` at once. */
export const say = (text) => ($("status").textContent = text);
export const alarm = (text) => ($("alert").textContent = text);

const SECONDS = { status: 6 }; // an error stays until the person has put it away
const MOST = 4;
const toasts = document.body.appendChild(make("section", { class: "toasts", popover: "manual", "aria-label": "Messages of the program" }));

/** A message above the page, `kind` error or status; `action` {label, act} is its button. Those of one `topic` replace
 * each other. */
export function toast(text, { kind = "status", action = null, topic = text } = {}) {
  clearToasts(topic);
  const shown = make("div", { class: `toast ${kind}`, role: kind === "error" ? "alert" : "status", "data-topic": topic }, icon(kind === "error" ? "error" : "info"), make("p", {}, text));
  if (action) shown.append(make("button", { type: "button", onclick: () => { away(shown); action.act(); } }, action.label));
  shown.append(iconButton("close", "Dismiss", { onclick: () => away(shown) }));
  toasts.append(shown);
  while (toasts.children.length > MOST) toasts.firstElementChild.remove();
  if (toasts.matches(":popover-open")) toasts.hidePopover(); // shown anew it stands above a dialog
  toasts.showPopover();
  if (SECONDS[kind]) setTimeout(() => away(shown), SECONDS[kind] * 1000);
}

/** Put away what was said about `topic`. */
export function clearToasts(topic) {
  for (const shown of [...toasts.children]) if (shown.dataset.topic === topic) away(shown);
}

function away(shown) {
  shown.remove();
  if (!toasts.children.length && toasts.matches(":popover-open")) toasts.hidePopover();
}

export const warn = (text) => toast(text, { kind: "error" });
export const fail = (error) => warn(error.message);

/** `act`, whose errors the person is told. */
export const guarded = (act) => (...given) => Promise.resolve().then(() => act(...given)).catch(fail);

/** Put `text` on the clipboard, and say so on `button` for a moment. */
export async function copy(text, button) {
  await (navigator.clipboard ? navigator.clipboard.writeText(text) : copyByHand(text));
  say("copied");
  if (button.dataset.copied) return;
  button.dataset.copied = "true";
  const before = [...button.childNodes];
  button.replaceChildren(icon("check"), make("span", {}, "Copied"));
  setTimeout(() => { button.replaceChildren(...before); delete button.dataset.copied; }, 1500);
}

/** Where the browser keeps the clipboard for pages that come over TLS. */
function copyByHand(text) {
  const box = document.body.appendChild(make("textarea", { class: "visually-hidden" }));
  box.value = text;
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  if (!done) throw new Error("the browser does not let this page copy; select the text and copy it");
}
