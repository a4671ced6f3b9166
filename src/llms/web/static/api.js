// The server's doors: JSON in, JSON out; an error is thrown with the server's own words.

const CHANGES = /^\/api\/(conversations|runs|import|presets)\b/;
/** Where the tabs of one browser hear what another one has changed, {method, path}. */
export const tabs = new BroadcastChannel("llms");

export function changed(method, path) {
  if (CHANGES.test(path)) tabs.postMessage({ method, path });
}

export async function call(path, body, method = body === undefined ? "GET" : "POST") {
  const response = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  let found = null;
  try {
    found = text ? JSON.parse(text) : null;
  } catch {
    found = { error: text.slice(0, 300) };
  }
  if (!response.ok) throw new Error(found?.error ?? `the server answered ${response.status}`);
  if (method !== "GET") changed(method, path);
  return found;
}

export async function upload(file) {
  const form = new FormData();
  form.append("file", file, file.name || "pasted");
  const response = await fetch("/api/attachments", { method: "POST", body: form });
  const found = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
  if (!response.ok) throw new Error(found.error);
  return found;
}

/** Make an element: make("p", {class: "x", onclick: f}, "text", child). Text is never read as HTML. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Where a dialog has closed: the focus goes back to `element`, unless it has gone on meanwhile. */
export const focusBack = (element) => document.activeElement === document.body && element?.focus();
