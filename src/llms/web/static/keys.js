// The keys of the chat page, and the list of them.
import { make } from "./api.js";
import { stopEditing } from "./composer.js";
import { openDialog } from "./dialogs.js";
import { open } from "./drawer.js";
import { acts } from "./log.js";
import { stop } from "./run.js";
import { $, state } from "./session.js";

const KEYS = [["Enter", "send"], ["Shift+Enter", "new line"], ["Escape", "stop the answer"], ["↑ in an empty box", "edit the last message"],
  ["Ctrl+K", "search"], ["Ctrl+Shift+O", "new chat"], ["Alt+← Alt+→", "previous or next version"], ["?", "this list"]];

export function openKeys() {
  const row = ([key, does]) => make("tr", {}, make("th", { scope: "row" }, make("kbd", {}, key)), make("td", {}, does));
  openDialog("Keys", make("table", {}, make("tbody", {}, ...KEYS.map(row))));
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  const typing = ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Escape") {
    if (state.live) stop();
    else stopEditing();
  } else if (command && event.key.toLowerCase() === "k") {
    event.preventDefault();
    open($("search"));
  } else if (command && event.shiftKey && event.key.toLowerCase() === "o") {
    event.preventDefault();
    location.href = "/";
  } else if (event.altKey && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
    const node = state.path.filter((one) => one.siblings.length > 1).at(-1);
    if (!node) return;
    event.preventDefault();
    acts.turn(node.siblings[node.siblings.indexOf(node.id) + (event.key === "ArrowLeft" ? -1 : 1)]);
  } else if (event.key === "?" && !typing) openKeys();
});
