// Mathematics in Markdown: \( \), \[ \], $$ $$, $ $ and \begin{…}; prices are none. KaTeX is loaded by the first formula.

const LONGEST = 4000; // characters of a formula
const SETTINGS = { throwOnError: true, trust: false, strict: "ignore", maxExpand: 500, maxSize: 30, output: "htmlAndMathml" };

// one character of a formula; none goes on behind a blank line, and code ends it
const STEP = String.raw`(?:\\[^)\]\n]|(?!\n[ \t]*\n)[^\\])`;
const ENVIRONMENT = String.raw`\\begin\{((?:equation|align|alignat|gather|multline|cases|array|[bpvBV]?matrix|split|aligned|gathered)\*?)\}`;
const DISPLAY = [
  new RegExp(String.raw`^\\\[(${STEP}{1,${LONGEST}}?)\\\]`),
  new RegExp(String.raw`^\$\$(?!\$)((?:\\[^\n]|(?!\n[ \t]*\n)[^\\$]){1,${LONGEST}}?)\$\$(?!\$)`),
];
const WHOLE = new RegExp(String.raw`^${ENVIRONMENT}(?:(?!\n[ \t]*\n)[\s\S]){1,${LONGEST}}?\\end\{\1\}`);
const ROUND = new RegExp(String.raw`^\\\((${STEP}{1,${LONGEST}}?)\\\)`);
const DOLLAR = /^\$(?![\s$])((?:\\[^\n]|(?!\n[ \t]*\n)[^\\$`]){1,1000}?)(?<![\s:/(,;<–—])\$(?![\d$])/;
const PROSE = /^[\s\p{L}.,;:'’!?-]*$/u;

/** Whether what stands between dollars is an amount and words behind it, not a formula: "$5 for you and 20$". */
function priced(inner) {
  return /^[\d.,]+[\s\p{L}%]*\s\p{L}{2,}/u.test(inner) && !/[\\^_={}<>]/.test(inner);
}

/** What `text` begins with: {raw, tex, display}; undefined if that is no formula. `before` is the character before it. */
function formula(text, before = "") {
  if (text[0] === "\\") {
    const round = ROUND.exec(text);
    if (round) return { raw: round[0], tex: round[1], display: false };
    const square = DISPLAY[0].exec(text);
    if (square) return { raw: square[0], tex: square[1], display: true };
    const whole = WHOLE.exec(text);
    return whole ? { raw: whole[0], tex: whole[0], display: true } : undefined;
  }
  if (/[A-Za-z0-9_$\\]/.test(before)) return undefined;
  const double = DISPLAY[1].exec(text);
  if (double) return before && PROSE.test(double[1]) ? undefined : { raw: double[0], tex: double[1], display: true };
  const single = DOLLAR.exec(text);
  if (!single || single[1].includes("](") || priced(single[1])) return undefined;
  return { raw: single[0], tex: single[1], display: false };
}

const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const written = ({ raw, tex, display }) =>
  `<span class="math${display ? " display" : ""}" data-tex="${escape(tex)}">${escape(raw.trim())}</span>`;

/** What Marked needs to leave formulas whole. */
export const math = {
  extensions: [
    {
      name: "formula",
      level: "block",
      start(text) {
        const end = text.indexOf("\n\n"); // of the paragraph that it may end
        const line = /\n {0,3}(?=\$\$|\\\[|\\begin\{)/.exec(end < 0 ? text : text.slice(0, end));
        return line ? line.index + 1 : undefined;
      },
      tokenizer(text) {
        const indent = /^ {0,3}(?=\$\$|\\\[|\\begin\{)/.exec(text)?.[0];
        if (indent === undefined) return undefined;
        const found = formula(text.slice(indent.length));
        if (!found?.display) return undefined;
        const end = /^([.,;:]?)[ \t]*(?:\n+|$)/.exec(text.slice(indent.length + found.raw.length));
        if (!end) return undefined;
        return { type: "formula", raw: indent + found.raw + end[0], tex: found.tex + end[1], shown: found.raw + end[1] };
      },
      renderer: ({ tex, shown }) => `<p>${written({ raw: shown, tex, display: true })}</p>\n`,
    },
    {
      name: "math",
      level: "inline",
      start(text) {
        const index = text.search(/\$|\\[([]|\\begin\{/);
        return index < 0 ? undefined : index;
      },
      tokenizer(text, tokens) {
        if (text[0] !== "$" && text[0] !== "\\") return undefined;
        const found = formula(text, tokens.at(-1)?.raw.at(-1));
        return found && { type: "math", ...found };
      },
      renderer: written,
    },
  ],
  tokenizer: {
    /** A line of signs in a formula underlines no heading. */
    lheading: (text) => (/^[^\n]*\n(?:[^\n]+\n)*? {0,3}(?:\$\$|\\\[|\\begin\{)/.test(text) ? undefined : false),
  },
  hooks: {
    /** Stars and underscores in a formula are no emphasis. */
    emStrongMask(text) {
      let masked = text;
      for (let at = text.search(/[$\\]/); at >= 0 && at < text.length; at++) {
        if (text[at] !== "$" && text[at] !== "\\") continue;
        const found = formula(text.slice(at), text[at - 1]);
        if (!found) {
          if (text[at] === "\\") at++;
          continue;
        }
        masked = `${masked.slice(0, at)}[${"a".repeat(found.raw.length - 2)}]${masked.slice(at + found.raw.length)}`;
        at += found.raw.length - 1;
      }
      return masked;
    },
  },
};

let katex = null;
let loading = null;
const waiting = new Set();
const drawn = new Map(); // formula -> its element, so that a formula in a growing list is set once

function load() {
  loading ??= (async () => {
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = new URL("vendor/katex.css", import.meta.url).href;
    const styled = new Promise((done) => (sheet.onload = sheet.onerror = done));
    document.head.append(sheet);
    await Promise.all([styled, import("./vendor/katex.js")]);
    katex = globalThis.katex;
    for (const element of waiting) set(element);
    waiting.clear();
  })().catch(() => (loading = null)); // the source stays; the next formula tries again
}

function set(element) {
  const { tex } = element.dataset;
  const display = element.classList.contains("display");
  const key = `${display}${tex}`;
  let result = drawn.get(key);
  if (!result) {
    result = document.createElement("span");
    try {
      katex.render(tex, result, { ...SETTINGS, displayMode: display });
    } catch (error) {
      result.replaceChildren(element.textContent);
      result.title = error.message;
    }
    if (drawn.size >= 500) drawn.delete(drawn.keys().next().value);
    drawn.set(key, result);
  }
  if (result.title) Object.assign(element, { title: result.title }).classList.add("unset");
  else element.replaceChildren(...result.cloneNode(true).childNodes);
}

/** Set the formulas in `root`: at once if KaTeX is there, else as soon as it is. */
export function typeset(root) {
  for (const element of root.querySelectorAll(".math")) {
    if (element.classList.contains("display")) {
      element.tabIndex = 0; // it may be wider than the column, and is then scrolled
      element.setAttribute("role", "group");
      element.setAttribute("aria-label", "Formula");
    }
    if (katex) set(element);
    else waiting.add(element);
  }
  if (waiting.size && !katex) load();
}
