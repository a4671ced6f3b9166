// The list of conversations: found, opened, the drawer of small screens.
import { call, make } from "./api.js";
import { $, guarded, state } from "./session.js";

export async function listing() {
  const query = $("search").value.trim();
  const found = await call(query ? `/api/search?q=${encodeURIComponent(query)}` : "/api/conversations");
  $("conversations").replaceChildren(
    ...found.map((one) => {
      const link = make("a", { href: `/c/${one.id}${one.node ? `?node=${one.node}` : ""}`, title: one.title });
      if (one.id === state.id) link.setAttribute("aria-current", "page");
      link.append(one.title);
      if (one.snippet) link.append(make("br"), make("span", { class: "soft result" }, ...marked(one.snippet)));
      return make("li", {}, link);
    }),
  );
  if (query && !found.length) $("conversations").append(make("li", { class: "soft" }, "nothing found"));
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
$("side-toggle").addEventListener("click", () => {
  const open = $("side").classList.toggle("open");
  $("side-toggle").setAttribute("aria-expanded", String(open));
  if (open) $("search").focus();
});
