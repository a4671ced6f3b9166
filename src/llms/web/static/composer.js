// The composer: text, attachments, sound; what is written there is sent, or becomes a new version of a message.
import { call, make, upload } from "./api.js";
import { drop, keep, kept } from "./drafts.js";
import { bottom, reload } from "./log.js";
import { files, meter } from "./meter.js";
import { record } from "./microphone.js";
import { attach, stop } from "./run.js";
import { $, guarded, say, state, warn } from "./session.js";
import { begin } from "./settings.js";
import { listing } from "./sidebar.js";

let editing = null; // the node whose new version the box holds

const send = guarded(async () => {
  const text = $("text").value;
  if (!text.trim() && !files.length) return;
  if (state.source) return warn("an answer is still being written; stop it first");
  await begin();
  const body = { text, attachments: files.map((f) => f.id) };
  if (editing) body.edit = editing.id;
  const begun = await call(`/api/conversations/${state.id}/send`, body);
  $("text").value = drop(editing);
  files.length = 0;
  editing = null;
  drawFiles();
  meter();
  await reload();
  bottom(true);
  if (begun.run) attach(begun.run, 0); // an answer that was edited needs none
  $("text").focus();
  listing();
});

export function edit(node) {
  keep(editing);
  editing = node;
  $("text").value = node.parts.filter((part) => part.type === "text").map((part) => part.text).join("\n\n");
  $("text").focus();
  say(node.role === "user" ? "editing: sending makes a new branch" : "editing the answer: sending keeps both versions");
  meter();
}

/** Leave the message as it is; whether one was being edited. */
export function stopEditing() {
  if (!editing) return false;
  $("text").value = drop(editing);
  editing = null;
  say("not editing any more");
  return true;
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
    if (last) { event.preventDefault(); edit(last); }
  }
});
$("text").addEventListener("input", () => { keep(editing); meter(); });
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
  const heardWords = await upload(file).then((made) => call("/api/transcribe", { attachment: made.id }));
  $("text").value = `${$("text").value}${$("text").value ? " " : ""}${heardWords.text}`;
  keep(editing);
  meter();
  $("text").focus();
})));

const draft = kept();
$("text").value = draft.text ?? "";
const edited = state.path.find((node) => node.id === draft.edit?.node);
if (edited) {
  edit(edited);
  $("text").value = draft.edit.text;
  keep(edited);
}
