// One message of the log as an article: text, thinking, tool calls, attachments, what to know of it, what can be done with it.
import { make } from "./api.js";
import { openStored } from "./attachments.js";
import { icon, iconButton } from "./icons.js";
import { show } from "./markdown.js";
import { guarded } from "./session.js";

const STATES = { stopped: "stopped", failed: "failed", interrupted: "interrupted: the program ended", streaming: "answering" };
const INCOMPLETE = ["cut", "output_limit"]; // notices after which an answer can go on
const UNANSWERED = ["refused", "empty_answer"]; // notices after which one tries again

/** An article for `node`; `acts` are the functions that its buttons call. */
export function article(node, acts) {
  const element = make("article", { id: `n-${node.id}`, "data-node": node.id }, make("header"), make("div", { class: "body" }), make("div", { class: "after" }), make("div", { class: "acts" }));
  fill(element, node, acts);
  return element;
}

/** Put what `node` now says into its article. */
export function fill(element, node, acts) {
  element.className = node.role;
  const who = node.role === "user" ? "You" : node.name || "Assistant";
  const said = STATES[node.state];
  element.querySelector("header").replaceChildren(
    make("h2", { title: node.author || undefined, class: node.role === "user" ? "visually-hidden" : undefined }, who),
    node.created ? time(node.created) : "",
    said ? make("span", { class: node.state === "failed" ? "state bad" : "state" }, said) : "");
  const body = element.querySelector(".body");
  body.replaceChildren(...node.parts.map((part) => piece(node, part)));
  element.querySelector(".after").replaceChildren(...after(node, acts));
  element.querySelector(".acts").replaceChildren(...(node.state === "streaming" ? [] : buttons(node, acts)));
}

function time(created) {
  const when = new Date(created);
  const today = when.toDateString() === new Date().toDateString();
  const shown = today ? when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return make("time", { datetime: created, title: when.toLocaleString() }, shown);
}

/** What there is to know of an answer, and the way on from there. */
function after(node, acts) {
  if (node.role === "user" || node.state === "streaming") return [];
  const codes = node.notices.map((one) => one.code);
  const text = node.parts.some((part) => part.type === "text" && part.text);
  const broken = ["stopped", "interrupted", "failed"].includes(node.state);
  const lines = node.notices.map((one) => notice(one.code, one.text));
  if (node.error) lines.push(make("p", { class: "error" }, icon("warning"), make("span", {}, node.error)));
  const retry = node.state === "failed" || codes.some((code) => UNANSWERED.includes(code)) || (broken && !text);
  const more = text && (broken || node.cut || codes.some((code) => INCOMPLETE.includes(code)));
  const row = [
    retry && make("button", { type: "button", onclick: () => acts.again(node) }, icon("again"), "Retry"),
    more && make("button", { type: "button", onclick: () => acts.more(node) }, icon("play"), "Continue"),
  ].filter(Boolean);
  return row.length ? [...lines, make("div", { class: "row" }, ...row)] : lines;
}

export function notice(code, text) {
  return make("p", { class: "notice", "data-code": code }, icon("info"), make("span", {}, text));
}

function buttons(node, acts) {
  const button = (shape, label, act) => {
    const made = iconButton(shape, label, { onclick: () => act(node, made) });
    return made;
  };
  const row = [button("copy", "Copy", acts.copy), button("edit", "Edit", acts.edit)];
  if (node.role !== "user") row.push(button("again", "Answer again", acts.again), button("compare", "Compare with another model", acts.compare), button("eye", "What the model saw", acts.saw));
  row.push(button("fork", "Fork: a new chat from here", acts.fork));
  if (node.siblings.length > 1) {
    const place = node.siblings.indexOf(node.id);
    const step = (shape, label, to) => iconButton(shape, label, { disabled: !to, onclick: () => acts.turn(to) });
    row.unshift(make("span", { class: "branches" }, step("left", "Previous version", node.siblings[place - 1]),
      make("span", {}, `${place + 1} / ${node.siblings.length}`), step("right", "Next version", node.siblings[place + 1])));
  }
  if (node.spent) row.push(make("span", { class: "spent" }, node.spent));
  return row;
}

export function piece(node, part) {
  if (part.type === "reasoning") return thinking(part.text);
  if (part.type === "tool_call") return toolCard(part);
  if (part.type === "image") {
    return make("figure", { class: "attached" }, make("img", { src: part.url, alt: part.name || "image" }), make("figcaption", { class: "soft" }, part.name || ""));
  }
  if (part.type === "audio") return make("audio", { controls: true, src: part.url, "aria-label": part.name || "audio" });
  if (part.type === "file") return fileCard(node, part);
  const text = make("div", { class: "text", dir: node.role === "user" ? "auto" : undefined });
  if (node.role === "user") text.textContent = part.text;
  else show(text, part.text);
  return text;
}

/** A file that went along: a text opens as it was sent, another is saved. */
function fileCard(node, part) {
  if (part.url) return make("p", {}, make("a", { class: "button", href: part.url, download: part.name }, icon("download"), part.name));
  return make("p", {}, make("button", { type: "button", class: "file-open", title: `Show the text of ${part.name}`, onclick: guarded(() => openStored(node.id, part)) }, icon("file"), make("span", { class: "file-label" }, make("span", { class: "file-name" }, part.name), make("span", { class: "file-about" }, part.size))));
}

/** What the model thought, folded. */
export function thinking(text = "") {
  return make("details", { class: "reasoning" }, make("summary", {}, "Thinking"), make("pre", { tabindex: "0" }, text));
}

/** Those arguments that are texts of several lines, each as it will be taken: in JSON nobody reads a program. */
function texts(written) {
  let args;
  try {
    args = JSON.parse(written);
  } catch {
    return []; // being edited, or no JSON at all
  }
  return Object.entries(args ?? {}).filter(([, value]) => typeof value === "string" && value.trim().includes("\n"))
    .map(([name, value]) => make("pre", { tabindex: "0", "aria-label": name }, value));
}

/** A tool call and, once it is there, its result: one line that opens. */
export function toolCard(part) {
  const done = part.result !== undefined && part.result !== null;
  const good = !part.state || ["called", "success", "done", "running"].includes(part.state);
  const line = part.arguments.replace(/\s+/g, " ");
  return make(
    "section", { class: "tool", "data-call": part.id, "aria-label": `Tool ${part.name}` },
    make("details", {},
      make("summary", {}, icon(good ? "tools" : "warning"), make("h3", {}, part.name), make("code", {}, line),
        make("span", { class: good ? "state" : "state bad" }, done && !good ? `${part.state}: ${part.result.split("\n")[0]}` : part.state || "")),
      ...texts(part.arguments),
      make("pre", { tabindex: "0", class: "arguments" }, part.arguments),
      done ? make("pre", { tabindex: "0", class: "result", "aria-label": "Result" }, part.result) : null),
    ...(part.files ?? []).map(fileOf),
  );
}

/** What a tool made: shown or played where it can be, else to be saved. An SVG is a program, and never shown. */
function fileOf(file) {
  if (file.type.startsWith("image/") && file.type !== "image/svg+xml") {
    return make("figure", {}, make("img", { src: file.url, alt: `${file.name}, made by the tool` }), make("figcaption", { class: "soft" }, file.name));
  }
  if (file.type.startsWith("audio/")) return make("audio", { controls: true, src: file.url, "aria-label": file.name });
  return make("p", {}, make("a", { href: file.url, download: file.name }, file.name));
}

const KINDS = { network: "reaches the network", code: "runs code", write: "writes files", external: "acts outside this program" };

/** A card that asks: run this, with these arguments? `asked` is {id, name, arguments, kind, sources}; `decide(approved,
 * arguments, scope)`. Once untrusted text was read (`sources`), no consent lasts, and none is offered. */
export function approvalCard(asked, decide) {
  const box = make("textarea", { rows: Math.min(12, asked.arguments.split("\n").length + 1), "aria-label": `Arguments of ${asked.name}`, spellcheck: "false" });
  box.value = asked.arguments;
  const legible = make("div", { class: "legible" });
  const show = () => legible.replaceChildren(...texts(box.value));
  box.addEventListener("input", show);
  show();
  const answer = (approved, scope) => () => decide(approved, box.value, scope);
  const lasting = [["conversation", "Allow in this conversation"], ["always", "Always with these arguments"]];
  return make(
    "section", { class: "tool ask", "data-approval": asked.id, "aria-label": `Approve ${asked.name}` },
    make("h3", {}, icon("warning"), `May the model run ${asked.name}? `, make("span", { class: "warn" }, KINDS[asked.kind] ?? asked.kind)),
    asked.sources.length ? make("p", { class: "warn" }, `Untrusted text was read: ${asked.sources.join(", ")}`) : null,
    legible, box,
    make("div", { class: "row" },
      make("button", { type: "button", class: "primary", onclick: answer(true, "once") }, "Run once"),
      ...(asked.sources.length ? [] : lasting).map(([scope, label]) => make("button", { type: "button", onclick: answer(true, scope) }, label)),
      make("button", { type: "button", onclick: answer(false, "once") }, "Deny")),
  );
}
