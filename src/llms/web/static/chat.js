// The chat page. The server holds the truth; log.js shows it, run.js what is being answered, composer.js what comes next.
import "./actions.js";
import { openMore, openTools } from "./dialogs.js";
import "./follow.js";
import "./header.js";
import { bottom, draw, reload } from "./log.js";
import { meter } from "./meter.js";
import { attach } from "./run.js";
import { $, guarded, state } from "./session.js";
import "./welcome.js";

$("tools-open").addEventListener("click", guarded(() => openTools(state, meter)));
$("more-open").addEventListener("click", guarded(() => openMore(state, reload)));

draw(state.path);
meter();
if (state.run) attach(state.run, 0); // reattach to an answer that is being written
const wanted = new URLSearchParams(location.search).get("node");
if (wanted) document.getElementById(`n-${wanted}`)?.scrollIntoView();
else bottom(true);
if (matchMedia("(min-width: 761px)").matches) $("text").focus();
