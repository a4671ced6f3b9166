// One message of the log as an article: text, thinking, tool calls, attachments, what can be done with it.
import { make } from "./api.js";
import { openStored } from "./attachments.js";
import { icon } from "./icons.js";
import { show } from "./markdown.js";
import { guarded } from "./session.js";

const STATES = { stopped: "stopped", failed: "failed", interrupted: "interrupted: the program ended", streaming: "answering" };

/** An article for `node`; `acts` are the functions that its buttons call. */
export function article(node, acts) {
  const element = make("article", { class: node.role, id: `n-${node.id}`, "data-node": node.id }, make("header"), make("div", { class: "body" }), make("div", { class: "acts" }));
  fill(element, node, acts);
  return element;
}

/** Put what `node` now says into its article. */
export function fill(element, node, acts) {
  const who = node.role === "user" ? "You" : node.author || "Assistant";
  const when = node.created ? new Date(node.created).toLocaleString() : "";
  const said = STATES[node.state] ?? (node.cut ? "cut short by the limit on answers" : "");
  const state = said ? make("span", { class: node.state === "failed" ? "bad" : "soft" }, said) : "";
  element.querySelector("header").replaceChildren(make("h2", {}, who), make("span", { class: "soft" }, when), state);
  const body = element.querySelector(".body");
  body.replaceChildren();
  for (const part of node.parts) body.append(piece(node, part));
  if (node.error) body.append(make("div", { class: "error" }, make("strong", {}, "Error: "), node.error));
  const row = element.querySelector(".acts");
  row.replaceChildren();
  const button = (label, act, extra = {}) => make("button", { type: "button", class: "quiet", onclick: () => act(node), ...extra }, label);
  if (node.state === "streaming") return;
  row.append(button("Copy", acts.copy));
  if (node.siblings.length > 1) {
    const place = node.siblings.indexOf(node.id);
    row.append(
      button("‹", () => acts.turn(node.siblings[place - 1]), { disabled: place === 0, "aria-label": "Previous version" }),
      make("span", { class: "soft" }, `${place + 1}/${node.siblings.length}`),
      button("›", () => acts.turn(node.siblings[place + 1]), { disabled: place === node.siblings.length - 1, "aria-label": "Next version" }),
    );
  }
  if (node.role === "user") row.append(button("Edit", acts.edit));
  else row.append(button("Again", acts.again), button("Edit", acts.edit), button("What the model saw", acts.saw));
  if ((node.cut || ["stopped", "interrupted", "failed"].includes(node.state)) && node.role !== "user") row.append(button("Continue", acts.more));
  row.append(button("Fork", acts.fork));
  if (node.spent) row.append(make("span", { class: "soft" }, node.spent));
}

function piece(node, part) {
  if (part.type === "reasoning") {
    return make("details", { class: "reasoning" }, make("summary", {}, "Thinking"), make("pre", {}, part.text));
  }
  if (part.type === "tool_call") return toolCard(part);
  if (part.type === "image") {
    return make("figure", { class: "attached" }, make("img", { src: part.url, alt: part.name || "image" }), make("figcaption", { class: "soft" }, part.name || ""));
  }
  if (part.type === "audio") return make("audio", { controls: true, src: part.url, "aria-label": part.name || "audio" });
  if (part.type === "file") return fileCard(node, part);
  const text = make("div", {});
  if (node.role === "user") text.textContent = part.text;
  else show(text, part.text);
  return text;
}

/** A file that went along: a text opens as it was sent, another is saved. */
function fileCard(node, part) {
  if (part.url) return make("p", {}, make("a", { class: "button", href: part.url, download: part.name }, icon("download"), part.name));
  return make("p", {}, make("button", { type: "button", class: "file-open", title: `Show the text of ${part.name}`, onclick: guarded(() => openStored(node.id, part)) }, icon("file"), make("span", { class: "file-label" }, make("span", { class: "file-name" }, part.name), make("span", { class: "file-about" }, part.size))));
}

/** A tool call and, once it is there, its result. */
export function toolCard(part) {
  return make(
    "section", { class: "tool", "data-call": part.id, "aria-label": `Tool ${part.name}` },
    make("h3", {}, `${part.name} `, make("span", { class: "soft" }, part.state || "")),
    make("pre", {}, part.arguments),
    part.result === undefined || part.result === null ? null : make("details", { open: part.result.length < 400 }, make("summary", {}, "Result"), make("pre", {}, part.result)),
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
  const box = make("textarea", { rows: 4, "aria-label": `Arguments of ${asked.name}`, spellcheck: "false" });
  box.value = asked.arguments;
  const answer = (approved, scope) => () => decide(approved, box.value, scope);
  const lasting = [["conversation", "Allow in this conversation"], ["always", "Always with these arguments"]];
  return make(
    "section", { class: "tool", "data-approval": asked.id, "aria-label": `Approve ${asked.name}` },
    make("h3", {}, `May the model run ${asked.name}? `, make("span", { class: "warn" }, KINDS[asked.kind] ?? asked.kind)),
    asked.sources.length ? make("p", { class: "warn" }, `Untrusted text was read: ${asked.sources.join(", ")}`) : null,
    box,
    make("div", { class: "acts" },
      make("button", { type: "button", class: "primary", onclick: answer(true, "once") }, "Run once"),
      ...(asked.sources.length ? [] : lasting).map(([scope, label]) => make("button", { type: "button", onclick: answer(true, scope) }, label)),
      make("button", { type: "button", onclick: answer(false, "once") }, "Deny")),
  );
}
