// What was typed and not sent yet, by conversation: it survives a reload, and the editing of a message in the same box.
import { $, state } from "./session.js";

const key = () => `draft:${state.id ?? "new"}`;

/** {text, edit: {node, text}}; each is missing where there is none. */
export function kept() {
  try {
    return JSON.parse(localStorage.getItem(key())) ?? {};
  } catch {
    return {};
  }
}

function write(draft) {
  try {
    if (draft.text || draft.edit) localStorage.setItem(key(), JSON.stringify(draft));
    else localStorage.removeItem(key());
  } catch {
    localStorage.removeItem(key()); // too long to be kept: better none than an old one
  }
}

/** Keep what the box holds: the new text of the message `editing`, or a message to come. */
export function keep(editing) {
  const text = $("text").value;
  write(editing ? { ...kept(), edit: { node: editing.id, text } } : { text });
}

/** What the box holds was sent, or given up; what is to stand there instead: the draft from before the editing. */
export function drop(editing) {
  const text = editing ? kept().text ?? "" : "";
  write({ text });
  return text;
}

/** The new chat has become the conversation `id`. */
export function moved(id) {
  const draft = kept();
  write({});
  state.id = id;
  write(draft);
}
