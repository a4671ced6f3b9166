// Code blocks: a bar with the language and a copy button, colours from highlight.js, which the first block loads.
import { make } from "./api.js";

const LONGEST = 50_000; // characters that are coloured
const COPIED_MS = 2000;

let highlighter = null;
let loading = null;
const waiting = new Map();
const coloured = new Map(); // language and text -> what was made of it

function load() {
  loading ??= import("./vendor/highlight.js").then((module) => {
    highlighter = module.default;
    for (const [code, language] of waiting) colour(code, language);
    waiting.clear();
  }).catch(() => (loading = null)); // without colours it is as readable
}

function colour(code, language) {
  const text = code.textContent;
  if (!highlighter.getLanguage(language) || text.length > LONGEST) return;
  const key = `${language} ${text}`;
  let result = coloured.get(key);
  if (!result) {
    const html = highlighter.highlight(text, { language, ignoreIllegals: true }).value;
    result = globalThis.DOMPurify.sanitize(html, { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true });
    if (coloured.size >= 100) coloured.delete(coloured.keys().next().value);
    coloured.set(key, result);
  }
  code.replaceChildren(result.cloneNode(true));
}

/** The language that the words behind a fence name: "python" of "python title=x.py"; "" if they name none. */
export const languageOf = (words) => /^\{?\.?([\w+#-][\w+#.-]*)/.exec(words ?? "")?.[1] ?? "";

/** Give each `pre` in `root` its bar. */
export function barred(root) {
  for (const pre of root.querySelectorAll("pre")) {
    const code = pre.querySelector("code");
    const language = code.dataset.language ?? "";
    const copy = make("button", { type: "button", class: "quiet", onclick: () => copied(copy, code) }, "Copy");
    const block = make("figure", { class: "code" }, make("figcaption", {}, make("span", {}, language || "text"), copy));
    pre.tabIndex = 0;
    pre.dir = "ltr";
    pre.setAttribute("role", "group");
    pre.setAttribute("aria-label", language ? `Code, ${language}` : "Code");
    pre.replaceWith(block);
    block.append(pre);
    if (code.dataset.whole !== undefined) highlight(code, language.toLowerCase());
    delete code.dataset.whole;
  }
}

function highlight(code, language) {
  if (!language) return;
  if (highlighter) colour(code, language);
  else {
    waiting.set(code, language);
    load();
  }
}

async function copied(button, code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code); // no clipboard under this address: one key is left to press
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => (button.textContent = "Copy"), COPIED_MS);
}
