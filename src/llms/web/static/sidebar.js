// The list of conversations: the pinned, then by date; found, opened, renamed, put away. drawer.js shows it where it is narrow.
import { call, make } from "./api.js";
import { chatMenu } from "./chat_menu.js";
import { openImport } from "./dialogs.js";
import { close } from "./drawer.js";
import { iconButton } from "./icons.js";
import { menuAt } from "./menu.js";
import { $, guarded, state } from "./session.js";

const STEP = 200; // conversations that are listed at first, and more with each click
let most = STEP;
let archived = false;

export async function listing() {
  const query = $("search").value.trim();
  const path = query ? `/api/search?q=${encodeURIComponent(query)}` : `/api/conversations?limit=${most}&archived=${archived}`;
  const rows = await call(path);
  if (query !== $("search").value.trim()) return; // a later one is on its way
  show(rows, query);
}

function show(rows, query) {
  const place = $("conversations").scrollTop;
  const groups = new Map();
  for (const one of rows) {
    const name = query ? "Found" : one.pinned ? "Pinned" : group(new Date(one.updated));
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  const drawn = [...groups].flatMap(([name, members]) => [make("h2", {}, name), make("ul", {}, ...members.map(row))]);
  if (!rows.length) drawn.push(make("p", { class: "soft" }, query ? "Nothing found." : archived ? "Nothing is archived." : "No chats yet."));
  if (!query && rows.length === most) drawn.push(make("button", { type: "button", class: "quiet", onclick: guarded(() => ((most *= 4), listing())) }, "Show older ones"));
  if (!$("conversations").querySelector("input")) $("conversations").replaceChildren(...drawn); // not while one is renamed
  $("conversations").scrollTop = place;
}

const DAY = 24 * 3600 * 1000;

/** The part of the list for what was used at `when`, by the calendar of this machine. */
export function group(when, now = new Date()) {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const days = Math.ceil((midnight - when.getTime()) / DAY); // 0 or less: today
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days <= 7) return "Previous 7 days";
  if (days <= 30) return "Previous 30 days";
  return when.toLocaleDateString(undefined, { month: "long", year: "numeric" });
}

function row(one) {
  const link = make("a", { href: `/c/${one.id}${one.node ? `?node=${one.node}` : ""}`, title: one.title, onclick: () => close() });
  if (one.id === state.id) link.setAttribute("aria-current", "page");
  link.append(...(one.snippet && !one.node ? marked(one.snippet) : [one.title]));
  if (one.node) link.append(make("span", { class: "soft result" }, ...marked(one.snippet)));
  const button = iconButton("more", `Menu of ${one.title}`);
  menuAt(button, () => chatMenu(one, link, listing));
  return make("li", {}, link, button);
}

function marked(snippet) {
  return snippet.split(/\u0002(.*?)\u0003/).map((piece, place) => (place % 2 ? make("mark", {}, piece) : piece));
}

$("new").addEventListener("click", () => (location.href = "/"));
let wait = 0;
$("search").addEventListener("input", () => {
  clearTimeout(wait);
  wait = setTimeout(guarded(listing), 150);
});
$("archived").addEventListener("click", guarded(() => {
  archived = !archived;
  $("archived").setAttribute("aria-pressed", String(archived));
  $("search").value = "";
  return listing();
}));
$("import").addEventListener("click", () => openImport(listing));
show(state.listed, "");
$("conversations").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
