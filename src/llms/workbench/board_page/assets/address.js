// The state of the page is its address, behind the #: it can be shared, and back and forward go through it.

/** The state that the address says; what it does not say is as `initial`. */
export function readAddress(initial) {
  const words = new URLSearchParams(location.hash.slice(1));
  const one = (name, allowed) => (words.has(name) && (!allowed || allowed.includes(words.get(name))) ? words.get(name) : initial[name]);
  return {
    ...initial,
    q: one("q"),
    sort: one("sort"),
    dir: one("dir", ["best", "worst"]),
    by: one("by", ["value", "low"]),
    evidence: one("evidence", ["all", "here", "own"]),
    partial: words.get("partial") !== "no",
    parts: words.get("parts") === "yes",
    old: words.get("old") === "yes",
    published: words.get("published") === "yes",
    n: Math.max(0, Math.floor(Number(words.get("n"))) || 0),
    nogroup: new Set(words.getAll("nogroup")),
    hide: new Set(words.getAll("hide")),
    drop: new Set(words.getAll("drop")),
    view: one("view", ["table", "scatter", "bars"]),
    x: one("x"),
    y: one("y"),
    pick: words.has("pick") ? words.getAll("pick") : initial.pick,
    cell: words.has("cell") ? [words.get("cell"), words.get("of") ?? ""] : null,
  };
}

/** The address of a state: what is as `initial` is left out. */
export function address(state, initial) {
  const words = new URLSearchParams();
  for (const name of ["view", "q", "sort", "dir", "by", "evidence", "x", "y"]) if (state[name] !== initial[name]) words.set(name, state[name]);
  if (!state.partial) words.set("partial", "no");
  if (state.parts) words.set("parts", "yes");
  if (state.old) words.set("old", "yes");
  if (state.published) words.set("published", "yes");
  if (state.n) words.set("n", state.n);
  for (const name of ["nogroup", "hide", "drop"]) for (const value of state[name]) words.append(name, value);
  if (state.pick !== initial.pick) for (const value of state.pick) words.append("pick", value);
  if (state.cell) {
    words.set("cell", state.cell[0]);
    words.set("of", state.cell[1]);
  }
  return location.pathname + location.search + (words.size ? `#${words}` : "");
}
