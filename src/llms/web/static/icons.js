// Icons: the symbols of icons.svg. An icon is decoration; what it stands on has the name.
import { make } from "./api.js";

/** The symbol `name`, as tall as the line of text around it. */
export function icon(name) {
  const box = make("span", { class: "icon", "aria-hidden": "true" });
  box.innerHTML = `<svg focusable="false"><use href="/static/icons.svg#${name}"></use></svg>`;
  return box;
}

/** A button that shows an icon alone: `label` is its accessible name, and its tooltip. */
export function iconButton(name, label, attributes = {}) {
  return make("button", { type: "button", class: "icon-button", "aria-label": label, title: label, ...attributes }, icon(name));
}
