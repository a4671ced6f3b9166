// What other tabs change, and other programs while this tab is not looked at: the list and the open chat follow.
import { tabs } from "./api.js";
import { reload } from "./log.js";
import { attach } from "./run.js";
import { guarded, state } from "./session.js";
import { listing } from "./sidebar.js";

let wait = 0;

/** Look what is there now. An answer that is being written elsewhere is written here too. */
const follow = guarded(async () => {
  await listing();
  if (!state.id || state.source) return;
  const found = await reload();
  if (found.run && !state.source) attach(found.run, 0);
});

function soon() {
  clearTimeout(wait);
  wait = setTimeout(follow, 50); // a tab that comes to the front is told so twice
}

tabs.addEventListener("message", ({ data }) => {
  if (data.method === "DELETE" && data.path === `/api/conversations/${state.id}`) location.href = "/";
  else soon();
});
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && soon());
addEventListener("focus", soon);
