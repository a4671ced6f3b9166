// Tasks: what is chosen and typed becomes a run; its events are drawn as they come. Closing the page, or Stop, ends the run.
import { call, make } from "./api.js";
import { icon, iconButton } from "./icons.js";
import { $, copy, say, state } from "./session.js";
import { addFiles, addFile, asked as askedFiles, clearFiles, names as fileNames, onFiles, sample } from "./tasks_files.js";
import { begin as beginAnswers, answered, failed } from "./tasks_answers.js";

const TAKES = { text: "a text, or a file: text, PDF, CSV, JSON Lines", pair: "two texts", sound: "a recording: WAV, MP3, FLAC, OGG", image: "a picture: PNG, JPEG, WebP" };
const NUMBERS = ["top", "max_tokens", "temperature", "steps"];
const WORDS = ["question", "source", "target", "voice", "other"];
let labels = [];
let source = null;
let about = null;
let looking = 0;

const task = () => state.tasks[document.querySelector("[name=task]:checked")?.value];
const shows = (field) => !document.querySelector(`[data-field="${field}"]`)?.classList.contains("hidden");

// --- what is chosen

function choose(name) {
  const radio = document.querySelector(`[name=task][value="${CSS.escape(name)}"]`) ?? document.querySelector("[name=task]");
  radio.checked = true;
  const { title, takes, ways, default: own } = task();
  $("sentence").textContent = `${title}.`;
  $("takes").textContent = TAKES[takes];
  const typed = takes === "text" || takes === "pair";
  for (const id of ["text-label", "lines-label"]) $(id).classList.toggle("hidden", !typed);
  $("lines-label").classList.toggle("hidden", takes !== "text");
  $("record").classList.toggle("hidden", takes !== "sound");
  $("text-name").textContent = task().name === "question-answering" ? "Text that holds the answer" : "Text";
  $("model").placeholder = own ? `hf:${own.repo}` : "name a model";
  for (const option of $("way").options) option.hidden = option.disabled = option.value !== "" && !ways.includes(option.value);
  if (!ways.includes($("way").value)) $("way").value = "";
  $("file").accept = takes === "sound" ? "audio/*,.wav,.mp3,.flac,.ogg,.csv,.jsonl" : takes === "image" ? "image/*" : "";
  fields();
  look();
}

/** The fields that the task needs, or that a language model needs for it. */
function fields() {
  const { fields: wanted, needs, ways } = task();
  const asks = ["prompt", "choice"].includes($("way").value) || ($("model").value.trim() && !$("model").value.startsWith("hf:"));
  for (const box of document.querySelectorAll("[data-field]")) {
    const name = box.dataset.field;
    const optional = name === "labels" && !needs.includes("labels") && !(asks && ways.length > 1);
    box.classList.toggle("hidden", !wanted.includes(name) || optional);
  }
  written();
}

/** Where the model is, and what must be known before it is fetched. */
async function look() {
  const turn = ++looking;
  about = null;
  const { name, default: own } = task();
  const model = $("model").value.trim();
  if (!model && !own) return $("about").replaceChildren(make("p", {}, "This task has no model of its own: name one, such as smollm2 or hf:owner/name."));
  try {
    const answer = await call("/api/tasks/model", { task: name, model });
    if (turn !== looking) return;
    about = answer;
    $("about").replaceChildren(...drawn(answer));
  } catch (error) {
    if (turn === looking) $("about").replaceChildren(make("p", { class: "bad" }, error.message));
  }
}

function drawn({ name, state: where, megabytes, licence, languages, command, cached }) {
  const facts = [megabytes ? `${megabytes} MB` : "", licence, languages].filter(Boolean).join(" · ");
  const lines = [make("p", {}, make("code", {}, name), facts ? ` · ${facts}` : "")];
  if (where === "here") lines.push(make("p", { class: "good" }, "✓ It is on this machine."));
  if (where === "asked") lines.push(make("p", {}, "It is asked at its endpoint: the inputs go there."));
  if (where === "absent") {
    lines.push(make("p", {}, "It is not on this machine yet. Nothing is fetched until you say so."),
      make("button", { type: "button", id: "fetch", onclick: fetchModel }, icon("download"), make("span", {}, megabytes ? `Fetch ${megabytes} MB` : "Fetch it")));
  }
  if (where === "offline") {
    lines.push(make("p", { class: "warn" }, "It is not on this machine, and this program is offline."),
      make("p", {}, "Where there is a connection: ", make("code", {}, command)),
      make("p", {}, cached.length ? `Here are: ${cached.join(", ")}` : "No model of the hub is here; smollm2 is, for tasks that a language model can do."));
  }
  return lines;
}

function fetchModel() {
  const { name } = task();
  const model = $("model").value.trim();
  follow(() => call("/api/tasks/fetch", { task: name, model }), "asking the hub …", look);
}

// --- labels

function addLabels(text) {
  for (const label of text.split(",").map((one) => one.trim()).filter(Boolean)) if (!labels.includes(label)) labels.push(label);
  drawLabels();
}

function drawLabels() {
  $("labels").replaceChildren(...labels.map((label) => make("li", { class: "chip" }, make("span", {}, label),
    iconButton("close", `Take ${label} out`, { onclick: () => { labels = labels.filter((one) => one !== label); drawLabels(); $("label").focus(); } }))));
  written();
}

// --- what is asked, as a request, a command, a program

function asked() {
  const { name, takes } = task();
  const typed = takes === "text" || takes === "pair";
  const text = typed ? $("text").value : "";
  const texts = !text.trim() ? [] : $("lines").checked && takes === "text" ? text.split("\n").filter((line) => line.trim()) : [text];
  const body = { task: name, model: $("model").value.trim(), way: $("way").value, texts, ...askedFiles() };
  if (shows("labels")) Object.assign(body, { labels });
  if (shows("several")) body.several = $("several").checked;
  for (const id of WORDS) if (($(id).closest("[data-field]")?.classList.contains("hidden") ?? false) === false && $(id).value.trim()) body[id] = $(id).value.trim();
  for (const id of NUMBERS) if (shows(id) && $(id).value !== "") body[id] = Number($(id).value);
  if (takes === "pair" && !body.other) delete body.other;
  return body;
}

const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function command(body) {
  const words = ["llms task", body.task, ...body.texts.slice(0, 3).map(quoted), ...fileNames().map(quoted)];
  if (body.other) words.push(quoted(body.other));
  if (body.model) words.push("-m", quoted(body.model));
  if (body.way) words.push("--way", body.way);
  if (body.labels?.length) words.push("--labels", quoted(body.labels.join(",")));
  if (body.several) words.push("--several");
  for (const column of body.columns ?? []) words.push("--column", quoted(column));
  if (body.question) words.push("--question", quoted(body.question));
  if (body.source) words.push("--from", quoted(body.source));
  if (body.target) words.push("--to", quoted(body.target));
  if (body.voice) words.push("--voice", quoted(body.voice));
  for (const id of NUMBERS) if (body[id] !== undefined) words.push(`--${id.replace("_", "-")}`, String(body[id]));
  return words.join(" ");
}

const python = (value) => (Array.isArray(value) ? `[${value.map(python).join(", ")}]` : typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value));

function code(body) {
  const more = ["model", "way", "labels", "several", "question", "source", "target", "voice", ...NUMBERS].filter((name) => body[name] !== undefined && body[name] !== "" && body[name] !== false && String(body[name]) !== "");
  const texts = body.texts.length ? body.texts.slice(0, 3) : fileNames().length ? fileNames().slice(0, 3) : ["…"];
  const input = body.other ? `TaskInput(${python(texts[0])}, other=${python(body.other)})` : python(texts.length === 1 ? texts[0] : texts);
  const head = body.other ? "import llms\nfrom llms.models.task_model import TaskInput\n" : "import llms\n";
  return `${head}\nanswers = llms.task(${[python(body.task), ...more.map((name) => `${name}=${python(body[name])}`)].join(", ")})\nprint(answers(${input}))\n`;
}

function written() {
  const body = asked();
  $("command").textContent = command(body);
  $("code").textContent = code(body);
  if ($("same").open) script();
}

let scripting = 0;
/** The same with transformers alone, as the server writes it, once the person has stopped typing. */
function script() {
  clearTimeout(scripting);
  scripting = setTimeout(async () => {
    const mine = scripting;
    const { code: text } = await call("/api/tasks/code", asked()).catch((error) => ({ code: `# ${error.message}` }));
    if (mine === scripting) $("script").textContent = text;
  }, 300);
}

// --- a run

async function run() {
  if (source) return;
  if ($("label").value.trim()) {
    addLabels($("label").value);
    $("label").value = "";
  }
  const chosen = task();
  const body = asked();
  if (!body.texts.length && !body.files.length) return refuse(`There is no input yet: ${TAKES[chosen.takes]}.`);
  const missing = chosen.needs.find((name) => !(body[name]?.length));
  if (missing) return refuse(`${chosen.name} needs ${missing === "labels" ? "labels: write at least two" : missing === "target" ? "the language to translate to" : `a ${missing}`}.`);
  $("results").classList.remove("hidden");
  beginAnswers(chosen, body);
  await follow(() => call("/api/tasks", body), "starting …");
}

/** Hear the events of a run that `start` begins; its end calls `after`. */
async function follow(start, words, after = () => {}) {
  if (source) return;
  source = {};
  $("alert").textContent = "";
  busy(true, words);
  try {
    const { run: id } = await start();
    if (!source) return;
    source = new EventSource(`/api/tasks/runs/${id}/events`);
    source.onmessage = (message) => heard(JSON.parse(message.data), id);
    source.addEventListener("end", () => over(after));
    source.onerror = () => {
      over(after);
      if (!$("alert").textContent) refuse("The connection to llms broke off; run it again.");
    };
  } catch (error) {
    over(after);
    refuse(error.message);
  }
}

function over(after) {
  source?.close?.();
  source = null;
  busy(false);
  after();
}

function stop() {
  source?.close?.();
  source = null;
  busy(false, "Stopped; the answers so far are below.");
}

function busy(on, words = "") {
  const had = document.activeElement;
  $("run").classList.toggle("hidden", on);
  $("stop").classList.toggle("hidden", !on);
  $("results").setAttribute("aria-busy", String(on));
  say(words);
  if (had === $("run") || had === $("stop")) (on ? $("stop") : $("run")).focus();
}

function refuse(words) {
  $("alert").textContent = words;
  if (!$("answers").children.length) $("results").classList.add("hidden");
}

const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;
/** What each event does to the page. */
const KINDS = {
  Waiting: () => say("Another task is being done; this one begins after it."),
  Opening: ({ model, total }) => {
    say(`${model} is loaded …`);
    if (total) $("progress").max = total;
  },
  Fetching: ({ done, total }) => say(total ? `${megabytes(Math.min(done, total))} of about ${megabytes(total)}` : `${megabytes(done)} have come`),
  Answered: (event, id) => answered(event, id),
  Failed: (event) => failed(event),
  Refused: ({ error }) => refuse(error),
  Ended: ({ answered: count, failed: bad, seconds }) => ($("counts").textContent = count + bad ? `${count} answered${bad ? `, ${bad} failed` : ""} in ${seconds.toFixed(1)} s` : ""),
};
const heard = (event, id) => KINDS[event.type](event, id);

// --- what the person does

function example() {
  const { text, other, sample: drawnSample, options } = task().example;
  $("text").value = text;
  $("other").value = other;
  $("lines").checked = false;
  clearFiles();
  labels = [...options.labels];
  drawLabels();
  for (const id of ["question", "source", "target"]) $(id).value = options[id];
  $("top").value = options.top > 1 ? options.top : "";
  written();
  const go = () => (about?.state === "absent" || about?.state === "offline" ? refuse("The model of this task is not here yet: fetch it above, or name another.") : run());
  drawnSample ? sample(drawnSample).then(addFile).then(go) : go();
}

document.querySelectorAll("[name=task]").forEach((radio) => radio.addEventListener("change", () => {
  choose(radio.value);
  history.replaceState(null, "", `/tasks?task=${encodeURIComponent(radio.value)}`);
}));
$("work").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
$("work").addEventListener("input", written);
$("model").addEventListener("change", () => { fields(); look(); });
$("model").addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), fields(), look()));
$("way").addEventListener("change", fields);
$("stop").addEventListener("click", stop);
$("example").addEventListener("click", example);
$("add-label").addEventListener("click", () => { addLabels($("label").value); $("label").value = ""; $("label").focus(); });
$("label").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !$("label").value.trim()) return;
  event.preventDefault();
  $("add-label").click();
});
$("text").addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && run());
$("same").addEventListener("toggle", () => $("same").open && script());
$("copy-script").addEventListener("click", (event) => copy($("script").textContent, event.currentTarget));
$("copy-command").addEventListener("click", (event) => copy($("command").textContent, event.currentTarget));
for (const name of ["dragover", "drop", "dragleave"]) {
  $("drop").addEventListener(name, (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") addFiles([...event.dataTransfer.files]);
  });
}
onFiles(written);

const words = new URLSearchParams(location.search);
$("model").value = words.get("model") ?? "";
$("way").value = words.get("way") ?? "";
choose(words.get("task") ?? "sentiment");
