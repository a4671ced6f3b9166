// The answer of `choose`, drawn: one sentence, the next step, then what it rests on.
import { make } from "./api.js";

const SPACE = "http://www.w3.org/2000/svg";
const draw = (tag, attributes, ...children) => {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const points = (value) => (100 * value).toFixed(1);
const known = (value, text) => (value === null || value === undefined ? "" : text(value));

export const dollars = (value) => (value === 0 ? "free" : `$${value >= 0.01 ? value.toFixed(2) : value.toPrecision(2)}`);
export const duration = (value) => (value >= 90 ? `${(value / 60).toFixed(0)} min` : `${value.toPrecision(2)} s`);
export const bytes = (value) => (value >= 1e9 ? `${(value / 1e9).toFixed(1)} GB` : `${(value / 1e6).toFixed(0)} MB`);

/** Show `choice` in `target`; `acts` are what its buttons do: chat(system), and measure(budget) where there is a plan. */
export function showAnswer(target, choice, acts) {
  const measured = choice.candidates.filter((one) => one.value !== null);
  target.replaceChildren(
    make("p", { class: "sentence" }, choice.sentence),
    ...(choice.command ? [next(choice, acts)] : []),
    ...(choice.separating ? [make("p", { class: "sure" }, `To be surer: ${choice.separating.sentence}${price(choice.separating)}.`)] : []),
    ...(measured.length ? [table(choice), scatter(measured, choice.chosen) ?? ""] : candidates(choice)),
    ...(choice.optimism > 0.0005 ? [make("p", { class: "soft" }, `The best of several seems better than it is: by about ${points(choice.optimism)} points here.`)] : []),
    ...choice.notes.map((note) => make("p", { class: "soft" }, note)),
    ...(choice.plan.length ? [plan(choice.plan, acts)] : []),
  );
  target.classList.remove("hidden");
}

const price = ({ dollars: money, seconds }) => {
  const parts = [money ? dollars(money) : null, known(seconds, duration)].filter(Boolean);
  return parts.length ? `, about ${parts.join(", ")}` : "";
};

function next(choice, acts) {
  const system = choice.chosen[0];
  return make("p", { class: "next" }, make("button", { type: "button", class: "primary", id: "chat", onclick: () => acts.chat(system) }, "Chat with it"), make("code", {}, choice.command));
}

/** The smallest and largest bound of all, so that intervals of one table share a scale. */
function range(rows) {
  const bounds = rows.flatMap((one) => [one.low ?? one.value, one.high ?? one.value]);
  const low = Math.min(...bounds), high = Math.max(...bounds);
  return high > low ? [low, high] : [low - 0.05, high + 0.05];
}

function table(choice) {
  const rows = choice.candidates;
  const [low, high] = range(rows.filter((one) => one.value !== null));
  const at = (value) => `${(100 * (value - low)) / (high - low)}%`;
  const head = ["system", "score, %", "95 % interval", "n", "chosen in", "a task costs", "a task takes", "memory", "why not"];
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Candidates" }, make("table", { id: "candidates" },
    make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows.map((one) => make("tr", { class: choice.chosen.includes(one.system) ? "chosen" : "out", "data-system": one.system },
      make("td", { class: "system" }, one.system, choice.chosen.includes(one.system) ? make("span", { class: "good" }, " ✓ chosen") : null),
      make("td", { class: "number" }, known(one.value, points)),
      make("td", { class: "interval-cell" }, one.value === null ? "" : interval(one, at)),
      make("td", { class: "number" }, one.n ? String(one.n) : ""),
      make("td", {}, known(one.chosen_share, share)),
      make("td", { class: "number" }, known(one.cost, dollars)),
      make("td", { class: "number" }, known(one.seconds, duration)),
      make("td", { class: "number" }, one.memory_bytes ? bytes(one.memory_bytes) : "", one.fits === false ? make("span", { class: "bad" }, " does not fit") : null),
      make("td", { class: "why" }, one.reasons.join("; ")))))));
}

function interval(one, at) {
  const words = one.low === null ? "no interval" : `${points(one.low)} to ${points(one.high)}`;
  const bar = one.low === null ? [] : [make("i", { style: `left: ${at(one.low)}; right: calc(100% - ${at(one.high)})` })];
  return make("span", {}, make("span", { class: "meta" }, words), make("span", { class: "interval", "aria-hidden": "true" }, ...bar, make("b", { style: `left: ${at(one.value)}` })));
}

const share = (value) => make("span", { class: "share" }, make("span", { class: "track", "aria-hidden": "true" }, make("div", { class: "fill", style: `width: ${100 * value}%` })), `${(100 * value).toFixed(0)} %`);

/** Where nothing is measured: who could be, and what speaks against them. */
function candidates(choice) {
  const rows = choice.candidates.filter((one) => one.reasons.length || one.memory_bytes !== null);
  return rows.length ? [make("ul", { class: "plain", id: "unmeasured" }, ...rows.map((one) => make("li", {}, make("code", {}, one.system), ` ${[known(one.memory_bytes, (count) => `needs about ${bytes(count)}`), ...one.reasons].filter(Boolean).join("; ")}`)))] : [];
}

/** Quality against what it costs: money where any costs some, else time, else memory. */
function scatter(rows, chosen) {
  const kinds = [["cost", "US dollars a task", dollars], ["seconds", "seconds a task", duration], ["memory_bytes", "memory", bytes]];
  const usable = ([name]) => rows.filter((one) => one[name] !== null).length > 1 && rows.some((one) => one[name] > 0);
  const kind = kinds.find(usable);
  if (!kind) return null;
  const [name, title, words] = kind;
  const dots = rows.filter((one) => one[name] !== null);
  const [low, high] = range(dots), most = Math.max(...dots.map((one) => one[name]));
  const x = (value) => 44 + (300 * value) / most, y = (value) => 170 - (150 * (value - low)) / (high - low);
  const label = (one, index) => draw("text", { x: x(one[name]) + (x(one[name]) > 240 ? -8 : 8), y: y(one.value) - 6 - 14 * crowd(dots, index, x, y, name), "text-anchor": x(one[name]) > 240 ? "end" : "start" }, short(one.system));
  const picture = draw("svg", { viewBox: "0 0 360 216", role: "img", "aria-label": `Score against ${title}: ${dots.map((one) => `${one.system} ${points(one.value)} %, ${words(one[name])}`).join("; ")}` },
    draw("line", { class: "axis", x1: 44, y1: 178, x2: 348, y2: 178 }), draw("line", { class: "axis", x1: 44, y1: 12, x2: 44, y2: 178 }),
    draw("text", { x: 38, y: y(high) + 4, "text-anchor": "end" }, points(high)), draw("text", { x: 38, y: y(low) + 4, "text-anchor": "end" }, points(low)),
    draw("text", { x: 44, y: 194 }, "0"), draw("text", { x: 344, y: 194, "text-anchor": "end" }, words(most)), draw("text", { x: 196, y: 210, "text-anchor": "middle" }, title),
    ...dots.filter((one) => one.low !== null).map((one) => draw("line", { class: "whisker", x1: x(one[name]), x2: x(one[name]), y1: y(one.low), y2: y(one.high) })),
    ...dots.map((one) => draw("circle", { class: chosen.includes(one.system) ? "dot" : "dot out", cx: x(one[name]), cy: y(one.value), r: 5 })),
    ...dots.map(label));
  return make("figure", { class: "scatter" }, picture, make("figcaption", { class: "meta" }, `Score in percent against ${title}. The chosen are blue.`));
}

/** How many earlier labels a label would lie on. */
const crowd = (dots, index, x, y, name) => dots.slice(0, index).filter((other) => Math.abs(y(other.value) - y(dots[index].value)) < 14 && Math.abs(x(other[name]) - x(dots[index][name])) < 120).length;

const short = (name) => {
  const [base, options] = name.split("?");
  const tail = base.includes("#") ? base.split("#").at(-1) : base.includes("/") ? base.replace(/\/+$/, "").split("/").at(-1) : base;
  return options ? `${tail} ${options.replaceAll("&", " ")}` : tail;
};

function plan(steps, acts) {
  const budget = make("input", { type: "number", min: "0", step: "any", id: "budget", inputmode: "decimal", placeholder: "no limit" });
  const form = make("form", { class: "measure" }, make("label", {}, "Budget, US dollars", budget), make("button", { class: "primary", id: "measure" }, "Measure"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    acts.measure(budget.value ? Number(budget.value) : null);
  });
  const head = ["system", "benchmark", "items", "dollars", "time", "as a command"];
  return make("section", { id: "plan", "aria-label": "Plan" }, make("h2", {}, "The plan"),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Steps of the plan" }, make("table", {},
      make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...steps.map((step) => make("tr", {}, make("td", { class: "system" }, step.system), make("td", {}, step.benchmark), make("td", { class: "number" }, step.items.toLocaleString("en")),
        make("td", { class: "number" }, step.dollars === null ? "unknown" : dollars(step.dollars)), make("td", { class: "number" }, step.seconds === null ? "unknown" : duration(step.seconds)), make("td", {}, make("code", {}, step.command))))))),
    form);
}
