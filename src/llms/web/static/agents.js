// Watch a team: who does what, the plan, the board, the budget, the answer; live or from the store, the same events.
import { call, make } from "./api.js";
import { show } from "./markdown.js";

const $ = (id) => document.getElementById(id);
const given = JSON.parse($("state").textContent);
let source = null;
let run = given.run;
const steps = new Map();

function watch(id) {
  run = id;
  source?.close();
  for (const name of ["steps", "plan", "board", "answer", "end"]) $(name).replaceChildren();
  steps.clear();
  $("run").classList.remove("hidden");
  $("stop").classList.remove("hidden");
  $("run-title").textContent = `Run ${id}`;
  source = new EventSource(`/api/agents/${id}/events`);
  source.onmessage = (message) => heard(JSON.parse(message.data));
  source.addEventListener("end", (message) => {
    source.close();
    $("stop").classList.add("hidden");
    $("status").textContent = `${JSON.parse(message.data)}`;
  });
}

/** What each event does to the page. The braces name the fields that are read: a test holds them against the server's. */
const HEARD = {
  Began({ team, goal }) {
    $("run-title").textContent = `${team}: ${goal.split("\n")[0]}`;
  },
  Remembered({ facts }) {
    $("steps").append(...facts.map((fact) => make("li", { class: "soft" }, `told from memory (${fact.id}): ${fact.text}`)));
  },
  Planned({ tasks, note }) {
    $("plan").replaceChildren(...tasks.map(task));
    if (note) $("plan").append(make("li", { class: "soft" }, note));
  },
  TaskChanged({ task: changed }) {
    const old = document.querySelector(`[data-task="${CSS.escape(changed.id)}"]`);
    old ? old.replaceWith(task(changed)) : $("plan").append(task(changed));
  },
  StepBegan({ role, task: of }) {
    const line = make("li", {}, `${role}${of ? ` on ${of}` : ""} `, make("span", { class: "soft" }, "working"));
    steps.set(`${role} ${of}`, line);
    $("steps").append(line);
    $("status").textContent = `${role} is working`;
  },
  StepEnded({ role, task: of, seconds, problem }) {
    const line = steps.get(`${role} ${of}`);
    if (line) line.lastChild.replaceWith(make("span", { class: problem ? "bad" : "good" }, problem ? `failed: ${problem}` : `done in ${seconds.toFixed(1)} s`));
  },
  Written({ entry: e }) {
    $("board").append(make("tr", {}, make("td", {}, e.id), make("td", {}, e.kind, e.tainted ? make("span", { class: "warn" }, " from outside") : null), make("td", {}, e.author), make("td", {}, e.text.slice(0, 600)), make("td", { class: "soft" }, e.sources.join(", "))));
  },
  Budget({ used, calls, tool_calls, tokens }) {
    $("budget").textContent = `${used.calls} of ${calls} model calls, ${used.tool_calls} of ${tool_calls} tool calls, ${used.tokens.toLocaleString()} of ${tokens.toLocaleString()} tokens`;
  },
  Finished({ answer, reason, used, seconds, open_tasks }) {
    show($("answer"), answer);
    $("end").textContent = `${reason}; ${used.calls} model calls, ${used.tokens.toLocaleString()} tokens, ${used.cost === null ? "cost unknown" : `$${used.cost.toFixed(4)}`}, ${seconds.toFixed(1)} s${open_tasks.length ? `; not done: ${open_tasks.join(", ")}` : ""}`;
  },
};
const heard = (event) => HEARD[event.type](event);

const task = (one) => make("li", { "data-task": one.id }, `${one.title} `, make("span", { class: "soft" }, `${one.owner}, ${one.state}${one.needs.length ? `, after ${one.needs.join(", ")}` : ""}`));

$("begin").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("alert").textContent = "";
  try {
    const files = $("files").value.split("\n").map((line) => line.trim()).filter(Boolean);
    const begun = await call("/api/agents", { goal: $("goal").value, team: $("team").value, model: $("model").value, files });
    history.replaceState(null, "", `/agents?run=${begun.run}`);
    watch(begun.run);
  } catch (error) {
    $("alert").textContent = error.message;
  }
});
$("stop").addEventListener("click", () => call(`/api/agents/${run}/stop`, {}).catch((error) => ($("alert").textContent = error.message)));
$("example")?.addEventListener("click", () => {
  $("goal").value = $("example").textContent.trim();
  $("team").value = "panel";
  $("begin").requestSubmit();
});
if (run) watch(run);
