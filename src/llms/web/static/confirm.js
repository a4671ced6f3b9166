// A question that stops everything else until it is answered.
import { focusBack, make } from "./api.js";

/** The value of the button that was chosen, null for none; `choices` are [value, label, class]. The first has the focus. */
export function confirm(title, text, ...choices) {
  const box = make("dialog", { role: "alertdialog", "aria-labelledby": "confirm-title", "aria-describedby": "confirm-text" },
    make("h2", { id: "confirm-title" }, title), make("p", { id: "confirm-text" }, text),
    make("form", { method: "dialog", class: "acts" }, ...choices.map(([value, label, kind]) => make("button", { value, class: kind }, label))));
  document.body.append(box);
  const back = document.activeElement;
  return new Promise((resolve) => {
    box.addEventListener("close", () => {
      box.remove();
      focusBack(back);
      resolve(box.returnValue || null);
    });
    box.showModal();
  });
}
