// The list as a drawer, where there is no room beside the chat: opened by a button, closed by its own, Escape or a click beside it.
import { $ } from "./session.js";

const narrow = matchMedia("(max-width: 760px)");

export const isOpen = () => $("side").classList.contains("open");

/** Show the list and put the cursor on `target`. */
export function open(target = $("side-close")) {
  if (narrow.matches) {
    $("side").classList.add("open");
    $("side").setAttribute("role", "dialog");
    $("side").setAttribute("aria-modal", "true");
    $("side-toggle").setAttribute("aria-expanded", "true");
    $("main").inert = true; // what lies behind it is not reached, by no key and no reader
  }
  target.focus();
}

export function close() {
  if (!isOpen()) return;
  $("side").classList.remove("open");
  $("side").setAttribute("role", "complementary");
  $("side").removeAttribute("aria-modal");
  $("side-toggle").setAttribute("aria-expanded", "false");
  $("main").inert = false;
  $("side-toggle").focus();
}

$("side-toggle").addEventListener("click", () => open());
$("side-close").addEventListener("click", close);
$("drawer-shade").addEventListener("click", close);
narrow.addEventListener("change", close);
$("side").addEventListener("keydown", (event) => {
  if (!isOpen()) return;
  if (event.key === "Escape") close();
  else if (event.key === "Tab") turn(event);
});

/** Tab goes round within the drawer. */
function turn(event) {
  const all = [...$("side").querySelectorAll("a, button, input")].filter((one) => one.checkVisibility());
  const [first, last] = [all[0], all.at(-1)];
  const [from, to] = event.shiftKey ? [first, last] : [last, first];
  if (document.activeElement !== from) return;
  event.preventDefault();
  to.focus();
}
