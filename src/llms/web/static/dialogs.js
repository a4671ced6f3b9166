// Dialogs: what the model saw, and conversations to take in.
import { call, changed as tell, focusBack, make } from "./api.js";

const dialog = document.getElementById("dialog");

export function openDialog(title, ...content) {
  const trigger = document.activeElement;
  document.getElementById("dialog-title").textContent = title;
  document.getElementById("dialog-body").replaceChildren(...content.filter((one) => one !== null));
  dialog.addEventListener("close", () => focusBack(trigger), { once: true });
  dialog.showModal();
}

/** The payload as it was sent, message by message, with what was left out marked. */
export async function openSaw(conversation, node) {
  const found = await call(`/api/conversations/${conversation}/saw/${node}`);
  const calls = found.calls.map((one) =>
    make("section", {},
      make("p", { class: "soft" }, one.about),
      ...one.messages.map((message) => make("div", { class: "card" }, make("strong", {}, message.role), message.note ? make("span", { class: "warn" }, ` ${message.note}`) : null, make("pre", {}, message.text))),
      one.tools.length ? make("p", {}, `Tools offered: ${one.tools.join(", ")}`) : null,
      make("button", { type: "button", onclick: () => navigator.clipboard.writeText(one.code) }, "Copy as Python")));
  const left = found.report.length
    ? [make("h3", {}, "Not sent as it stands"), make("ul", {}, ...found.report.map((line) => make("li", {}, line)))]
    : calls.length ? [make("p", { class: "soft" }, "Everything on this path was sent.")] : [];
  openDialog("What the model saw", ...(calls.length ? calls : [make("p", {}, "No single request was made for this message.")]), ...left);
}

/** The dialog that takes chats in; `changed` is called once there are more. */
export const openImport = (changed) => openDialog("Import", importForm(changed));

function importForm(changed) {
  const file = make("input", { type: "file", accept: ".zip,.json", "aria-label": "File to import" });
  const report = make("pre", { class: "hidden" });
  const run = (dry) => async () => {
    if (!file.files.length) return;
    const form = new FormData();
    form.append("file", file.files[0]);
    const response = await fetch(`/api/import?dry=${dry}`, { method: "POST", body: form });
    const found = await response.json();
    report.classList.remove("hidden");
    report.textContent = response.ok ? found.report : found.error;
    if (!response.ok || dry) return;
    tell("POST", "/api/import");
    await changed();
  };
  return make("div", { class: "form" }, make("p", { class: "soft" }, "An export of llms (.zip), or ChatGPT's export: what is there already is not taken twice."), file,
    make("div", { class: "acts" }, make("button", { type: "button", onclick: run(true) }, "Look only"), make("button", { type: "button", onclick: run(false) }, "Import")), report);
}
