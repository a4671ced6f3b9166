// A name that is changed where it stands: Enter keeps it, Escape and an empty one leave it as it was.
import { make } from "./api.js";
import { guarded } from "./session.js";

/** Put a box with `title` in place of `element` until the person is done; `save(text)` keeps another title. */
export function rename(element, title, save) {
  const box = make("input", { value: title, maxlength: 200, "aria-label": "Title" });
  let done = false;
  const end = guarded(async (kept) => {
    if (done) return;
    done = true;
    const text = box.value.trim();
    const focused = document.activeElement === box;
    if (box.isConnected) box.replaceWith(element);
    if (focused) element.focus();
    if (kept && text && text !== title) await save(text);
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    if (!["Enter", "Escape"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    end(event.key === "Enter");
  });
  box.addEventListener("blur", () => end(true));
  element.replaceWith(box);
  box.focus();
  box.select();
}
