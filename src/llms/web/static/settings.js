// What this chat is asked with. The server holds it, checks it, and sends it along with every message.
import { call } from "./api.js";
import { moved } from "./drafts.js";
import { state } from "./session.js";

const KEPT = "llms.settings"; // of a chat that is not stored yet, so that it outlives a reload
const listeners = [];
let saving = Promise.resolve();
let changes = 0; // that have begun or ended

/** Call `listener` with the settings, now and whenever they have changed. */
export function whenSet(listener) {
  listeners.push(listener);
  listener(state.settings);
}

/** Change these fields, null taking one back; they count from the next message on. Throws the server's own words. */
export function change(fields) {
  const done = saving.then(async () => {
    const stored = Boolean(state.id);
    changes += 1;
    const settings = stored
      ? await call(`/api/conversations/${state.id}`, { settings: fields }, "PATCH")
      : await call("/api/settings", { settings: state.settings, change: fields });
    changes += 1;
    use(settings, changes);
    if (!stored) keepSettings();
  });
  saving = done.catch(() => {});
  return done;
}

/** Until the changes that are on their way have arrived. */
export const settled = () => saving;

/** Let a chat that is not stored have its settings again after a reload. */
export const keepSettings = () => sessionStorage.setItem(KEPT, JSON.stringify(state.settings));

/** The chat is stored from now on, with what was chosen before; changes that are on their way come first. */
export async function begin() {
  await saving;
  if (state.id) return;
  const made = await call("/api/conversations", { settings: state.settings });
  moved(made.id);
  sessionStorage.removeItem(KEPT);
  history.replaceState(null, "", `/c/${made.id}`);
}

/** To be taken before the server is asked what the settings are. */
export const moment = () => changes;

/** What the server said when it was asked at `asked`, a `moment`; where something was changed since, that stands. */
export function use(settings, asked) {
  if (asked !== changes) return;
  if (JSON.stringify(settings) === JSON.stringify(state.settings)) return;
  state.settings = settings;
  for (const listener of listeners) listener(settings);
}

/** A model's name without its address, folder and options, as the server's short_name: `llama3:8b` of `ollama:llama3:8b`. */
export function short(name) {
  const plain = name.split("?")[0];
  if (/^https?:/.test(plain)) return plain.slice(plain.indexOf("#") + 1) || plain;
  const model = plain.includes(":") ? plain.slice(plain.indexOf(":") + 1) : "";
  return model.replace(/\/+$/, "").split("/").at(-1) || plain;
}

const kept = state.id ? null : sessionStorage.getItem(KEPT);
if (kept) state.settings = { ...state.settings, ...JSON.parse(kept) };
