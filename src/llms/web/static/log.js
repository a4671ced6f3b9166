// The log: the active path as articles, at its end as long as the person stays there.
import { call } from "./api.js";
import { article, fill } from "./message.js";
import { $, state } from "./session.js";
import { moment, use } from "./settings.js";

export const log = $("log");
/** What can be done with a message, by name; actions.js fills it. */
export const acts = {};

let following = true;
log.addEventListener("scroll", () => (following = log.scrollHeight - log.scrollTop - log.clientHeight < 60));

export function bottom(always = false) {
  if (always) following = true;
  if (following) log.scrollTop = log.scrollHeight;
}

export function draw(path) {
  state.path = path;
  const known = new Map([...log.querySelectorAll("article")].map((element) => [element.dataset.node, element]));
  const wanted = path.map((node) => {
    const element = known.get(node.id);
    const print = JSON.stringify(node);
    if (element && element.dataset.print === print) return element;
    if (element) fill(element, node, acts);
    const fresh = element ?? article(node, acts);
    fresh.dataset.print = print;
    return fresh;
  });
  wanted.forEach((element, place) => {
    if (log.children[place] !== element) log.insertBefore(element, log.children[place] ?? null);
  });
  while (log.children.length > wanted.length) log.lastElementChild.remove();
  bottom();
}

export async function reload() {
  if (!state.id) return;
  const asked = moment();
  const found = await call(`/api/conversations/${state.id}`);
  use(found.settings, asked);
  for (const name of ["run", "title", "pinned", "archived"]) state[name] = found[name];
  $("title").textContent = found.title;
  document.title = `${found.title} · llms`;
  $("cost").textContent = found.spent;
  draw(found.path);
  return found;
}
