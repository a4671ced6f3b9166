// Answers of a task, each drawn as what it is: labels as bars, places as marks in the text, sounds to play, pictures to see.
import { make } from "./api.js";
import { icon } from "./icons.js";
import { $, copy, say } from "./session.js";
import { urlOf } from "./tasks_files.js";

const AS_CARDS = 5; // inputs; more are a table
const MOST_DRAWN = 500;
const MOST_SCORES = 10;
const FLAGS = { repeats: "repeats itself", "in parts": "read in parts", "not in the text": "names something that is not in the text", "cut short": "the answer was cut short", "no speech": "no speech was heard" };
let task = null;
let asked = null;
let rows = null;
let seen = { answered: 0, failed: 0 };

export const percent = (value) => `${(100 * value).toFixed(1)} %`;
const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

/** Empty the answers: `chosen` is the task, `body` what was asked. */
export function begin(chosen, body) {
  [task, asked, rows, seen] = [chosen, body, null, { answered: 0, failed: 0 }];
  $("answers").replaceChildren();
  $("counts").textContent = "";
  $("downloads").classList.add("hidden");
  $("progress").removeAttribute("value");
  $("progress").max = 1;
}

export function answered(event, run) {
  seen.answered++;
  for (const form of ["csv", "jsonl"]) $(form).href = `/api/tasks/runs/${run}/answers.${form}`;
  $("downloads").classList.remove("hidden");
  put(event, (short) => [...answer(event, run, short), notes(event)]);
}

export function failed(event) {
  seen.failed++;
  put(event, () => [make("p", { class: "bad" }, icon("error"), ` ${event.reason}`)]);
}

function put(event, draw) {
  const total = $("progress").max;
  $("progress").value = seen.answered + seen.failed;
  $("counts").textContent = `${seen.answered + seen.failed} of ${total}${seen.failed ? `, ${seen.failed} failed` : ""}`;
  if (seen.answered + seen.failed === 1) say("answering");
  if (total <= AS_CARDS) return place($("answers"), event.index, make("article", { class: "card answer", "data-index": event.index, "aria-label": `Answer ${event.index + 1}` }, input(event), ...draw(false)));
  rows ??= table();
  if (rows.children.length < MOST_DRAWN) place(rows, event.index, make("tr", { "data-index": event.index }, make("td", { class: "number" }, String(event.index + 1)), make("td", {}, short(event.input)), make("td", {}, make("div", { class: "answer" }, ...draw(true)))));
  else if (!$("more")) $("answers").append(make("p", { class: "soft", id: "more" }, `The first ${MOST_DRAWN} that came are shown; all are in the downloads.`));
}

/** Answers come in order of completion; they stand in order of their inputs. */
function place(list, index, element) {
  let after = list.lastElementChild;
  while (after && Number(after.dataset.index) > index) after = after.previousElementSibling;
  after ? after.after(element) : list.prepend(element);
}

function table() {
  const body = make("tbody");
  $("answers").append(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of answers" }, make("table", { class: "answers-table" },
    make("thead", {}, make("tr", {}, ...["row", "input", "answer"].map((name) => make("th", { scope: "col" }, name)))), body)));
  return body;
}

const short = (text) => (text.length > 160 ? `${text.slice(0, 160)} …` : text);

/** What was given, where the answer does not show it itself. */
function input({ input: text, other }) {
  if (task.takes === "image") return urlOf(text) ? make("img", { src: urlOf(text), alt: `The picture ${text}`, class: "given" }) : make("p", { class: "input" }, text);
  if (task.takes === "sound") return make("p", { class: "input" }, text);
  if (["spans", "answer"].includes(task.gives)) return null;
  return make("p", { class: "input", tabindex: "0" }, other ? `${text}\n${other}` : text);
}

const DRAWN = {
  label: (event, run, brief) => [make("p", { class: "said" }, event.text), brief ? certainty(event) : bars(event.scores)],
  words: (event) => [make("p", { class: "said" }, event.text), bars(event.scores)],
  spans: (event) => [marked(event.input, event.spans), ...(event.spans.length ? [] : [make("p", { class: "soft" }, "Nothing of the kind was found.")])],
  answer: (event, run, brief) => [make("p", { class: "said" }, event.text || "The text holds no answer."), certainty(event), ...(brief ? [] : [marked(event.input, event.spans)])],
  text: (event, run, brief) => (event.texts.length > 1 ? event.texts : [event.text]).flatMap((text) => [make("p", { class: "words" }, text), ...(brief ? [] : [copied(text)])]),
  vector: (event, run, brief) => [make("p", {}, `${event.dimension} dimensions`), make("p", { class: "numbers" }, `${event.first.map((value) => value.toFixed(4)).join("  ")}${event.dimension > event.first.length ? "  …" : ""}`), ...(brief ? [] : [download(`/api/tasks/runs/${run}/answers.jsonl`, "Download the vector", "answers.jsonl")])],
  number: (event) => [make("p", { class: "said" }, Number(event.text).toFixed(3)), bar("alike", Number(event.text), Number(event.text).toFixed(3))],
  transcript: (event, run, brief) => transcript(event, brief),
  sound: (event, run) => [make("audio", { src: media(event, run), controls: true, "aria-label": "The text, read aloud" }), download(media(event, run), "Download", "speech.wav")],
  image: (event, run) => [make("img", { src: media(event, run), alt: `A picture of: ${short(event.input)}` }), download(media(event, run), "Download", "picture.png")],
};
const answer = (event, run, brief) => DRAWN[task.gives](event, run, brief);
const media = ({ index }, run) => `/api/tasks/runs/${run}/media/${index}`;
const download = (href, words, name) => make("p", { class: "acts" }, make("a", { class: "button", href, download: name }, icon("download"), make("span", {}, words)));
const copied = (text) => make("p", { class: "acts" }, make("button", { type: "button", onclick: (event) => copy(text, event.currentTarget) }, icon("copy"), make("span", {}, "Copy")));
const certainty = ({ scores, spans }) => (scores[0] ?? spans[0] ? make("p", { class: "meta" }, percent((scores[0] ?? spans[0]).score)) : "");

function bar(name, value, words) {
  const width = Math.max(0, Math.min(1, value));
  return make("div", { class: "bars" }, make("div", {}, make("span", {}, name), make("span", { class: "track", "aria-hidden": "true" }, make("div", { class: "fill", style: `width: ${100 * width}%` })), make("span", {}, words)));
}

function bars(scores) {
  const box = make("div", { class: "bars" }, ...scores.slice(0, MOST_SCORES).map(({ label, score }) => bar(label, score, percent(score)).firstChild));
  if (scores.length > MOST_SCORES) box.append(make("p", { class: "meta" }, `and ${scores.length - MOST_SCORES} less likely`));
  return box;
}

/** The text with its spans marked and named. Offsets count characters, not the halves that JavaScript counts. */
function marked(text, spans) {
  const characters = [...text];
  const kinds = [...new Set(spans.map((span) => span.label))];
  const box = make("p", { class: "marked" });
  let at = 0;
  for (const { start, end, label, score } of [...spans].sort((one, two) => one.start - two.start)) {
    if (start < at) continue; // within the one before
    box.append(characters.slice(at, start).join(""), make("mark", { class: `kind-${(kinds.indexOf(label) % 6) + 1}`, tabindex: "0", title: `${label || "answer"}, ${percent(score)}` }, characters.slice(start, end).join(""), label ? make("small", {}, label) : null));
    at = end;
  }
  box.append(characters.slice(at).join(""));
  return box;
}

function transcript(event, brief) {
  const url = urlOf(event.input);
  const player = url && !brief ? make("audio", { src: url, controls: true, "aria-label": event.input }) : null;
  const seek = (start) => {
    if (!player) return;
    player.currentTime = start;
    player.play().catch(() => {}); // a browser may ask for a click of its own
  };
  const parts = brief ? [] : event.segments.map((part) => make("li", {}, make("button", { type: "button", onclick: () => seek(part.start), title: `Play from ${clock(part.start)}` },
    make("time", {}, clock(part.start)), make("span", {}, part.text, ...part.flags.map((flag) => make("span", { class: "warn" }, ` (${FLAGS[flag] ?? flag})`))))));
  return [player, make("p", { class: "words" }, event.text), ...(parts.length ? [make("ol", { class: "segments", "aria-label": "Parts, with their times" }, ...parts)] : []), ...(brief ? [] : [copied(event.text)])].filter(Boolean);
}

/** What makes the answer doubtful, and what it took. */
function notes({ truncated, flags, tokens, generated, seconds }) {
  const doubts = [truncated ? "the input was too long: only its beginning was read" : "", ...flags.map((flag) => FLAGS[flag] ?? flag.replaceAll("_", " "))].filter(Boolean);
  const costs = [tokens ? `${tokens.toLocaleString()} tokens read` : "", generated ? `${generated.toLocaleString()} written` : "", seconds ? `${seconds >= 1 ? seconds.toFixed(1) : seconds.toPrecision(2)} s` : ""].filter(Boolean).join(", ");
  return make("p", { class: "notes" }, ...doubts.map((words) => make("span", { class: "warn" }, words)), costs ? make("span", {}, costs) : null);
}
