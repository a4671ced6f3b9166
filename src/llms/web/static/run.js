// The run that is being answered: its events as they come, painted a few times a second.
import { call, make } from "./api.js";
import { acts, bottom, log, reload } from "./log.js";
import { stream } from "./markdown.js";
import { approvalCard, article, toolCard } from "./message.js";
import { meter } from "./meter.js";
import { $, guarded, say, state, warn } from "./session.js";
import { listing } from "./sidebar.js";

const PAINT_MS = 40; // the renderer is throttled to 25 updates per second
const written = (args) => (typeof args === "string" ? args : JSON.stringify(args, null, 1));

export function attach(run, after) {
  state.source?.close();
  state.live = { run, seq: after, element: null, text: "", reasoning: "", dirty: false };
  busy(true);
  state.source = new EventSource(`/api/runs/${run}/events?after=${after}`);
  state.source.onmessage = (message) => {
    state.live.seq = Number(message.lastEventId);
    heard(JSON.parse(message.data));
  };
  state.source.onerror = () => say("the connection broke off; trying again"); // EventSource comes back with Last-Event-ID
}

function busy(on) {
  log.setAttribute("aria-busy", String(on));
  $("stop").classList.toggle("hidden", !on);
  $("send").disabled = on;
  say(on ? "answering" : "");
}

/** The article that is being written: the server's, once it is known, else one of our own. */
function writing(id) {
  if (id) state.live.element = document.getElementById(`n-${id}`) ?? state.live.element;
  if (!state.live.element) {
    const node = { id: id ?? "new", role: "assistant", author: state.settings.model, parts: [], siblings: [], state: "streaming" };
    state.live.element = article(node, acts);
    log.append(state.live.element);
  }
  if (id) {
    state.live.element.id = `n-${id}`;
    state.live.element.dataset.node = id;
  }
  state.live.element.setAttribute("aria-busy", "true");
  return state.live.element;
}

/** What each event does to the page. The braces name the fields that are read: a test holds them against the server's. */
const HEARD = {
  run_started() {},
  call_started() {},
  text_delta({ node, text }) {
    state.live.text += text;
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
  tool_started() {},
  tool_progress() {},
  tool_finished({ tool_call, name, outcome, text, files }) {
    const card = log.querySelector(`[data-call="${CSS.escape(tool_call)}"]`);
    const done = toolCard({ id: tool_call, name, arguments: card?.querySelector("pre")?.textContent ?? "", result: text, state: outcome, files: kept(files) });
    if (card) card.replaceWith(done);
    else writing().querySelector(".body").append(done);
    bottom();
  },
  usage() {},
  notice({ text }) {
    log.append(make("div", { class: "notice" }, text));
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
function paint() {
  if (painting) return;
  painting = setTimeout(() => {
    painting = 0;
    if (!state.live) return;
    const body = writing(state.live.node).querySelector(".body");
    if (state.live.reasoning) {
      state.live.thought ??= body.appendChild(make("details", { class: "reasoning" }, make("summary", {}, "Thinking"), make("pre")));
      state.live.thought.querySelector("pre").textContent = state.live.reasoning;
    }
    if (state.live.text) {
      state.live.words ??= stream(body.appendChild(make("div")));
      state.live.words.update(state.live.text);
    }
    bottom();
  }, PAINT_MS);
}

/** What comes next is a new piece of the answer. */
function fresh() {
  if (painting) {
    clearTimeout(painting);
    painting = 0;
    const body = writing(state.live.node).querySelector(".body");
    if (state.live.text) (state.live.words ??= stream(body.appendChild(make("div")))).update(state.live.text);
  }
  Object.assign(state.live, { text: "", reasoning: "", words: undefined, thought: undefined });
}

const finish = guarded(async (end, text) => {
  state.source?.close();
  state.source = null;
  clearTimeout(painting);
  painting = 0;
  state.live = null;
  busy(false);
  log.querySelectorAll("[aria-busy=true]").forEach((element) => element.removeAttribute("aria-busy"));
  document.getElementById("n-new")?.remove();
  await reload();
  say(end === "finished" ? "answered" : text || end);
  if (end === "failed") warn(text || "the answer failed");
  meter();
  listing();
});

export const stop = guarded(async () => {
  if (!state.live) return;
  const seen = log.querySelector("article:last-of-type .body")?.textContent.length ?? 0;
  say("stopping");
  await call(`/api/runs/${state.live.run}/stop`, { seen: state.live.text.length || seen, seq: state.live.seq });
});

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
  warn(`the model asks to run ${asked.name}`);
  card.querySelector("button.primary").focus();
}
