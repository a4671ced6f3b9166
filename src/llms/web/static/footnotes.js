// Footnotes in Markdown: [^1] in the text, `[^1]: words` on a line of its own; what is never referred to stands behind.

const DEFINITION = /^ {0,3}\[\^([^\]\s]{1,80})\]:[ \t]*([^\n]*(?:\n(?! {0,3}\[\^[^\]\s]+\]:)[ \t]*\S[^\n]*)*(?:\n(?:[ \t]*\n)+(?: {2}|\t)[ \t]*\S[^\n]*(?:\n[ \t]*\S[^\n]*)*)*)(?:\n+|$)/;
const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

/** What Marked needs; the definitions that a lexer meets are in its `tokens.notes`, label to token, the first one counts. */
export const footnotes = {
  extensions: [
    {
      name: "note",
      level: "block",
      start(text) {
        const end = text.indexOf("\n\n"); // of the paragraph that it may end
        const line = /\n {0,3}(?=\[\^[^\]\s]+\]:)/.exec(end < 0 ? text : text.slice(0, end));
        return line ? line.index + 1 : undefined;
      },
      tokenizer(text) {
        const found = DEFINITION.exec(text);
        if (!found) return undefined;
        const label = found[1].toLowerCase();
        const token = { type: "note", raw: found[0], label, inner: found[2].replace(/^(?: {1,4}|\t)/gm, "") };
        const notes = (this.lexer.tokens.notes ??= new Map());
        if (!notes.has(label)) notes.set(label, token);
        return token;
      },
      renderer: () => "",
    },
    {
      name: "noteref",
      level: "inline",
      start(text) {
        const index = text.indexOf("[^");
        return index < 0 ? undefined : index;
      },
      tokenizer(text) {
        const found = /^\[\^([^\]\s]{1,80})\]/.exec(text);
        const label = found?.[1].toLowerCase();
        if (!found || !this.lexer.tokens.notes?.has(label)) return undefined;
        return { type: "noteref", raw: found[0], label };
      },
      renderer: ({ label }) => `<sup class="note" data-note="${escape(label)}"></sup>`,
    },
  ],
};

function jump(link, target) {
  link.addEventListener("click", (event) => {
    event.preventDefault(); // the address is the conversation's
    target().scrollIntoView({ block: "nearest" });
    target().focus({ preventScroll: true });
  });
  return link;
}

function anchor(id, to, text, label, target) {
  const link = jump(document.createElement("a"), target);
  Object.assign(link, { id, href: `#${to}`, textContent: text });
  if (label) link.setAttribute("aria-label", label);
  return link;
}

/** The notes as a section, numbered as the text refers to them, and the numbers into the text; null if there are none.
 * `root` holds the text; `notes` are label to token; `render(inner)` makes elements of the words of one; `prefix` begins the ids. */
export function section(root, notes, render, prefix) {
  const order = [];
  const bodies = new Map();
  const meet = (marks) => {
    for (const mark of marks) {
      const { note } = mark.dataset;
      if (!order.includes(note)) order.push(note);
    }
  };
  const body = (label) => {
    bodies.set(label, render(notes.get(label).inner));
    for (const node of bodies.get(label)) if (node.querySelectorAll) meet(node.querySelectorAll("sup[data-note]"));
  };
  meet(root.querySelectorAll(":scope > :not(.notes) sup[data-note], :scope > sup[data-note]"));
  for (let at = 0; at < order.length; at++) body(order[at]);
  for (const label of notes.keys()) {
    if (order.includes(label)) continue;
    order.push(label);
    for (let at = order.length - 1; at < order.length; at++) body(order[at]);
  }
  if (!order.length) return null;
  const list = document.createElement("ol");
  for (const [at, label] of order.entries()) {
    const item = document.createElement("li");
    item.id = `${prefix}-${at + 1}`;
    item.tabIndex = -1;
    item.append(...bodies.get(label));
    list.append(item);
  }
  const result = document.createElement("section");
  result.className = "notes";
  result.setAttribute("aria-label", "Footnotes");
  result.append(list);
  const first = new Set();
  for (const mark of [...root.querySelectorAll(":scope > :not(.notes) sup[data-note]"), ...list.querySelectorAll("sup[data-note]")]) {
    const number = order.indexOf(mark.dataset.note) + 1;
    const item = list.children[number - 1];
    const link = anchor(`${prefix}-ref-${number}`, item.id, String(number), `Footnote ${number}`, () => item);
    mark.replaceChildren(link);
    if (first.has(number)) {
      link.removeAttribute("id");
      continue;
    }
    first.add(number);
    const back = anchor("", link.id, "↩", `Back to the text from footnote ${number}`, () => link);
    back.removeAttribute("id");
    const last = item.lastElementChild?.tagName === "P" ? item.lastElementChild : item;
    last.append(" ", back);
  }
  return result;
}
