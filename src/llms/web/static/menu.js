// A popup menu at a button: arrows, Home, End and first letters move in it, Escape and a click elsewhere close it.
import { make } from "./api.js";
import { icon } from "./icons.js";

let shown = null; // {box, button}: one menu at a time

/** Let `button` open a menu. `items()` returns its entries anew each time: {label, icon, act} or {label, icon, href,
 * download}; `danger` marks what takes something away, `checked` makes it a choice, null draws a line. */
export function menuAt(button, items) {
  button.setAttribute("aria-haspopup", "menu");
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", (event) => {
    event.preventDefault();
    if (shown?.button === button) close();
    else open(button, items(), event.detail === 0);
  });
  button.addEventListener("keydown", (event) => {
    if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    open(button, items(), true);
    if (event.key === "ArrowUp") entries().at(-1)?.focus();
  });
}

const entries = () => [...shown.box.querySelectorAll("[role^=menuitem]")];

function open(button, items, byKey) {
  close();
  const box = make("div", { class: "menu", role: "menu", popover: "manual", "aria-label": button.getAttribute("aria-label") ?? button.textContent }, ...items.map(entry));
  (button.closest("dialog, .side, main, header") ?? document.body).append(box);
  shown = { box, button };
  button.setAttribute("aria-expanded", "true");
  box.showPopover();
  place(box, button);
  box.addEventListener("keydown", keys);
  document.addEventListener("pointerdown", outside, true);
  for (const gone of ["resize", "blur"]) addEventListener(gone, close, { once: true });
  (byKey ? entries()[0] : box).focus();
}

function close(back = false) {
  if (!shown) return;
  const { box, button } = shown;
  shown = null;
  box.remove();
  button.setAttribute("aria-expanded", "false");
  document.removeEventListener("pointerdown", outside, true);
  if (back === true) button.focus();
}

function entry(item) {
  if (!item) return make("hr", { role: "separator" });
  const role = item.checked === undefined ? "menuitem" : "menuitemradio";
  const content = [item.icon ? icon(item.icon) : null, make("span", {}, item.label), item.checked ? icon("check") : null];
  const attributes = { role, tabindex: "-1", class: item.danger ? "danger" : undefined, "aria-checked": item.checked === undefined ? undefined : String(item.checked) };
  const choose = () => {
    close(true);
    item.act?.();
  };
  if (item.href) return make("a", { ...attributes, href: item.href, download: item.download, onclick: choose }, ...content);
  return make("button", { ...attributes, type: "button", onclick: choose }, ...content);
}

/** Below the button, or above it where there is no room; never beyond the window. */
function place(box, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  const below = at.bottom + 4 + height <= innerHeight || at.top < height;
  box.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
  box.style.top = `${Math.max(8, Math.min(below ? at.bottom + 4 : at.top - height - 4, innerHeight - height - 8))}px`;
}

function outside(event) {
  if (!shown.box.contains(event.target) && !shown.button.contains(event.target)) close();
}

function keys(event) {
  const list = entries();
  const here = list.indexOf(document.activeElement);
  const to = { ArrowDown: list[(here + 1) % list.length], ArrowUp: list.at(here <= 0 ? -1 : here - 1), Home: list[0], End: list.at(-1) }[event.key];
  if (event.key === "Escape" || event.key === "Tab") close(true);
  else if (to) to.focus();
  else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey) {
    [...list.slice(here + 1), ...list].find((one) => one.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
  } else return;
  event.stopPropagation();
  if (event.key !== "Tab") event.preventDefault();
}
