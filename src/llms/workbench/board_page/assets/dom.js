// Elements and SVG shapes. A text is never read as markup.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const element = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
export const shape = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

/** A button of which one sees whether it is on. */
export const toggle = (text, pressed, onclick, attributes = {}) =>
  element("button", { type: "button", class: "board-chip", "aria-pressed": String(pressed), onclick, ...attributes }, text);

/** A button that opens what stands below it; Escape and a click elsewhere close it again. `fill` is asked when it opens. */
export function drop(text, fill) {
  const body = element("div", { class: "board-drop-body" });
  const box = element("details", { class: "board-drop" }, element("summary", { class: "board-chip" }, text), body);
  box.addEventListener("toggle", () => box.open && body.replaceChildren(...fill()));
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    box.open = false;
    box.firstChild.focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!box.contains(event.target)) box.open = false;
  });
  return box;
}

export function download(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
