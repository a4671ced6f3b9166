// The chat page: the log, the composer, the run that is being answered. The server holds the truth; this shows it.
import { call, make, upload } from "./api.js";
import { approvalCard, article, fill, toolCard } from "./message.js";
import { show } from "./markdown.js";
import { openDialog, openMore, openSaw, openTools } from "./dialogs.js";
import { record } from "./microphone.js";

const $ = (id) => document.getElementById(id);
const state = JSON.parse($("state").textContent); // id, run, path, tools, budget
const log = $("log");
const PAINT_MS = 40; // the renderer is throttled to 25 updates per second
let source = null; // the events of the run that is being answered
let live = null; // what of it has been shown: {run, seq, node, text, reasoning}
let files = []; // what will be sent along
let editing = null; // the node whose new version the box holds

const say = (text) => ($("status").textContent = text);
const warn = (text) => ($("alert").textContent = text);

function fail(error) {
  warn(error.message);
  log.append(make("div", { class: "notice bad" }, error.message));
  bottom(true);
}

const guarded = (act) => (...given) => Promise.resolve(act(...given)).catch(fail);

/* ---- the log ---- */
let following = true;
log.addEventListener("scroll", () => (following = log.scrollHeight - log.scrollTop - log.clientHeight < 60));
const bottom = (always = false) => (following || always) && (log.scrollTop = log.scrollHeight);

function draw(path) {
  state.path = path;
  const known = new Map([...log.querySelectorAll("article")].map((element) => [element.dataset.node, element]));
  const wanted = path.map((node) => {
    const element = known.get(node.id);
    const print = JSON.stringify(node);
    if (element && element.dataset.print === print) return element;
    if (element) fill(element, node, acts);
    const fresh = element ?? article(node, acts);
    fresh.dataset.print = print;
    return fresh;
  });
  if (wanted.some((element, place) => log.children[place] !== element) || log.children.length !== wanted.length) log.replaceChildren(...wanted);
  bottom();
}

async function reload() {
  if (!state.id) return;
  const found = await call(`/api/conversations/${state.id}`);
  state.run = found.run;
  $("title").textContent = found.title;
  document.title = `${found.title} · llms`;
  $("cost").textContent = found.spent;
  draw(found.path);
  return found;
}

async function listing() {
  const query = $("search").value.trim();
  const found = await call(query ? `/api/search?q=${encodeURIComponent(query)}` : "/api/conversations");
  $("conversations").replaceChildren(
    ...found.map((one) => {
      const link = make("a", { href: `/c/${one.id}${one.node ? `?node=${one.node}` : ""}`, title: one.title });
      if (one.id === state.id) link.setAttribute("aria-current", "page");
      link.append(one.title);
      if (one.snippet) link.append(make("br"), make("span", { class: "soft result" }, ...marked(one.snippet)));
      return make("li", {}, link);
    }),
  );
  if (query && !found.length) $("conversations").append(make("li", { class: "soft" }, "nothing found"));
}

function marked(snippet) {
  return snippet.split(/\u0002(.*?)\u0003/).map((piece, place) => (place % 2 ? make("mark", {}, piece) : piece));
}

const written = (args) => (typeof args === "string" ? args : JSON.stringify(args, null, 1));

/* ---- sending and the run ---- */
async function ensure() {
  if (state.id) return;
  const made = await call("/api/conversations", { model: $("model").value, policy: $("policy").value });
  state.id = made.id;
  history.replaceState(null, "", `/c/${made.id}`);
}

const send = guarded(async () => {
  const text = $("text").value;
  if (!text.trim() && !files.length) return;
  if (source) return warn("an answer is still being written; stop it first");
  await ensure();
  const body = { text, model: $("model").value, policy: $("policy").value, tools: state.tools, attachments: files.map((f) => f.id) };
  if (editing) body.edit = editing.id;
  const begun = await call(`/api/conversations/${state.id}/send`, body);
  $("text").value = "";
  files = [];
  editing = null;
  drawFiles();
  meter();
  await reload();
  following = true;
  bottom(true);
  attach(begun.run, 0);
  $("text").focus();
  listing();
});

function attach(run, after) {
  source?.close();
  live = { run, seq: after, element: null, text: "", reasoning: "", dirty: false };
  busy(true);
  source = new EventSource(`/api/runs/${run}/events?after=${after}`);
  source.onmessage = (message) => {
    live.seq = Number(message.lastEventId);
    heard(JSON.parse(message.data));
  };
  source.onerror = () => say("the connection broke off; trying again"); // EventSource comes back with Last-Event-ID
}

function busy(on) {
  log.setAttribute("aria-busy", String(on));
  $("stop").classList.toggle("hidden", !on);
  $("send").disabled = on;
  say(on ? "answering" : "");
}

/** The article that is being written: the server's, once it is known, else one of our own. */
function writing(id) {
  if (id) live.element = document.getElementById(`n-${id}`) ?? live.element;
  if (!live.element) {
    const node = { id: id ?? "new", role: "assistant", author: $("model").value, parts: [], siblings: [], state: "streaming" };
    live.element = article(node, acts);
    log.append(live.element);
  }
  if (id) {
    live.element.id = `n-${id}`;
    live.element.dataset.node = id;
  }
  live.element.setAttribute("aria-busy", "true");
  return live.element;
}

/** What each event does to the page. The braces name the fields that are read: a test holds them against the server's. */
const HEARD = {
  run_started() {},
  call_started() {},
  text_delta({ node, text }) {
    live.text += text;
    live.node = node;
    paint();
  },
  reasoning_delta({ node, text }) {
    live.reasoning += text;
    live.node = node;
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
  tool_finished({ tool_call, name, outcome, text }) {
    const card = log.querySelector(`[data-call="${CSS.escape(tool_call)}"]`);
    const done = toolCard({ id: tool_call, name, arguments: card?.querySelector("pre")?.textContent ?? "", result: text, state: outcome });
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
const heard = (event) => HEARD[event.type](event);

let painting = 0;
function paint() {
  if (painting) return;
  painting = setTimeout(() => {
    painting = 0;
    if (!live) return;
    const body = writing(live.node).querySelector(".body");
    if (live.reasoning) {
      live.thought ??= body.appendChild(make("details", { class: "reasoning" }, make("summary", {}, "Thinking"), make("pre")));
      live.thought.querySelector("pre").textContent = live.reasoning;
    }
    if (live.text) {
      live.words ??= body.appendChild(make("div"));
      show(live.words, live.text);
    }
    bottom();
  }, PAINT_MS);
}

/** What comes next is a new piece of the answer. */
function fresh() {
  if (painting) {
    clearTimeout(painting);
    painting = 0;
    const body = writing(live.node).querySelector(".body");
    if (live.text) show((live.words ??= body.appendChild(make("div"))), live.text);
  }
  Object.assign(live, { text: "", reasoning: "", words: undefined, thought: undefined });
}

const finish = guarded(async (end, text) => {
  source?.close();
  source = null;
  clearTimeout(painting);
  painting = 0;
  live = null;
  busy(false);
  log.querySelectorAll("[aria-busy=true]").forEach((element) => element.removeAttribute("aria-busy"));
  document.getElementById("n-new")?.remove();
  await reload();
  say(end === "finished" ? "answered" : text || end);
  if (end === "failed") warn(text || "the answer failed");
  meter();
  listing();
});

const stop = guarded(async () => {
  if (!live) return;
  const seen = log.querySelector("article:last-of-type .body")?.textContent.length ?? 0;
  say("stopping");
  await call(`/api/runs/${live.run}/stop`, { seen: live.text.length || seen, seq: live.seq });
});

function ask(run, seq, asked) {
  if (document.querySelector(`[data-approval="${CSS.escape(asked.id)}"]`)) return;
  const card = approvalCard(asked, guarded(async (approved, edited, scope) => {
    await call(`/api/runs/${run}/approve`, { id: asked.id, approved, arguments: edited, scope });
    card.remove();
    if (live?.run !== run || !source) attach(run, live?.seq ?? seq);
    $("text").focus();
  }));
  log.append(card);
  bottom(true);
  warn(`the model asks to run ${asked.name}`);
  card.querySelector("button.primary").focus();
}

/* ---- what can be done with a message ---- */
const begin = async (path, body) => {
  if (source) throw new Error("an answer is still being written; stop it first");
  const begun = await call(path, body);
  await reload();
  if (begun.run) attach(begun.run, 0);
};
const acts = {
  copy: guarded(async (node) => {
    await navigator.clipboard.writeText(node.parts.filter((part) => part.type === "text").map((part) => part.text).join("\n\n"));
    say("copied");
  }),
  edit: (node) => {
    editing = node;
    $("text").value = node.parts.filter((part) => part.type === "text").map((part) => part.text).join("\n\n");
    $("text").focus();
    say(node.role === "user" ? "editing: sending makes a new branch" : "editing the answer: sending keeps both versions");
    meter();
  },
  again: guarded((node) => begin(`/api/conversations/${state.id}/again`, { node: node.id, model: $("model").value, tools: state.tools })),
  more: guarded((node) => begin(`/api/conversations/${state.id}/continue`, { node: node.id })),
  turn: guarded(async (id) => {
    if (!id) return;
    await call(`/api/conversations/${state.id}/switch`, { node: id });
    await reload();
    document.getElementById(`n-${id}`)?.querySelector("button")?.focus();
  }),
  fork: guarded(async (node) => {
    const made = await call(`/api/conversations/${state.id}/fork`, { node: node.id });
    location.href = `/c/${made.id}`;
  }),
  saw: guarded((node) => openSaw(state.id, node.id)),
};

/* ---- the composer ---- */
let counting = 0;
let counter = null;
function meter() {
  clearTimeout(counting);
  counting = setTimeout(async () => {
    counter?.abort();
    counter = new AbortController();
    const here = counter;
    const text = $("text").value;
    try {
      const response = await fetch("/api/count", {
        method: "POST", signal: here.signal, headers: { "content-type": "application/json" },
        body: JSON.stringify({ id: state.id, text, model: $("model").value, policy: $("policy").value, tools: state.tools, attachments: files.map((f) => f.id) }),
      });
      const found = await response.json();
      if (here !== counter) return;
      if (!response.ok) return void ($("meter").textContent = found.error ?? "");
      const share = Math.min(1, found.tokens / Math.max(1, found.budget));
      const gauge = make("span", { class: `gauge${found.tokens > found.budget ? " full" : ""}`, "aria-hidden": "true" }, make("span"));
      gauge.firstChild.style.width = `${100 * share}%`;
      $("meter").replaceChildren(gauge, ` ${found.tokens.toLocaleString()} / ${found.budget.toLocaleString()} tokens (${found.grade})${found.price ? `, ${found.price}` : ""}${found.drops ? `. Sending would leave out ${found.drops}` : ""}`);
    } catch (error) {
      if (error.name !== "AbortError") $("meter").textContent = "";
    }
  }, 250);
}

const take = guarded(async (list) => {
  for (const file of list) {
    say(`attaching ${file.name}`);
    files.push(await upload(file));
  }
  drawFiles();
  meter();
  say("");
});

function drawFiles() {
  $("attached").replaceChildren(
    ...files.map((file, place) =>
      make("figure", {},
        file.type.startsWith("image/") ? make("img", { src: file.url, alt: file.name }) : null,
        make("figcaption", {}, `${file.name} `, make("button", { type: "button", class: "quiet", "aria-label": `Remove ${file.name}`, onclick: () => { files.splice(place, 1); drawFiles(); meter(); $("text").focus(); } }, "×")))),
  );
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
$("text").addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); send(); }
  if (event.key === "ArrowUp" && !$("text").value) {
    const last = state.path.filter((node) => node.role === "user").at(-1);
    if (last) { event.preventDefault(); acts.edit(last); }
  }
});
$("text").addEventListener("input", meter);
for (const id of ["model", "policy"]) $(id).addEventListener("change", meter);
$("stop").addEventListener("click", stop);
$("attach").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => { take([...$("file").files]); $("file").value = ""; });
$("text").addEventListener("paste", (event) => { const list = [...event.clipboardData.files]; if (list.length) { event.preventDefault(); take(list); } });
const composer = $("composer");
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    composer.classList.toggle("dropping", name === "dragover");
    if (name === "drop") take([...event.dataTransfer.files]);
  });
}
$("record").addEventListener("click", guarded(() => record($("record"), async (file) => {
  const heardWords = await upload(file).then((made) => call("/api/transcribe", { attachment: made.id, model: $("model").value }));
  $("text").value = `${$("text").value}${$("text").value ? " " : ""}${heardWords.text}`;
  meter();
  $("text").focus();
})));
$("new").addEventListener("click", () => (location.href = "/"));
$("search").addEventListener("input", (() => { let wait = 0; return () => { clearTimeout(wait); wait = setTimeout(guarded(listing), 150); }; })());
$("side-toggle").addEventListener("click", () => {
  const open = $("side").classList.toggle("open");
  $("side-toggle").setAttribute("aria-expanded", String(open));
  if (open) $("search").focus();
});
$("tools-open").addEventListener("click", guarded(() => openTools(state, meter)));
$("more-open").addEventListener("click", guarded(() => openMore(state, reload)));

const KEYS = [["Enter", "send"], ["Shift+Enter", "new line"], ["Escape", "stop the answer"], ["↑ in an empty box", "edit the last message"],
  ["Ctrl+K", "search"], ["Ctrl+Shift+O", "new chat"], ["Alt+← Alt+→", "previous or next version"], ["?", "this list"]];
document.addEventListener("keydown", (event) => {
  if (event.isComposing || document.querySelector("dialog[open]")) return;
  const typing = ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Escape") {
    if ($("side").classList.contains("open")) $("side-toggle").click();
    else if (live) stop();
    else if (editing) { editing = null; $("text").value = ""; say("not editing any more"); }
  } else if (command && event.key.toLowerCase() === "k") { event.preventDefault(); $("side").classList.add("open"); $("search").focus(); }
  else if (command && event.shiftKey && event.key.toLowerCase() === "o") { event.preventDefault(); location.href = "/"; }
  else if (event.altKey && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
    const node = state.path.filter((one) => one.siblings.length > 1).at(-1);
    if (node) { event.preventDefault(); acts.turn(node.siblings[node.siblings.indexOf(node.id) + (event.key === "ArrowLeft" ? -1 : 1)]); }
  } else if (event.key === "?" && !typing) {
    openDialog("Keys", make("table", {}, make("tbody", {}, ...KEYS.map(([key, what]) => make("tr", {}, make("td", {}, make("kbd", {}, key)), make("td", {}, what))))));
  }
});

draw(state.path);
meter();
if (state.run) attach(state.run, 0); // reattach to an answer that is being written
const wanted = new URLSearchParams(location.search).get("node");
if (wanted) document.getElementById(`n-${wanted}`)?.scrollIntoView();
else bottom(true);
if (matchMedia("(min-width: 761px)").matches) $("text").focus();
