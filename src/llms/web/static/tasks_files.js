// The files of a task: sent as they are chosen, shown with what they hold; a table asks which column is meant.
import { make } from "./api.js";
import { iconButton } from "./icons.js";
import { record, wav } from "./microphone.js";
import { $, say } from "./session.js";

/** {id, name, kind, about, columns, rows, url, column}, or with `error`. `url` shows what was chosen. */
let files = [];
let changed = () => {};

/** Call `listener` whenever the files are others. */
export const onFiles = (listener) => (changed = listener);
export const names = () => files.filter((file) => file.id).map((file) => file.name);
export const clearFiles = () => {
  files = [];
  draw();
};

/** What a request says of them. */
export function asked() {
  const table = files.find((file) => file.kind === "table");
  return { files: files.filter((file) => file.id).map((file) => file.id), ...(table ? { columns: [table.column, ...(table.other ? [`other=${table.other}`] : [])] } : {}) };
}

/** The picture or sound that was chosen under that name, for whoever shows an answer. */
export const urlOf = (name) => files.find((file) => file.name === name)?.url ?? "";

export const addFiles = (list) => Promise.all(list.map(addFile));

/** Send a file. One that cannot be read says why where it stands. */
export async function addFile(chosen) {
  const file = { name: chosen.name, reading: true, url: /^(audio|image)\//.test(chosen.type) ? URL.createObjectURL(chosen) : "" };
  files.push(file);
  draw();
  const form = new FormData();
  form.append("file", chosen, chosen.name || "file");
  try {
    const response = await fetch("/api/tasks/files", { method: "POST", body: form });
    const answer = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
    if (!response.ok) throw new Error(answer.error);
    Object.assign(file, answer, { column: guess(answer.columns) });
  } catch (error) {
    file.error = error.message;
  }
  file.reading = false;
  draw();
}

const guess = (columns) => columns.find((name) => /^(text|question|context|source|audio|image|sentence|review)$/i.test(name)) ?? columns[0] ?? "";

function draw() {
  $("files").replaceChildren(...files.map((file) => {
    const words = file.reading ? "reading …" : file.error ?? [file.about, file.kind === "table" ? `${file.columns.length} columns` : ""].filter(Boolean).join(" · ");
    const shown = file.kind === "image" && file.url ? make("img", { src: file.url, alt: "" }) : null;
    const played = file.kind === "audio" && file.url ? make("audio", { src: file.url, controls: true, "aria-label": file.name }) : null;
    const line = make("li", { "aria-busy": file.reading ? "true" : undefined }, shown, make("span", { class: "name" }, file.name, " ", make("span", { class: file.error ? "bad" : "meta" }, words)));
    if (file.kind === "table") line.append(column(file));
    line.append(iconButton("close", `Remove ${file.name}`, { onclick: () => { files = files.filter((one) => one !== file); draw(); $("file").focus(); } }));
    if (played) line.append(played);
    return line;
  }));
  changed();
}

function column(file) {
  const select = make("select", {}, ...file.columns.map((name) => make("option", { value: name, selected: name === file.column }, name)));
  select.addEventListener("change", () => {
    file.column = select.value;
    changed();
  });
  return make("label", {}, "Column", select);
}

/** A file that this page makes: `disc` is a picture, `tone` a sound of one second. */
export async function sample(kind) {
  if (kind === "tone") {
    const rate = 16000;
    const samples = Float32Array.from({ length: rate }, (_, i) => 0.4 * Math.sin((2 * Math.PI * 440 * i) / rate));
    return new File([wav(samples)], "tone.wav", { type: "audio/wav" });
  }
  const canvas = make("canvas", { width: 192, height: 192 });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#f2e9d8";
  pen.fillRect(0, 0, 192, 192);
  pen.fillStyle = "#c0392b";
  pen.beginPath();
  pen.arc(96, 96, 60, 0, 2 * Math.PI);
  pen.fill();
  const data = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new File([data], "disc.png", { type: "image/png" });
}

$("file").addEventListener("change", () => {
  addFiles([...$("file").files]);
  $("file").value = "";
});
$("record").addEventListener("click", () => record($("record"), addFile).catch((error) => { $("alert").textContent = error.message; say(""); }));
