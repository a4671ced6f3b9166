// Two answers side by side, drawn from what the server holds and written as their events come. Who wrote them it does not know.
import { make } from "./api.js";
import { icon } from "./icons.js";
import { stream } from "./markdown.js";
import { piece, thinking, toolCard } from "./message.js";

const PAINT_MS = 40; // at most 25 updates per second
const STATES = { failed: "failed", stopped: "stopped", interrupted: "interrupted", running: "answering" };
const BROKEN = { failed: "This answer failed.", stopped: "This answer was stopped.", interrupted: "The program ended before this answer did.", cut: "This answer was cut off at its limit of tokens." };
const written = (args) => (typeof args === "string" ? args : JSON.stringify(args, null, 1));

/** One answer: an article that is drawn whole, or piece by piece. `retry` gives it again. */
class Answer {
  constructor(number, retry) {
    this.retry = retry;
    this.title = make("h2", {}, `Answer ${number}`);
    this.state = make("span", { class: "state" });
    this.body = make("div", { class: "body" });
    this.after = make("div", { class: "after" });
    this.element = make("article", { class: "side assistant", "data-side": "ab"[number - 1], "aria-label": `Answer ${number}` }, make("header", {}, this.title, this.state), this.body, this.after);
    this.begin();
  }

  /** Nothing is there yet. */
  begin() {
    clearTimeout(this.painting);
    Object.assign(this, { text: "", prefix: "", reasoning: "", words: null, thought: null, painting: 0 });
    this.body.replaceChildren();
    this.after.replaceChildren();
    this.element.setAttribute("aria-busy", "true");
    this.state.textContent = "";
  }

  /** As the server has it; `last`: it can be given again. */
  draw(answer, last) {
    this.begin();
    if (!answer || answer.state === "running") return;
    this.body.replaceChildren(...answer.parts.map((part) => piece({ role: "assistant" }, part)));
    this.end(answer.state, answer.cut, answer.error, last);
  }

  end(state, cut, error, last) {
    this.element.removeAttribute("aria-busy");
    this.state.textContent = STATES[state] ?? "";
    this.state.className = state === "failed" ? "state bad" : "state";
    const why = BROKEN[state] ?? (cut ? BROKEN.cut : this.body.textContent.trim() || this.body.querySelector("img, audio") ? "" : "This answer is empty.");
    if (!why) return;
    const lines = [make("p", { class: state === "failed" ? "error" : "notice" }, icon("warning"), make("span", {}, `${why} ${error || (last ? "A vote on it would not count." : "")}`))];
    if (last && this.retry) lines.push(make("div", { class: "row" }, make("button", { type: "button", onclick: this.retry }, icon("again"), "Retry")));
    this.after.replaceChildren(...lines);
  }

  hear(event) {
    HEARD[event.type]?.(this, event);
  }

  paint() {
    this.painting ||= setTimeout(() => this.put(), PAINT_MS);
  }

  put() {
    clearTimeout(this.painting);
    this.painting = 0;
    this.after.replaceChildren();
    if (this.reasoning) {
      this.thought ??= this.body.appendChild(thinking());
      this.thought.querySelector("pre").textContent = this.reasoning;
    }
    if (this.text || this.prefix) {
      this.words ??= stream(this.body.appendChild(make("div", { class: "text" })));
      this.words.update(this.prefix + this.text);
    }
  }

  /** What comes next is a new piece. */
  fresh() {
    if (this.painting) this.put();
    Object.assign(this, { text: "", prefix: "", reasoning: "", words: null, thought: null });
  }
}

const HEARD = {
  call_started(answer, { prefix }) {
    answer.fresh();
    answer.prefix = prefix ?? "";
  },
  text_delta(answer, { text }) {
    answer.text += text;
    answer.paint();
  },
  reasoning_delta(answer, { text }) {
    answer.reasoning += text;
    answer.paint();
  },
  tool_call_ready(answer, { tool_call, name, args }) {
    answer.fresh();
    answer.body.append(toolCard({ id: tool_call, name, arguments: written(args), state: "called" }));
  },
  tool_finished(answer, { tool_call, name, outcome, text, files }) {
    const card = answer.body.querySelector(`[data-call="${CSS.escape(tool_call)}"]`);
    const made = (files ?? []).filter((file) => file.kept).map((file) => ({ name: file.name, type: file.media_type, url: `/api/blobs/${file.kept}` }));
    const done = toolCard({ id: tool_call, name, arguments: card?.querySelector("pre.arguments")?.textContent ?? "", result: text, state: outcome, files: made });
    if (card) card.replaceWith(done);
    else answer.body.append(done);
  },
  run_finished(answer, { state }) {
    answer.fresh();
    answer.element.removeAttribute("aria-busy");
    answer.state.textContent = STATES[state] ?? "";
  },
};

/** A pair of answers in one row. */
export function pair(retry) {
  const sides = { a: new Answer(1, retry && (() => retry("a"))), b: new Answer(2, retry && (() => retry("b"))) };
  return { ...sides, element: make("div", { class: "sides" }, sides.a.element, sides.b.element) };
}

export const CHOICES = [["a", "1", "Answer 1 is better"], ["b", "2", "Answer 2 is better"], ["tie", "t", "Tie"], ["both_bad", "b", "Both are bad"]];

/** The buttons of a vote; `vote(winner)`. */
export const voteButtons = (vote) => CHOICES.map(([winner, key, label]) =>
  make("button", { type: "button", "data-winner": winner, "aria-keyshortcuts": key, onclick: () => vote(winner) }, make("kbd", { "aria-hidden": "true" }, key), label));

/** The winner that a key stands for; undefined for other keys, and where somebody types. */
export function keyed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName)) return undefined;
  return CHOICES.find(([, key]) => key === event.key.toLowerCase())?.[0];
}
