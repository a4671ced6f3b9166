// Markdown to safe elements: no raw HTML, no remote images or fonts, links that show where they lead. A text that grows is
// parsed again from its last blocks alone, and then stands there as if all of it had been parsed.
import { barred, languageOf } from "./code.js";
import { footnotes, section } from "./footnotes.js";
import { math, typeset } from "./math.js";
import cjkFriendly from "./vendor/cjk.js";
import { Lexer, Marked } from "./vendor/marked.js";

const escape = (text) =>
  text.replace(/[&<>"']/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c]);

const WITHOUT_WORDS = /[\u1100-\u11ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\u{1f200}-\u{1f2ff}\u{20000}-\u{3ffff}]/u;
const cjk = cjkFriendly().tokenizer;
/** In Chinese, Japanese and Korean no blank tells where emphasis begins and ends; other texts keep Marked's rules. */
const emphasis = (name) =>
  function (text, masked, before) {
    return WITHOUT_WORDS.test(text) ? cjk[name].call(this, text, masked, before) : false;
  };

const marked = new Marked(math, footnotes, {
  gfm: true,
  breaks: true,
  tokenizer: {
    emStrong: emphasis("emStrong"),
    del: emphasis("del"),
    /** A tag is text, and so is what stands behind it. */
    tag(text) {
      const raw = this.rules.inline.tag.exec(text)?.[0];
      return raw && { type: "html", raw, text: raw, block: false };
    },
  },
  renderer: {
    html({ text, block }) {
      if (block) return `<p>${escape(text.trim()).replaceAll("\n", "<br>")}</p>`;
      return /^<br ?\/?>$/i.test(text) ? "<br>" : escape(text); // the only way to break a line in a table
    },
    image: ({ text, href }) => `<span class="soft">[image not loaded: ${escape(text || "")} ${escape(href || "")}]</span>`,
    link({ href, tokens }) {
      const words = this.parser.parseInline(tokens);
      let host = "";
      try {
        const url = new URL(href);
        if (!["http:", "https:", "mailto:"].includes(url.protocol)) return words;
        host = url.host;
      } catch {
        return words;
      }
      const shown = words.includes(escape(host)) || !host ? "" : ` <span class="soft">(${escape(host)})</span>`;
      return `<a href="${escape(href)}" target="_blank" rel="noopener noreferrer nofollow">${words}</a>${shown}`;
    },
    code(token) {
      const whole = closed(token) ? " data-whole" : "";
      return `<pre><code data-language="${escape(languageOf(token.lang))}"${whole}>${escape(token.text)}</code></pre>`;
    },
  },
});

/** Whether a code block is at its end, and not still being written. */
const closed = ({ raw }) => !/^ {0,3}[`~]/.test(raw) || /\n {0,3}(`{3,}|~{3,})[ \t]*\n*$/.test(raw);

const ALLOWED = {
  ALLOWED_TAGS: ["p", "br", "strong", "em", "del", "code", "pre", "ul", "ol", "li", "blockquote", "h1", "h2", "h3", "h4",
    "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "hr", "a", "span", "input", "sup", "div"],
  ALLOWED_ATTR: ["href", "target", "rel", "class", "align", "start", "type", "checked", "disabled"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ADD_URI_SAFE_ATTR: ["align", "start", "type", "checked", "disabled"],
  RETURN_DOM_FRAGMENT: true,
};

/** The elements of each of `tokens`, safe, and with all that they need to be read. */
function drawn(tokens) {
  const html = tokens.map((token) => `<div>${marked.parser([token])}</div>`).join("");
  const fragment = globalThis.DOMPurify.sanitize(html, ALLOWED);
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const box of fragment.querySelectorAll("input")) {
    box.setAttribute("aria-label", box.checked ? "done" : "to do");
    box.closest("li")?.classList.add("task");
  }
  directed(fragment);
  barred(fragment);
  for (const table of fragment.querySelectorAll("table")) {
    const frame = document.createElement("div");
    frame.className = "scroll";
    frame.tabIndex = 0;
    frame.setAttribute("role", "group");
    frame.setAttribute("aria-label", "Table");
    table.replaceWith(frame);
    frame.append(table);
  }
  typeset(fragment);
  return [...fragment.children].map((block) => [...block.childNodes].filter((node) => node.nodeType !== 3 || node.data.trim()));
}

const FIRST_LETTER = /[\p{L}]/u;
const LEFTWARD = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** Each block runs as its own first letter does; what holds blocks as their first one. */
function directed(root) {
  for (const block of root.querySelectorAll("p, h1, h2, h3, h4, h5, h6, th, td")) block.dir = "auto";
  for (const block of root.querySelectorAll("ul, ol, li, blockquote, table")) {
    const first = block.matches("ul, ol, table") ? block.firstElementChild : block;
    const letter = FIRST_LETTER.exec(first?.textContent ?? "")?.[0] ?? "";
    if (LEFTWARD.test(letter)) block.dir = "rtl";
    else if (block.parentElement?.closest("[dir=rtl]")) block.dir = "ltr";
  }
}

/** How a block becomes a later state of itself at its end alone: the nodes that leave `parent` and those that come; null if
 * it must be drawn anew. Code that is not at its end is changed at once. */
function growth(old, token) {
  if (!old || old.type !== token?.type) return null;
  if (token.type === "code" && old.lang === token.lang && !closed(token) && !closed(old)) {
    old.nodes[0].querySelector("code").textContent = token.text;
    return { gone: [], nodes: [] };
  }
  const [field, container] = { list: ["items", "ul, ol"], table: ["rows", "tbody"] }[token.type] ?? [];
  if (!field || head(old) !== head(token)) return null;
  const [before, after] = [old[field], token[field]];
  let first = 0;
  while (first < before.length && first < after.length && written(before[first]) === written(after[first])) first++;
  if (!first) return null;
  const within = ([node]) => (node.matches(container) ? node : node.querySelector(container));
  const parent = within(old.nodes);
  const gone = [];
  for (let node = parent.children[first - 1].nextSibling; node; node = node.nextSibling) gone.push(node);
  const [nodes] = drawn([{ ...token, [field]: [after[0], ...after.slice(first)] }]); // the first one says how all of them run
  const fresh = within(nodes);
  fresh.firstElementChild.remove();
  if (fresh.childNodes.length > 1 && token.type === "list") fresh.firstChild.remove();
  return { parent, gone, nodes: [...fresh.childNodes] };
}

const head = ({ ordered, start, loose, header, align }) => JSON.stringify([ordered, start, loose, header?.map((cell) => cell.text), align]);
const written = (part) => part.raw ?? part.map((cell) => cell.text).join("\n|");

const SILENT = new Set(["space", "def", "note"]);
let writers = 0;

/** Where Markdown that grows is shown, in `element`. */
class Writer {
  constructor(element) {
    this.element = element;
    this.prefix = `note-${++writers}`;
    this.begin();
  }

  begin() {
    this.element.classList.add("prose");
    this.element.replaceChildren();
    this.settled = ""; // the text of all blocks that no further text can change
    this.links = {};
    this.notes = new Map();
    this.blocks = []; // tokens with their nodes, settled ones first
    this.firm = 0; // how many of them are settled
    this.section = null;
    this.known = "";
  }

  /** Show `text`: the number of blocks that were parsed for it. */
  update(text) {
    this.text = text;
    if (text.includes("\r")) text = text.replace(/\r\n?/g, "\n");
    if (!text.startsWith(this.settled)) this.begin();
    const tokens = this.lex(text.slice(this.settled.length));
    const visible = tokens.filter((token) => !SILENT.has(token.type));
    const known = JSON.stringify([tokens.links, [...tokens.notes].map(([label, note]) => [label, note.raw])]);
    const changed = known !== this.known;
    this.known = known;
    let touched = changed && this.mentions(tokens);
    touched = this.replace(visible, changed) || touched;
    if (changed || (touched && tokens.notes.size)) this.number(tokens);
    this.settle(tokens);
    return tokens.length;
  }

  /** The blocks of `text`, which may refer to what is defined in it, or was before (`links` and `notes`). */
  lex(text, { links, notes } = this) {
    const lexer = new Lexer(marked.defaults);
    lexer.tokens.links = Object.assign(Object.create(null), links);
    lexer.tokens.notes = new Map(notes);
    return lexer.lex(text);
  }

  /** Draw the settled blocks again that may refer to what is defined now. */
  mentions(tokens) {
    let any = false;
    for (const block of this.blocks.slice(0, this.firm)) {
      if (!block.raw.includes("[")) continue;
      const [nodes] = drawn(this.lex(block.raw, tokens).slice(0, 1));
      block.nodes[0]?.before(...nodes);
      for (const node of block.nodes) node.remove();
      block.nodes = nodes;
      any = true;
    }
    return any;
  }

  /** Put the blocks that are not settled in place of the former ones; true if any refers to a note. */
  replace(tokens, changed) {
    const old = this.blocks.splice(this.firm);
    let same = 0;
    const stays = (block, token) => block?.raw === token?.raw && block?.type === token?.type && !(changed && token?.raw.includes("["));
    while (same < Math.min(old.length, tokens.length) && stays(old[same], tokens[same])) same++;
    const grown = changed ? null : growth(old[same], tokens[same]);
    if (grown) {
      old[same] = { ...tokens[same], nodes: old[same].nodes };
      same++;
    }
    const gone = [...(grown?.gone ?? []), ...old.slice(same).flatMap((block) => block.nodes)];
    for (const node of gone) node.remove();
    grown?.parent?.append(...grown.nodes);
    const fresh = drawn(tokens.slice(same));
    this.blocks.push(...old.slice(0, same));
    for (const [at, nodes] of fresh.entries()) {
      this.blocks.push({ ...tokens[same + at], nodes });
      for (const node of nodes) this.element.insertBefore(node, this.section);
    }
    fresh.push(grown?.nodes ?? []);
    return [...gone, ...fresh.flat()].some((node) => node.querySelector?.("sup[data-note]"));
  }

  /** Write the notes, and their numbers into the text. */
  number(tokens) {
    this.section?.remove();
    this.section = section(this.element, tokens.notes, (inner) => drawn(this.lex(inner, tokens)).flat(), this.prefix);
    if (this.section) this.element.append(this.section);
  }

  /** Blocks before a blank line, behind which two more have begun, are no longer changed by what comes. */
  settle(tokens) {
    let end = tokens.length;
    for (let after = 0; end > 0; end--) {
      if (after >= 2 && /\n[ \t]*\n[ \t]*$/.test(tokens[end - 1].raw)) break;
      if (tokens[end - 1].type !== "space") after++;
    }
    if (!end) return;
    const firm = tokens.slice(0, end);
    const raw = firm.map((token) => token.raw).join("");
    if (raw.includes("]:")) {
      const kept = this.lex(raw);
      Object.assign(this, { links: kept.links, notes: kept.notes });
    }
    this.settled += raw;
    const from = this.firm;
    this.firm += firm.filter((token) => !SILENT.has(token.type)).length;
    for (let at = from; at < this.firm; at++) this.blocks[at] = { raw: this.blocks[at].raw, nodes: this.blocks[at].nodes };
  }
}

const RECENT = 4;
const recent = []; // the last writers of growing texts

/** A place for Markdown that grows: `update(text)` with all of it each time. */
export function stream(element) {
  const writer = new Writer(element);
  recent.push(writer);
  if (recent.length > RECENT) recent.shift();
  return writer;
}

/** Put `text`, Markdown, into `element`; if it has just been written elsewhere, its elements move here. */
export function show(element, text) {
  const at = recent.findIndex((writer) => writer.text === text && writer.element !== element);
  if (at < 0) return void new Writer(element).update(text);
  const [writer] = recent.splice(at, 1);
  element.classList.add("prose");
  element.replaceChildren(...writer.element.childNodes);
  writer.begin(); // should it go on, it does so from nothing
}
