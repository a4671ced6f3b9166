// The composer: text, files, sound; what is written there is sent, or becomes a new version of a message.
import { call, upload } from "./api.js";
import { any, asked, clear, editFiles, onFiles, putBack, reading, restore, take } from "./attachments.js";
import { drop, keep, kept, moved } from "./drafts.js";
import { bottom, reload } from "./log.js";
import { countFor, meter } from "./meter.js";
import { record } from "./microphone.js";
import { attach, stop } from "./run.js";
import { $, guarded, say, state, warn } from "./session.js";
import { begin, keepSettings } from "./settings.js";
import { listing } from "./sidebar.js";

const LONG = 20_000; // characters; what is pasted beyond becomes a file
let editing = null; // the node whose new version the box holds
let before = null; // the files that were chosen until then

/** What was refused leaves no chat behind that says nothing. */
async function abandon() {
  const id = state.id;
  moved(null);
  keepSettings();
  history.replaceState(null, "", "/");
  await call(`/api/conversations/${id}`, {}, "DELETE");
}

let sending = false;
const send = guarded(async () => {
  const text = $("text").value;
  if ((!text.trim() && !any()) || sending) return;
  if (state.source) return warn("an answer is still being written; stop it first");
  if (reading()) return warn(`${reading().name} is still being read; send once it is`);
  const fresh = !state.id;
  sending = true;
  try {
    await begin();
    const body = { text, ...asked() };
    if (editing) body.edit = editing.id;
    const begun = await call(`/api/conversations/${state.id}/send`, body);
    if (editing) leave();
    else {
      $("text").value = drop(null);
      clear();
    }
    grow();
    await reload();
    bottom(true);
    if (begun.run) attach(begun.run, 0); // an answer that was edited needs none
    $("text").focus();
    listing();
  } catch (error) {
    if (fresh && state.id && !state.path.length) await abandon();
    throw error;
  } finally {
    sending = false;
  }
});

/** Put a message into the box, to be sent anew; what stood there comes back afterwards. */
export function edit(node) {
  keep(editing);
  const files = editFiles(node.role === "user" ? node : { parts: [] });
  before ??= files;
  editing = node;
  $("text").value = node.parts.filter((part) => part.type === "text").map((part) => part.text).join("\n\n");
  $("editing-what").textContent = node.role === "user" ? "Editing your message" : "Editing the answer";
  $("editing").classList.remove("hidden");
  $("attach").disabled = node.role !== "user";
  $("text").focus();
  grow();
  countFor(node);
  say(node.role === "user" ? "editing your message: sending makes a new branch" : "editing the answer: sending keeps both versions");
}

/** The box as it was before the editing. */
function leave() {
  $("text").value = drop(editing);
  editing = null;
  $("editing").classList.add("hidden");
  $("attach").disabled = false;
  putBack(before);
  before = null;
  grow();
  countFor(null);
}

/** Leave the message as it is; whether one was being edited. */
export function stopEditing() {
  if (!editing) return false;
  leave();
  say("not editing any more");
  $("text").focus();
  return true;
}

/** As tall as its text, where the style sheet alone does not do it. */
function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  $("text").style.height = "auto";
  $("text").style.height = `${$("text").scrollHeight + 2}px`;
}

onFiles(meter);
$("form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
$("text").addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229) return; // Safari ends a composition before the key that ended it
  if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); send(); }
  if (event.key === "Escape" && stopEditing()) event.preventDefault();
  if (event.key === "ArrowUp" && !$("text").value && !editing) {
    const last = state.path.filter((node) => node.role === "user").at(-1);
    if (last) { event.preventDefault(); edit(last); }
  }
});
$("text").addEventListener("input", () => { keep(editing); grow(); meter(); });
$("stop").addEventListener("click", stop);
$("editing-cancel").addEventListener("click", stopEditing);
$("attach").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => { take([...$("file").files]); $("file").value = ""; });
$("text").addEventListener("paste", (event) => {
  const list = [...event.clipboardData.files];
  const text = event.clipboardData.getData("text/plain");
  if (!list.length && text.length <= LONG) return;
  event.preventDefault();
  if (list.length) take(list);
  else take([new File([text], "pasted text.txt", { type: "text/plain" })], { pasted: true });
});
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
  grow();
  meter();
  $("text").focus();
})));
guarded(async () => {
  const draft = kept();
  $("text").value = draft.text ?? "";
  await restore();
  const edited = state.path.find((node) => node.id === draft.edit?.node);
  if (edited) {
    edit(edited);
    $("text").value = draft.edit.text;
    keep(edited);
  }
  grow();
})();
