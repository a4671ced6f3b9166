// Choose a model: the job and its limits in the address, the answer from the server, a measurement that outlives the page.
import { call, make } from "./api.js";
import { showAnswer } from "./choose_answer.js";
import { iconButton } from "./icons.js";

const $ = (id) => document.getElementById(id);
const SETTINGS = "llms.settings"; // of a chat that is not stored yet: settings.js
const NUMBERS = { dollars: "dollars_per_task", seconds: "seconds_per_task", first: "first_token_seconds", context: "context", batch: "batch" };
const FLAGS = { dollars: "--dollars-per-task", seconds: "--seconds-per-task", first: "--first-token", context: "--context", batch: "--batch" };
const GIGABYTE = 1e9;
const weights = new Map(); // benchmark -> weight
let systems = [];
let source = null;

// --- the form, the address, the command: three forms of one job

function job() {
  const result = { data: $("data").value.trim(), weights: Object.fromEntries(weights), systems, gpu: $("gpu").value.trim(), local_only: $("local").checked };
  for (const [id, name] of Object.entries(NUMBERS)) if ($(id).value !== "") result[name] = Number($(id).value);
  if ($("memory").value !== "") result.memory_bytes = Math.round(Number($("memory").value) * GIGABYTE);
  result.licences = licences();
  return result;
}

const licences = () => $("licences").value.split(",").map((name) => name.trim().toLowerCase()).filter(Boolean);

function address(run = "") {
  const words = new URLSearchParams();
  for (const id of ["data", "gpu", "memory", "licences", ...Object.keys(NUMBERS)]) if ($(id).value.trim()) words.set(id, $(id).value.trim());
  for (const [name, weight] of weights) words.append("b", `${name}=${weight}`);
  for (const name of systems) words.append("m", name);
  if ($("local").checked) words.set("local", "1");
  if (run) words.set("run", run);
  return words.size ? `/choose?${words}` : "/choose";
}

/** Fill the form from the page's address; whether it holds a job. */
function read() {
  const words = new URLSearchParams(location.search);
  for (const id of ["data", "gpu", "memory", "licences", ...Object.keys(NUMBERS)]) $(id).value = words.get(id) ?? "";
  weights.clear();
  for (const text of words.getAll("b")) {
    const [name, number] = text.split("=");
    const weight = Number(number ?? 1);
    if (name && Number.isFinite(weight)) weights.set(name, weight);
  }
  systems = words.getAll("m");
  $("local").checked = words.get("local") === "1";
  if (words.has("context") || words.has("batch")) document.querySelector("#job details").open = true;
  paint();
  return words.has("data") || weights.size > 0;
}

const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function command() {
  const words = ["llms choose"];
  if ($("data").value.trim()) words.push("--data", quoted($("data").value.trim()));
  for (const [name, weight] of weights) words.push("-b", weight === 1 ? name : `${name}=${weight}`);
  for (const name of systems) words.push("-m", quoted(name));
  for (const [id, flag] of Object.entries(FLAGS)) if ($(id).value) words.push(flag, $(id).value);
  if ($("memory").value) words.push("--memory", `${$("memory").value}GB`);
  if ($("gpu").value.trim()) words.push("--gpu", quoted($("gpu").value.trim()));
  if (licences().length) words.push("--licence", quoted(licences().join(",")));
  if ($("local").checked) words.push("--local-only");
  return words.join(" ");
}

function paint() {
  $("weights").replaceChildren(...[...weights].map(([name, weight]) => {
    const shown = make("output", {}, String(weight));
    const slider = make("input", { type: "range", min: "0", max: "5", step: "0.5", value: String(weight), "aria-label": `Weight of ${name}` });
    slider.addEventListener("input", () => {
      weights.set(name, Number(slider.value));
      shown.textContent = slider.value;
      written();
    });
    return make("li", { "data-benchmark": name }, make("span", { class: "name" }, name), slider, shown, iconButton("close", `Take ${name} out`, { onclick: () => { weights.delete(name); paint(); $("benchmark").focus(); } }));
  }));
  $("systems").replaceChildren(...systems.map((name) => make("li", { "data-system": name }, make("span", { class: "name" }, name), iconButton("close", `Take ${name} out`, { onclick: () => { systems = systems.filter((other) => other !== name); paint(); $("model").focus(); } }))));
  written();
}

const written = () => ($("command").textContent = command());

function add() {
  const name = $("model").value.trim();
  if (name && !systems.includes(name)) systems = [...systems, name];
  $("model").value = "";
  paint();
}

// --- asking

async function ask(push = true) {
  add();
  $("alert").textContent = "";
  if (push) history.pushState(null, "", address());
  $("status").textContent = "Reading what is measured …";
  $("ask").disabled = true;
  try {
    show(await call("/api/choose", job()));
  } catch (error) {
    refuse(error);
  } finally {
    $("ask").disabled = false;
    $("status").textContent = "";
  }
}

function show(choice) {
  $("empty").classList.add("hidden");
  showAnswer($("answer"), choice, { chat, measure });
}

function refuse(error) {
  $("answer").classList.add("hidden");
  $("alert").textContent = error.message;
}

function chat(system) {
  const before = JSON.parse(sessionStorage.getItem(SETTINGS) ?? "{}");
  sessionStorage.setItem(SETTINGS, JSON.stringify({ ...before, model: system }));
  location.href = "/";
}

// --- measuring: events of the server, the same after a reload

async function measure(budget) {
  $("alert").textContent = "";
  try {
    const { run } = await call("/api/choose/measure", { ...job(), ...(budget === null ? {} : { budget }) });
    history.replaceState(null, "", address(run));
    watch(run);
  } catch (error) {
    $("alert").textContent = error.message;
  }
}

function watch(run) {
  source?.close();
  $("progress").replaceChildren();
  $("end").textContent = "";
  $("empty").classList.add("hidden");
  $("plan")?.remove();
  $("measuring").classList.remove("hidden");
  $("stop").classList.remove("hidden");
  $("stop").disabled = false;
  $("stop").onclick = () => {
    $("stop").disabled = true;
    $("end").textContent = "It stops after the item that is being asked.";
    call(`/api/choose/runs/${run}/stop`, {}).catch(refuse);
  };
  source = new EventSource(`/api/choose/runs/${run}/events`);
  source.onmessage = (message) => heard(JSON.parse(message.data));
  source.addEventListener("end", over);
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) return;
    over();
    $("alert").textContent = `The measurement ${run} is not held any more; what was measured is kept. Ask again.`;
  };
}

function over() {
  source.close();
  $("stop").classList.add("hidden");
  history.replaceState(null, "", address());
}

const KINDS = {
  Measured({ system, benchmark, done, total }) {
    const id = `${system} ${benchmark}`;
    let line = [...$("progress").children].find((one) => one.dataset.step === id);
    if (!line) {
      line = make("li", { "data-step": id }, make("span", { class: "name" }, `${system} on ${benchmark}`), make("progress", { "aria-label": `${system} on ${benchmark}` }), make("span", { class: "meta" }));
      $("progress").append(line);
    }
    const [, bar, words] = line.children;
    bar.max = Math.max(total, 1);
    bar.value = done;
    words.textContent = `${done} of ${total}`;
  },
  Answered({ choice }) {
    show(choice);
    $("end").textContent = "Done.";
  },
  Stopped() {
    $("end").textContent = "Stopped; what was measured is kept.";
    ask(false);
  },
  Failed({ error }) {
    $("end").textContent = "";
    $("alert").textContent = error;
  },
};
const heard = (event) => KINDS[event.type](event);

// --- what the person does

$("job").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
$("job").addEventListener("input", written);
$("benchmark").addEventListener("change", () => {
  if ($("benchmark").value) weights.set($("benchmark").value, 1);
  $("benchmark").value = "";
  paint();
});
$("add").addEventListener("click", add);
$("model").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !$("model").value.trim()) return;
  event.preventDefault();
  add();
});
$("file").addEventListener("change", async () => {
  const [file] = $("file").files;
  if (!file) return;
  const form = new FormData();
  form.append("file", file, file.name);
  $("status").textContent = `Sending ${file.name} …`;
  try {
    const response = await fetch("/api/choose/rows", { method: "POST", body: form });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    $("data").value = answer.path;
    $("alert").textContent = "";
    written();
  } catch (error) {
    refuse(error);
  } finally {
    $("file").value = "";
    $("status").textContent = "";
  }
});
$("example").addEventListener("click", () => {
  weights.set("hellaswag", 1);
  systems = ["smollm2", "smollm2?quantize=int8"];
  paint();
  ask();
});
addEventListener("popstate", () => (read() ? ask(false) : location.reload()));

const { run } = JSON.parse($("state").textContent);
const holds = read();
if (run) watch(run);
else if (holds) ask(false);
