// The one line above the messages: the title, renamed by a click, and the menu of the open chat.
import { chatMenu, retitle } from "./chat_menu.js";
import { openKeys } from "./keys.js";
import { menuAt } from "./menu.js";
import { $, state, toast } from "./session.js";
import { listing } from "./sidebar.js";

$("title").addEventListener("click", () => {
  if (state.id) retitle(state, $("title"), listing);
  else toast("The first message gives the chat its title; then it can be changed here.", { topic: "title" });
});
menuAt($("menu-open"), () => [
  ...(state.id ? [...chatMenu(state, $("title"), listing), null] : []),
  { label: "New chat", icon: "plus", href: "/" },
  { label: "Keys", icon: "keyboard", act: openKeys },
]);
