// The page of a blind battle: a question, two answers at once, the vote, and only then the names.
import { call, make } from "./api.js";
import { any, asked, clear, reading, restore, take } from "./attachments.js";
import { choose, ticked, tools } from "./contenders.js";
import { openDialog } from "./dialogs.js";
import { keyed, pair, voteButtons } from "./duel.js";
import { icon } from "./icons.js";
import { $, guarded, say, state, warn } from "./session.js";

state.id = "arena"; // whose files the box holds
const KEYS = [["1", "answer 1 is better"], ["2", "answer 2 is better"], ["t", "tie"], ["b", "both are bad"], ["s", "skip this battle"], ["/", "ask both something more"],
  ["Enter", "send; after the vote the next battle"], ["Shift+Enter", "new line"], ["Escape", "stop both answers; leave the box"], ["u", "take the vote back"], ["?", "this list"]];
let battle = state.battle; // as the server has it: {id, running, turns, vote}; null before it begins
let source = null;
let busy = false; // a request is on its way

const voting = () => battle && !battle.vote && !battle.running && !source;

function use(answer) {
  battle = answer;
  history.replaceState(null, "", `/arena/battles/${battle.id}`);
  draw();
}

/** `act`, unless something else is on its way already. */
const once = (act) => guarded(async (...given) => {
  if (busy) return;
  busy = true;
  try {
    await act(...given);
  } finally {
    busy = false;
  }
});

// drawing

function draw() {
  $("welcome").classList.toggle("hidden", Boolean(battle));
  $("log").replaceChildren(...(battle?.turns ?? []).map(turn));
  $("result").replaceChildren(...(battle?.vote ? [result()] : []));
  if (battle?.running) listen();
  else settle();
}

function turn(one, number) {
  const last = number === battle.turns.length - 1;
  const answers = pair(last && !battle.vote ? retry : null);
  answers.a.draw(one.a, last && !battle.vote);
  answers.b.draw(one.b, last && !battle.vote);
  if (last) battle.last = answers;
  if (battle.vote) reveal(answers);
  return make("section", { class: "turn", "aria-label": `Question ${number + 1}` },
    make("div", { class: "asked" }, ...one.files.map(file), one.text ? make("div", { dir: "auto" }, one.text) : null), answers.element);
}

function file(one) {
  if (one.type === "image") return make("div", {}, make("img", { src: one.url, alt: one.name || "picture" }));
  if (one.type === "audio") return make("div", {}, make("audio", { controls: true, src: one.url, "aria-label": one.name || "audio" }));
  return make("div", { class: "meta" }, icon("file"), ` ${one.name}${one.size ? ` · ${one.size}` : ""}`);
}

function reveal(answers) {
  for (const side of ["a", "b"]) {
    answers[side].element.querySelector("header").append(make("span", { class: "model" }, battle.vote[side].name));
    answers[side].element.classList.toggle("chosen", battle.vote.winner === side);
  }
}

/** Nobody is answering: the vote and the box are open, or the result stands there. */
function settle() {
  const open = battle && !battle.vote;
  $("vote").classList.toggle("hidden", !open);
  if (open) {
    $("vote").replaceChildren(...voteButtons(vote), make("button", { type: "button", class: "quiet skip-battle", onclick: () => skip() }, "Skip"));
    for (const button of $("vote").querySelectorAll("[data-winner]")) button.disabled = !voting();
  }
  $("composer").classList.toggle("hidden", Boolean(battle?.vote));
  $("text").placeholder = battle ? "Ask both something more" : "A question for both";
  const writing = Boolean(source);
  $("stop").classList.toggle("hidden", !writing);
  $("send").classList.toggle("hidden", writing);
  $("send").disabled = !battle && ticked().length < 2;
  $("hint").textContent = writing ? "Both are answering" : battle ? "Vote, or go on asking" : "";
  $("log").setAttribute("aria-busy", String(writing));
}

function result() {
  const { winner, blind, problem, a, b } = battle.vote;
  const words = { a: `${a.name} won`, b: `${b.name} won`, tie: "A tie", both_bad: "Both were bad" }[winner];
  const counts = problem ? `This vote does not count: ${problem}.` : blind ? "" : "The names were known: this vote is marked as not blind.";
  const rated = { a: make("td"), b: make("td") };
  const row = (number, side, standing) => make("tr", {}, make("td", {}, `Answer ${number}`), make("td", { title: side.model }, side.name), standing, make("td", { class: "meta" }, side.spent));
  standings(rated);
  return make("section", { class: "result", "aria-label": "Result" },
    make("h2", {}, words), counts ? make("p", { class: "warn" }, counts) : null,
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Who answered" }, make("table", {}, make("tbody", {}, row(1, a, rated.a), row(2, b, rated.b)))),
    make("div", { class: "row" },
      make("button", { type: "button", class: "primary", id: "next", onclick: next }, "Next battle"),
      make("a", { class: "button", href: "/arena/ratings" }, "All ratings"),
      make("button", { type: "button", onclick: () => undo() }, icon("undo"), "Take the vote back")));
}

/** The ratings as they are now, and what this vote did to them. */
const standings = guarded(async (cells) => {
  for (const one of await call(`/api/arena/battles/${battle.id}/standings`)) {
    const votes = `${one.votes} ${one.votes === 1 ? "vote" : "votes"}`;
    const change = one.rating !== null && one.before !== null ? Math.round(one.rating) - Math.round(one.before) : 0;
    const words = one.rating === null ? `not rated yet: ${votes}` : `${Math.round(one.rating)}${change ? ` (${change > 0 ? "+" : "−"}${Math.abs(change)})` : ""}${one.low === null ? "" : `, ${Math.round(one.low)} to ${Math.round(one.high)}`}, ${votes}`;
    cells[one.model === battle.vote?.a.model ? "a" : "b"].textContent = words;
  }
});

// answers as they come

function listen() {
  source?.close();
  const { a, b } = battle.last;
  for (const answer of [a, b]) answer.begin();
  source = new EventSource(`/api/arena/battles/${battle.id}/events`);
  const ended = new Set();
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    battle.last[event.side].hear(event);
    if (event.type === "run_finished") ended.add(event.side);
    if (ended.size === 2) finish();
  };
  settle();
}

const finish = guarded(async () => {
  source?.close();
  source = null;
  const typing = document.activeElement === $("text") && $("text").value;
  use(await call(`/api/arena/battles/${battle.id}`));
  if (!typing) $("vote").focus({ preventScroll: true });
  say("both answers are there: 1 or 2 for the better one, t for a tie, b for both bad");
});

// what a person does

const send = once(async () => {
  const text = $("text").value;
  if ((!text.trim() && !any()) || source) return;
  if (battle?.vote) return;
  if (reading()) return warn(`${reading().name} is still being read; send once it is`);
  if (!battle && ticked().length < 2) return warn("a battle needs two models: tick one more");
  $("send").disabled = true;
  $("hint").textContent = "Asking both";
  try {
    const question = { text, attachments: asked().attachments };
    const answer = battle ? await call(`/api/arena/battles/${battle.id}/say`, question) : await call("/api/arena/battles", { ...question, models: ticked(), tools: tools() });
    $("text").value = "";
    clear();
    use(answer);
    $("log").lastElementChild.scrollIntoView({ block: "start" });
    $("vote").focus({ preventScroll: true }); // so that the keys of the vote are no text
  } finally {
    settle();
  }
});

const vote = once(async (winner) => {
  if (!voting()) return;
  use(await call(`/api/arena/battles/${battle.id}/vote`, { winner }));
  $("next").focus();
  say($("result").querySelector("h2").textContent);
});

const undo = once(async () => {
  use(await call(`/api/arena/battles/${battle.id}/vote`, undefined, "DELETE"));
  $("vote").focus();
});

const retry = once(async (side) => use(await call(`/api/arena/battles/${battle.id}/retry`, { side })));

const stop = once(async () => {
  if (source) await call(`/api/arena/battles/${battle.id}/stop`, {});
});

const skip = once(async () => {
  source?.close();
  await call(`/api/arena/battles/${battle.id}`, undefined, "DELETE");
  next();
});

function next() {
  location.href = "/arena";
}

const openKeys = () => openDialog("Keys", make("table", {}, make("tbody", {}, ...KEYS.map(([key, does]) => make("tr", {}, make("th", { scope: "row" }, make("kbd", {}, key)), make("td", {}, does))))));

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  const typing = ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
  if (event.key === "Escape") {
    if (source) stop();
    else if (typing) (battle ? $("vote") : event.target).focus();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const winner = keyed(event);
  if (winner && voting()) vote(winner);
  else if (event.key === "u" && battle?.vote) undo();
  else if (event.key === "s" && battle && !battle.vote) skip();
  else if (event.key === "Enter" && battle?.vote && !event.target.closest("a, button, summary")) next();
  else if (event.key === "/" && !battle?.vote) {
    event.preventDefault();
    $("text").focus();
  } else if (event.key === "?") openKeys();
});
$("form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
$("text").addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229 || event.key !== "Enter" || event.shiftKey) return;
  event.preventDefault();
  send();
});
$("stop").addEventListener("click", () => stop());
$("keys").addEventListener("click", openKeys);
$("attach").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => { take([...$("file").files]); $("file").value = ""; });
$("text").addEventListener("paste", (event) => {
  if (!event.clipboardData.files.length) return;
  event.preventDefault();
  take([...event.clipboardData.files]);
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    $("composer").classList.toggle("dropping", name === "dragover");
    if (name === "drop") take([...event.dataTransfer.files]);
  });
}
draw();
guarded(async () => {
  await restore();
  if (!battle) await choose($("contenders"), settle);
})();
if (!battle && matchMedia("(min-width: 761px)").matches) $("text").focus();
