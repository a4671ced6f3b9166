// Markdown to safe HTML: no raw HTML, no remote images or fonts, links that show where they lead.
import { Marked } from "./vendor/marked.js";

const escape = (text) =>
  text.replace(/[&<>"']/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c]);

const marked = new Marked({
  gfm: true,
  breaks: false,
  renderer: {
    html: ({ text }) => escape(text),
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
  },
});

const ALLOWED = {
  ALLOWED_TAGS: ["p", "br", "strong", "em", "del", "code", "pre", "ul", "ol", "li", "blockquote", "h1", "h2", "h3", "h4",
    "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "hr", "a", "span", "input"],
  ALLOWED_ATTR: ["href", "target", "rel", "class", "align", "start", "type", "checked", "disabled"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ADD_URI_SAFE_ATTR: ["align", "start", "type", "checked", "disabled"],
};

/** Put `text`, Markdown, into `element`. */
export function show(element, text) {
  element.innerHTML = globalThis.DOMPurify.sanitize(marked.parse(text), ALLOWED);
  for (const link of element.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const block of element.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.className = "quiet";
    button.type = "button";
    button.textContent = "Copy code";
    button.addEventListener("click", () => navigator.clipboard.writeText(block.querySelector("code")?.textContent ?? ""));
    block.after(button);
  }
}
