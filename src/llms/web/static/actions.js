// What can be done with a message: copied, answered again, carried on, turned to another version, forked.
import { call } from "./api.js";
import { edit } from "./composer.js";
import { openSaw } from "./dialogs.js";
import { acts, reload } from "./log.js";
import { attach } from "./run.js";
import { $, clearToasts, copy, guarded, state } from "./session.js";

const begin = async (path, body) => {
  if (state.source) throw new Error("an answer is still being written; stop it first");
  clearToasts("answer");
  const begun = await call(path, body);
  await reload();
  if (begun.run) attach(begun.run, 0);
};
Object.assign(acts, {
  copy: guarded((node, button) => copy(node.parts.filter((part) => part.type === "text").map((part) => part.text).join("\n\n"), button)),
  edit,
  again: guarded((node) => begin(`/api/conversations/${state.id}/again`, { node: node.id })),
  more: guarded((node) => begin(`/api/conversations/${state.id}/continue`, { node: node.id })),
  turn: guarded(async (id) => {
    if (!id) return;
    await call(`/api/conversations/${state.id}/switch`, { node: id });
    await reload();
    document.getElementById(`n-${id}`)?.querySelector("button")?.focus();
  }),
  fork: guarded(async (node) => {
    const made = await call(`/api/conversations/${state.id}/fork`, { node: node.id });
    location.href = `/c/${made.id}`;
  }),
  saw: guarded((node) => openSaw(state.id, node.id)),
});
