// The run that is being answered: its events as they come, painted a few times a second.
import { call, make } from "./api.js";
import { acts, bottom, log, reload } from "./log.js";
import { stream } from "./markdown.js";
import { approvalCard, article, notice, thinking, toolCard } from "./message.js";
import { meter } from "./meter.js";
import { $, alarm, clearToasts, guarded, say, state, toast } from "./session.js";
import { short } from "./settings.js";
import { listing } from "./sidebar.js";

const PAINT_MS = 40; // the renderer is throttled to 25 updates per second, and to a third of the time where they are dear
const written = (args) => (typeof args === "string" ? args : JSON.stringify(args, null, 1));

export function attach(run, after) {
  state.source?.close();
  // `written`: messages whose article holds nothing but what this reader has heard; `seen` characters came in all
  state.live = { run, seq: after, element: null, text: "", prefix: "", reasoning: "", seen: 0, written: new Set(after ? state.path.map((node) => node.id) : []) };
  busy(true);
  state.source = new EventSource(`/api/runs/${run}/events?after=${after}`);
  state.source.onmessage = (message) => {
    state.live.seq = Number(message.lastEventId);
    heard(JSON.parse(message.data));
  };
  state.source.onopen = () => log.querySelector(".progress")?.remove();
  state.source.onerror = () => state.live && progress("the connection to llms broke off; trying again"); // EventSource comes back with Last-Event-ID
}

function busy(on) {
  if (on) clearToasts("answer");
  log.setAttribute("aria-busy", String(on));
  const place = document.activeElement;
  $("stop").classList.toggle("hidden", !on);
  $("send").classList.toggle("hidden", on);
  $("send").disabled = on;
  if (place === $("stop") || place === $("send")) (on ? $("stop") : $("send")).focus();
  say(on ? "answering" : "");
}

/** The article that is being written: the server's, once it is known, else one of our own. */
function writing(id) {
  const live = state.live;
  if (id) live.element = document.getElementById(`n-${id}`) ?? live.element;
  if (!live.element) {
    const author = state.settings.model;
    live.element = article({ id: id ?? "new", role: "assistant", author, name: short(author), parts: [], siblings: [], notices: [], state: "streaming" }, acts);
    log.append(live.element);
  }
  if (id) {
    live.element.id = `n-${id}`;
    live.element.dataset.node = id;
    if (!live.written.has(id)) live.element.querySelectorAll(".body, .after").forEach((part) => part.replaceChildren()); // what the server had of it comes again
    live.written.add(id);
  }
  delete live.element.dataset.print; // it is no longer as it was drawn: at the end it is drawn anew
  if (live.element.getAttribute("aria-busy") !== "true") {
    log.querySelectorAll("article[aria-busy]").forEach((element) => element.removeAttribute("aria-busy"));
    live.element.setAttribute("aria-busy", "true");
  }
  return live.element;
}

/** One line about what goes on just now; the next one takes its place. */
function progress(text, done, total, node) {
  const place = writing(node).querySelector(".after");
  place.querySelector(".progress")?.remove();
  if (text) place.append(make("div", { class: "progress" }, total ? make("progress", { max: total, value: done, "aria-label": text }) : null, make("span", {}, text)));
}

/** What each event does to the page. The braces name the fields that are read: a test holds them against the server's. */
const HEARD = {
  run_started() {},
  call_started({ node, prefix }) {
    fresh();
    if (state.live.element?.dataset.node !== "new") state.live.element = null;
    writing(node);
    state.live.prefix = prefix ?? "";
  },
  text_delta({ node, text }) {
    state.live.text += text;
    state.live.seen += [...text].length; // characters as the server counts them
    state.live.node = node;
    paint();
  },
  reasoning_delta({ node, text }) {
    state.live.reasoning += text;
    state.live.node = node;
    paint();
  },
  tool_call_started() {},
  tool_args_delta() {},
  tool_call_ready({ node, tool_call, name, args }) {
    fresh();
    writing(node).querySelector(".body").append(toolCard({ id: tool_call, name, arguments: written(args), state: "called" }));
    say(`tool ${name}`);
    bottom();
  },
  approval_needed({ run, seq, tool_call, name, args, tool_kind, sources }) {
    ask(run, seq, { id: tool_call, name, arguments: written(args), kind: tool_kind, sources });
  },
  tool_started({ tool_call }) {
    decided(tool_call);
  },
  tool_progress() {},
  tool_finished({ tool_call, name, outcome, text, files }) {
    decided(tool_call);
    const card = log.querySelector(`[data-call="${CSS.escape(tool_call)}"]`);
    const done = toolCard({ id: tool_call, name, arguments: card?.querySelector("pre.arguments")?.textContent ?? "", result: text, state: outcome, files: kept(files) });
    done.querySelector("details").open = card?.querySelector("details").open ?? false;
    if (card) {
      delete card.closest("article")?.dataset.print;
      card.replaceWith(done);
    }
    else writing().querySelector(".body").append(done);
    bottom();
  },
  usage() {},
  notice({ code, text, more, node, lasts }) {
    if (lasts) writing(node).querySelector(".after").append(notice(code, text));
    else progress(text, more.done, more.total, node);
    say(text);
    bottom();
  },
  node_committed() {
    fresh();
  },
  run_finished({ state: end, text }) {
    finish(end, text);
  },
};
/** Files of a result that can be shown; events of before hold none. */
const kept = (files) => (files ?? []).filter((file) => file.kept).map((file) => ({ name: file.name, type: file.media_type, url: `/api/blobs/${file.kept}` }));
const heard = (event) => HEARD[event.type](event);

let painting = 0;
let pause = PAINT_MS;
function paint() {
  if (painting) return;
  painting = setTimeout(() => {
    painting = 0;
    if (!state.live) return;
    const begun = performance.now();
    put();
    bottom();
    pause = Math.max(PAINT_MS, 2 * (performance.now() - begun));
  }, pause);
}

function put() {
  const live = state.live;
  const body = writing(live.node).querySelector(".body");
  progress("", 0, 0, live.node);
  if (live.reasoning) {
    live.thought ??= body.appendChild(thinking());
    live.thought.querySelector("pre").textContent = live.reasoning;
  }
  if (live.text || live.prefix) {
    live.words ??= stream(body.appendChild(make("div", { class: "text" })));
    live.words.update(live.prefix + live.text);
  }
}

/** What comes next is a new piece of the answer. */
function fresh() {
  if (painting) {
    clearTimeout(painting);
    painting = 0;
    put();
  }
  Object.assign(state.live, { text: "", prefix: "", reasoning: "", words: undefined, thought: undefined });
}

const finish = guarded(async (end, text) => {
  state.source?.close();
  state.source = null;
  clearTimeout(painting);
  painting = 0;
  state.live = null;
  document.getElementById("n-new")?.remove();
  log.querySelectorAll("article[aria-busy]").forEach((element) => element.removeAttribute("aria-busy"));
  try {
    await reload();
  } finally {
    busy(false); // the log is read out from here on: the whole answer, once
  }
  if (end === "failed") {
    const node = state.path.at(-1);
    toast(text || "the answer failed", { kind: "error", topic: "answer", action: node?.role === "assistant" ? { label: "Retry", act: () => acts.again(node) } : null });
  } else say(end === "finished" ? "answered" : text || end);
  meter();
  listing();
});

export const stop = guarded(async () => {
  if (!state.live) return;
  say("stopping");
  await call(`/api/runs/${state.live.run}/stop`, { seen: state.live.seen, seq: state.live.seq });
});

/** Nobody is asked about a call any more. */
function decided(tool_call) {
  log.querySelector(`[data-approval="${CSS.escape(tool_call)}"]`)?.remove();
}

function ask(run, seq, asked) {
  if (document.querySelector(`[data-approval="${CSS.escape(asked.id)}"]`)) return;
  const card = approvalCard(asked, guarded(async (approved, edited, scope) => {
    await call(`/api/runs/${run}/approve`, { id: asked.id, approved, arguments: edited, scope });
    card.remove();
    if (state.live?.run !== run || !state.source) attach(run, state.live?.seq ?? seq);
    $("text").focus();
  }));
  log.append(card);
  bottom(true);
  alarm(`the model asks to run ${asked.name}`);
  card.querySelector("button.primary").focus();
}
