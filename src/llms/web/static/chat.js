// The chat page. The server holds the truth; log.js shows it, run.js what is being answered, composer.js what comes next.
import "./actions.js";
import { make } from "./api.js";
import { stopEditing } from "./composer.js";
import { openDialog, openMore, openTools } from "./dialogs.js";
import { acts, bottom, draw, reload } from "./log.js";
import { meter } from "./meter.js";
import { attach, stop } from "./run.js";
import { $, guarded, state } from "./session.js";
import "./sidebar.js";

$("tools-open").addEventListener("click", guarded(() => openTools(state, meter)));
$("more-open").addEventListener("click", guarded(() => openMore(state, reload)));

const KEYS = [["Enter", "send"], ["Shift+Enter", "new line"], ["Escape", "stop the answer"], ["↑ in an empty box", "edit the last message"],
  ["Ctrl+K", "search"], ["Ctrl+Shift+O", "new chat"], ["Alt+← Alt+→", "previous or next version"], ["?", "this list"]];
document.addEventListener("keydown", (event) => {
  if (event.isComposing || document.querySelector("dialog[open]")) return;
  const typing = ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Escape") {
    if ($("side").classList.contains("open")) $("side-toggle").click();
    else if (state.live) stop();
    else stopEditing();
  } else if (command && event.key.toLowerCase() === "k") { event.preventDefault(); $("side").classList.add("open"); $("search").focus(); }
  else if (command && event.shiftKey && event.key.toLowerCase() === "o") { event.preventDefault(); location.href = "/"; }
  else if (event.altKey && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
    const node = state.path.filter((one) => one.siblings.length > 1).at(-1);
    if (node) { event.preventDefault(); acts.turn(node.siblings[node.siblings.indexOf(node.id) + (event.key === "ArrowLeft" ? -1 : 1)]); }
  } else if (event.key === "?" && !typing) {
    openDialog("Keys", make("table", {}, make("tbody", {}, ...KEYS.map(([key, what]) => make("tr", {}, make("td", {}, make("kbd", {}, key)), make("td", {}, what))))));
  }
});

draw(state.path);
meter();
if (state.run) attach(state.run, 0); // reattach to an answer that is being written
const wanted = new URLSearchParams(location.search).get("node");
if (wanted) document.getElementById(`n-${wanted}`)?.scrollIntoView();
else bottom(true);
if (matchMedia("(min-width: 761px)").matches) $("text").focus();
