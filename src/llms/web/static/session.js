// What the page knows: the conversation, the run that is being answered; and how it speaks to the person.
import { make } from "./api.js";

export const $ = (id) => document.getElementById(id);

/** From the server: id, run, path, settings. `live`: what of the running answer has been shown; `source`: its events. */
export const state = { live: null, source: null, ...JSON.parse($("state").textContent) };

export const say = (text) => ($("status").textContent = text);
export const warn = (text) => ($("alert").textContent = text);

export function fail(error) {
  warn(error.message);
  $("log").append(make("div", { class: "notice bad" }, error.message));
  $("log").scrollTop = $("log").scrollHeight;
}

/** `act`, whose errors the person is told. */
export const guarded = (act) => (...given) => Promise.resolve().then(() => act(...given)).catch(fail);
