// Training runs: a list, and one of them as it goes on; events of the server, the same after a reload.
import { call, make } from "./api.js";
import { confirm } from "./confirm.js";
import { iconButton } from "./icons.js";
import { chart, short, smooth } from "./training_chart.js";

const $ = (id) => document.getElementById(id);
const SETTINGS = "llms.settings"; // of a chat that is not stored yet: settings.js
const LIST_SECONDS = 5;
const STATES = { running: ["running", "good"], done: ["done", "good"], failed: ["failed", "bad"], interrupted: ["interrupted", "warn"], gone: ["folder gone", "warn"] };
let runs = [];
let source = null;
let log = null; // of the run that is shown: {started, steps, validations, notes, memory}
let awaited = 0; // a frame that will draw

// --- the list

async function list() {
  try {
    runs = await call("/api/training");
    $("alert").textContent = "";
  } catch (error) {
    $("alert").textContent = error.message;
    return;
  }
  $("empty").classList.toggle("hidden", runs.length > 0);
  $("training").classList.toggle("hidden", runs.length === 0);
  const chosen = log?.run?.id ?? selected();
  $("runs").replaceChildren(...runs.map((run) => make("li", {}, make("a", { href: `/training?run=${run.id}`, "data-run": run.id, "aria-current": run.id === chosen ? "true" : undefined, onclick: pick },
    make("span", { class: "name" }, name(run)), make("span", { class: "meta" }, `${run.method} · ${progress(run)}`), badge(run)))));
  if (runs.length && !log) show(runs.some((run) => run.id === chosen) ? chosen : runs[0].id);
}

const selected = () => new URLSearchParams(location.search).get("run");
const name = (run) => run.folder.split("/").filter(Boolean).at(-1);
const badge = (run) => make("span", { class: `state ${STATES[run.state][1]}` }, STATES[run.state][0]);
const progress = (run) => (run.steps ? `step ${run.step} of ${run.steps}` : "not begun");

function pick(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const id = event.currentTarget.dataset.run;
  history.pushState(null, "", `/training?run=${id}`);
  show(id);
}

// --- one run

function show(id) {
  for (const link of $("runs").querySelectorAll("a")) {
    if (link.dataset.run === id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  source?.close();
  log = { run: runs.find((run) => run.id === id), started: null, steps: [], validations: [], notes: [], saved: null };
  draw();
  source = new EventSource(`/api/training/${id}/events`);
  source.onmessage = (message) => {
    const { run, events } = JSON.parse(message.data);
    log.run = run;
    for (const event of events) KINDS[event.event]?.(event);
    awaited ||= requestAnimationFrame(draw);
  };
  source.addEventListener("end", () => {
    source.close();
    list();
  });
}

const KINDS = {
  started(event) {
    log.started = event;
    log.steps = log.steps.filter(({ step }) => step <= event.first_step); // what a killed run did after its last checkpoint is done again
    log.validations = log.validations.filter(({ step }) => step <= event.first_step);
  },
  stepped: (event) => log.steps.push(event),
  validated: (event) => log.validations.push(event),
  saved: (event) => (log.saved = event),
  noticed: (event) => log.notes.push(event.text),
};

const seconds = (value) => (value >= 5400 ? `${(value / 3600).toFixed(1)} h` : value >= 90 ? `${Math.round(value / 60)} min` : `${Math.round(value)} s`);
const gigabytes = (value) => `${(value / 1e9).toFixed(2)} GB`;

function facts({ run, started, steps, validations, saved }) {
  const last = steps.at(-1), recent = steps.slice(-20);
  const rate = recent.reduce((sum, one) => sum + one.trained_tokens, 0) / recent.reduce((sum, one) => sum + one.seconds, 0);
  const each = recent.reduce((sum, one) => sum + one.seconds, 0) / Math.max(recent.length, 1);
  const rows = [
    ["progress", progress(run)],
    ["loss", last && `${short(smooth(steps.map((one) => [one.step, one.loss])).at(-1)[1])} nats a token`],
    ["held out", validations.length ? `${short(validations.at(-1).loss)} nats a token; best ${short(Math.min(...validations.map((one) => one.loss)))}` : null],
    ["learning rate", last && short(last.learning_rate)],
    ["speed", last && `${short(rate)} trained tokens a second`],
    ["FLOPs used", last?.flops_utilization != null && `${Math.round(100 * last.flops_utilization)} % of a matrix product's`],
    ["reward margin", last?.reward_margin != null && `${short(last.reward_margin)}, right in ${Math.round(100 * (last.reward_accuracy ?? 0))} %`],
    ["left", run.state === "running" && last && `about ${seconds(each * (run.steps - run.step))}`],
    ["memory", last && gigabytes(last.memory_bytes)],
    ["rows", started && `${started.rows} trained, ${started.validation_rows} held out`],
    ["trained", started && `${short((100 * started.trained_tokens) / Math.max(started.tokens, 1))} % of the tokens, ${short((100 * started.trainable) / Math.max(started.parameters, 1))} % of the parameters`],
    ["processes", started && started.processes > 1 && String(started.processes)],
    ["saved", saved && `step ${saved.step}`],
  ];
  return make("dl", { class: "facts" }, ...rows.filter(([, value]) => value).flatMap(([key, value]) => [make("dt", {}, key), make("dd", {}, value)]));
}

function pictures({ run, started, steps, validations }) {
  if (!steps.length) return [make("p", { class: "soft" }, run.state === "running" ? "Its first step is being computed." : "It has made no step.")];
  const losses = steps.map(({ step, loss }) => [step, loss]), held = validations.map(({ step, loss }) => [step, loss]);
  const end = Math.max(run.steps, started?.steps ?? 0, steps.at(-1).step);
  const width = $("run").clientWidth || 640;
  const words = `Loss against step: ${short(losses[0][1])} at step ${losses[0][0]}, ${short(losses.at(-1)[1])} at step ${losses.at(-1)[0]}${held.length ? `; on held-out rows ${short(held[0][1])}, now ${short(held.at(-1)[1])}` : ""}`;
  return [
    make("figure", {}, make("figcaption", {}, "Loss, nats a trained token", legend()), chart([{ points: losses, kind: "raw" }, { points: smooth(losses), kind: "mean" }, { points: held, kind: "held", dots: true }], { words, steps: end, width })),
    make("figure", {}, make("figcaption", {}, "Learning rate"), chart([{ points: steps.map(({ step, learning_rate: rate }) => [step, rate]), kind: "rate" }], { words: `Learning rate against step, now ${short(steps.at(-1).learning_rate)}`, height: 110, steps: end, width })),
  ];
}

const legend = () => make("span", { class: "legend meta" }, ...[["mean", "trained rows"], ["held", "held-out rows"]].map(([kind, text]) => make("span", { class: `key ${kind}` }, text)));

function draw() {
  awaited = 0;
  const { run, notes } = log;
  if (!run) return;
  const chat = run.result ? make("button", { type: "button", class: "primary", onclick: () => talk(run.result) }, "Chat with it") : null;
  $("run").replaceChildren(
    make("header", {}, make("h2", {}, name(run), " ", badge(run)), chat, iconButton("close", "Take this run off the list", { onclick: () => forget(run) })),
    make("p", { class: "meta" }, `${run.method} · ${run.model || "from nothing"} · ${run.data}`),
    ...(run.reason && run.state !== "done" ? [make("p", { class: run.state === "failed" ? "bad" : "soft" }, run.reason)] : []),
    ...pictures(log), facts(log), ...evidence(run.evidence),
    ...[...new Set(notes)].map((note) => make("p", { class: "soft" }, note)),
    ...(run.result ? [make("p", { class: "command" }, "Its name everywhere: ", make("code", {}, run.result))] : []),
  );
}

/** What was measured before and after, a line each, in the words of the terminal. */
function evidence(stored) {
  if (!stored) return [];
  const lines = [stored.held_out, ...stored.kept].filter(Boolean).map((one) => make("li", {}, make("span", { class: "name" }, one.benchmark), " ", one.text));
  return [make("h3", {}, "Before and after"), make("ul", { class: "plain evidence" }, ...lines, ...stored.notes.map((note) => make("li", { class: "soft" }, note)))];
}

function talk(system) {
  const before = JSON.parse(sessionStorage.getItem(SETTINGS) ?? "{}");
  sessionStorage.setItem(SETTINGS, JSON.stringify({ ...before, model: system }));
  location.href = "/";
}

async function forget(run) {
  const answer = await confirm("Take it off the list?", `${name(run)} is shown here no more; its folder ${run.folder} stays as it is.`, ["", "Keep it"], ["yes", "Take it off", "danger"]);
  if (answer !== "yes") return;
  try {
    await call(`/api/training/${run.id}`, undefined, "DELETE");
  } catch (error) {
    $("alert").textContent = error.message;
  }
  source?.close();
  log = null;
  history.replaceState(null, "", "/training");
  list();
}

addEventListener("popstate", () => {
  log = null;
  list();
});
list();
setInterval(() => document.hidden || list(), 1000 * LIST_SECONDS);
