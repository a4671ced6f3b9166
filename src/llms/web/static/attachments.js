// The files of the next message: chosen, read by the server, shown as chips that open and can be removed.
import { call, make, upload } from "./api.js";
import { openDialog } from "./dialogs.js";
import { icon, iconButton } from "./icons.js";
import { $, guarded, say, state } from "./session.js";

const ICONS = { image: "image", audio: "sound" };
/** {name, kind, about, notes, url, size} and how it stands: `reading`, with `error`, with the `id` under which the server
 * holds it, or `kept` from the message that is edited, at `position` among the files of it. `tokens` as they are counted. */
let files = [];
let changed = () => {};

/** Call `listener` whenever the files are others. */
export const onFiles = (listener) => (changed = listener);

/** Whether a file is still being read. */
export const reading = () => files.find((file) => file.reading);
export const any = () => files.some((file) => file.id || file.kept);
/** What a request says of them. */
export const asked = () => ({ attachments: files.filter((file) => file.id).map((file) => file.id), keep: files.filter((file) => file.kept).map((file) => file.position) });

/** Read these files. One that cannot be attached says why in its chip, and holds up no other. */
export async function take(list, more = {}) {
  const added = [...list].map((file) => ({ name: file.name || "pasted", kind: "", reading: true, source: file, notes: [], ...more }));
  files.push(...added);
  draw();
  await Promise.all(added.map(read));
}

async function read(file) {
  try {
    const answer = await upload(file.source);
    if (!files.includes(file)) return void call(`/api/attachments/${answer.id}`, undefined, "DELETE").catch(() => {});
    Object.assign(file, answer);
    say(`${file.name}: ${file.about}`);
  } catch (error) {
    file.error = error.message;
    say(error.message);
  }
  file.reading = false;
  if (file.error && files.includes(file)) files = [file, ...files.filter((one) => one !== file)]; // of many, the first are seen
  draw();
}

/** The files of a message that is edited take the place of those that were chosen, which come back with `putBack`. */
export function editFiles(node) {
  const before = files;
  files = node.parts.filter((part) => part.position !== undefined)
    .map((part) => ({ name: part.name || "picture", kind: part.type, about: part.size, notes: [], url: part.url, kept: node.id, position: part.position }));
  draw();
  return before;
}

export function putBack(before) {
  files = before;
  draw();
}

/** They were sent. */
export const clear = () => putBack([]);

/** The tokens of each file, by its id. */
export function counted(tokens) {
  const known = files.filter((file) => file.id && file.kind === "text" && tokens[file.id] !== undefined && file.tokens !== tokens[file.id]);
  for (const file of known) file.tokens = tokens[file.id];
  if (known.length) draw(false);
}

function draw(tell = true) {
  const focused = [...$("attached").children].findIndex((chip) => chip.contains(document.activeElement));
  $("attached").replaceChildren(...files.map(chip));
  if (focused >= 0) ($("attached").children[Math.min(focused, files.length - 1)]?.querySelector(".icon-button") ?? $("text")).focus();
  if (!tell) return;
  remember();
  changed();
}

function chip(file) {
  const size = [file.about, file.tokens ? `${file.tokens.toLocaleString()} tokens` : ""].filter(Boolean).join(" · ");
  const about = file.reading ? "reading…" : file.error ? file.error.replace(`${file.name} `, "") : [size, ...file.notes].join("; ");
  const picture = file.kind === "image" && file.url ? make("img", { src: file.url, alt: "" }) : icon(file.error ? "error" : ICONS[file.kind] ?? "file");
  const label = [picture, make("span", { class: "file-label" }, make("span", { class: "file-name" }, file.name), make("span", { class: file.notes.length ? "file-about warn" : "file-about" }, about))];
  return make("li", { class: `file${file.error ? " bad" : ""}`, "aria-busy": file.reading ? "true" : undefined },
    file.reading || file.error
      ? make("div", { class: "file-open" }, ...label)
      : make("button", { type: "button", class: "file-open", title: `Show what is sent of ${file.name}`, onclick: guarded(() => open(file)) }, ...label),
    file.pasted && file.id ? make("button", { type: "button", class: "quiet", onclick: () => intoBox(file) }, "Put into the box") : null,
    iconButton("close", `Remove ${file.name}`, { onclick: () => remove(file) }));
}

function remove(file) {
  if (file.id) call(`/api/attachments/${file.id}`, undefined, "DELETE").catch(() => {}); // if not, the server lets go of it in time
  files = files.filter((one) => one !== file);
  draw();
  say(`${file.name} removed`);
}

async function intoBox(file) {
  $("text").setRangeText(await file.source.text(), $("text").selectionStart, $("text").selectionEnd, "end");
  remove(file);
  $("text").focus();
  $("text").dispatchEvent(new Event("input", { bubbles: true }));
}

/** Show a file of the box as it is sent. */
const open = (file) => (file.kept ? openStored(file.kept, file) : openFile(file.name, file, `/api/attachments/${file.id}/text`));

/** Show a file of the message `node` as it was sent; `part` has its name, kind, url and position. */
export const openStored = (node, part) => openFile(part.name, part, `/api/conversations/${state.id}/files/${node}/${part.position}`);

async function openFile(name, file, path) {
  const kind = file.kind ?? file.type;
  if (kind === "image") return openDialog(name, make("img", { src: file.url, alt: name, class: "preview" }));
  if (kind === "audio") return openDialog(name, make("audio", { controls: true, src: file.url, "aria-label": name }));
  const shown = await call(path);
  const more = shown.more ? [make("p", { class: "soft" }, `… and ${shown.more.toLocaleString()} more characters, which are sent too.`)] : [];
  const about = [file.about ?? file.size, ...(file.notes ?? [])].filter(Boolean).join("; ");
  openDialog(name, make("p", { class: "soft" }, about), make("pre", { class: "preview", tabindex: "0", "aria-label": `Text of ${name}` }, shown.text), ...more);
}

const key = () => `files:${state.id ?? "new"}`;

/** Through a reload, while the server holds them. */
function remember() {
  const ids = files.filter((file) => file.id).map((file) => file.id);
  if (ids.length) sessionStorage.setItem(key(), JSON.stringify(ids));
  else sessionStorage.removeItem(key());
}

export async function restore() {
  const ids = JSON.parse(sessionStorage.getItem(key()) ?? "[]");
  const found = await Promise.all(ids.map((id) => call(`/api/attachments/${id}`).catch(() => null)));
  if (!ids.length) return;
  files = [...found.filter(Boolean), ...files];
  draw();
}
