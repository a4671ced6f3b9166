// The chat page. The server holds the truth; log.js shows it, run.js what is being answered, composer.js what comes next.
import "./actions.js";
import "./chips.js";
import "./compare.js";
import "./follow.js";
import "./header.js";
import { bottom, draw } from "./log.js";
import { meter } from "./meter.js";
import "./picker.js";
import { attach } from "./run.js";
import { $, state } from "./session.js";
import { whenSet } from "./settings.js";
import "./welcome.js";

draw(state.path);
whenSet(meter);
if (state.run) attach(state.run, 0); // reattach to an answer that is being written
const wanted = new URLSearchParams(location.search).get("node");
if (wanted) document.getElementById(`n-${wanted}`)?.scrollIntoView();
else bottom(true);
if (matchMedia("(min-width: 761px)").matches) $("text").focus();
