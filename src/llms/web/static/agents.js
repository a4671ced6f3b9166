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

function heard(event) {
  switch (event.type) {
    case "Began":
      $("run-title").textContent = `${event.team}: ${event.goal.split("\n")[0]}`;
      break;
    case "Remembered":
      $("steps").append(...event.facts.map((fact) => make("li", { class: "soft" }, `told from memory (${fact.id}): ${fact.text}`)));
      break;
    case "Planned":
      $("plan").replaceChildren(...event.tasks.map(task));
      if (event.note) $("plan").append(make("li", { class: "soft" }, event.note));
      break;
    case "TaskChanged": {
      const old = document.querySelector(`[data-task="${CSS.escape(event.task.id)}"]`);
      old ? old.replaceWith(task(event.task)) : $("plan").append(task(event.task));
      break;
    }
    case "StepBegan": {
      const line = make("li", {}, `${event.role}${event.task ? ` on ${event.task}` : ""} `, make("span", { class: "soft" }, "working"));
      steps.set(`${event.role} ${event.task}`, line);
      $("steps").append(line);
      $("status").textContent = `${event.role} is working`;
      break;
    }
    case "StepEnded": {
      const line = steps.get(`${event.role} ${event.task}`);
      if (line) line.lastChild.replaceWith(make("span", { class: event.problem ? "bad" : "good" }, event.problem ? `failed: ${event.problem}` : `done in ${event.seconds.toFixed(1)} s`));
      break;
    }
    case "Written": {
      const e = event.entry;
      $("board").append(make("tr", {}, make("td", {}, e.id), make("td", {}, e.kind, e.tainted ? make("span", { class: "warn" }, " from outside") : null), make("td", {}, e.author), make("td", {}, e.text.slice(0, 600)), make("td", { class: "soft" }, e.sources.join(", "))));
      break;
    }
    case "Budget":
      $("budget").textContent = `${event.used.calls} of ${event.calls} model calls, ${event.used.tool_calls} of ${event.tool_calls} tool calls, ${event.used.tokens.toLocaleString()} of ${event.tokens.toLocaleString()} tokens`;
      break;
    case "Finished":
      show($("answer"), event.answer);
      $("end").textContent = `${event.reason}; ${event.used.calls} model calls, ${event.used.tokens.toLocaleString()} tokens, ${event.used.cost === null ? "cost unknown" : `$${event.used.cost.toFixed(4)}`}, ${event.seconds.toFixed(1)} s${event.open_tasks.length ? `; not done: ${event.open_tasks.join(", ")}` : ""}`;
      break;
  }
}

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
if (run) watch(run);
