// What can be done with a whole chat, from its row in the list and from the header.
import { call } from "./api.js";
import { confirm } from "./confirm.js";
import { rename } from "./rename.js";
import { $, guarded, state, toast } from "./session.js";

/** The entries for `one`, {id, title, pinned, archived}; its name stands in `element`; `changed` shows the list anew. */
export function chatMenu(one, element, changed) {
  const path = `/api/conversations/${one.id}`;
  const put = (fields) => guarded(async () => {
    await call(path, fields, "PATCH");
    Object.assign(one, fields);
    await changed();
  });
  const archive = (archived) => guarded(async () => {
    await put({ archived })();
    toast(archived ? `“${one.title}” is archived` : `“${one.title}” is out of the archive`, { topic: "archive", action: { label: "Undo", act: archive(!archived) } });
  });
  return [
    { label: "Rename", icon: "edit", act: () => retitle(one, element, changed) },
    one.pinned ? { label: "Unpin", icon: "pin", act: put({ pinned: false }) } : { label: "Pin", icon: "pin", act: put({ pinned: true }) },
    one.archived ? { label: "Take out of the archive", icon: "archive", act: archive(false) } : { label: "Archive", icon: "archive", act: archive(true) },
    { label: "Export with all branches", icon: "download", href: `${path}/export?form=archive`, download: "" },
    { label: "Export as Markdown", icon: "download", href: `${path}/export?form=markdown`, download: "" },
    null,
    { label: "Delete…", icon: "delete", danger: true, act: guarded(() => remove(one, changed, archive)) },
  ];
}

export function retitle(one, element, changed) {
  rename(element, one.title, async (title) => {
    await call(`/api/conversations/${one.id}`, { title }, "PATCH");
    if (one.id === state.id) entitled(title);
    await changed();
  });
}

/** The open chat is called `title`. */
export function entitled(title) {
  $("title").textContent = title;
  document.title = `${title} · llms`;
}

async function remove(one, changed, archive) {
  const choices = [["", "Cancel"], ...(one.archived ? [] : [["archive", "Archive instead"]]), ["delete", "Delete", "danger"]];
  const chosen = await confirm(`Delete “${one.title}”?`, "With all its branches, and files that no other chat has. This cannot be undone.", ...choices);
  if (chosen === "archive") return archive(true)();
  if (chosen !== "delete") return;
  await call(`/api/conversations/${one.id}`, {}, "DELETE");
  if (one.id === state.id) return void (location.href = "/");
  toast(`“${one.title}” is deleted`, { topic: "archive" });
  await changed();
}
