// Curves of a training run: the loss of each step with its running mean, the loss on held-out rows, the learning rate.

const SPACE = "http://www.w3.org/2000/svg";
const WIDEST = 720, LEFT = 52, RIGHT = 12, TOP = 10, BOTTOM = 24;
const MOST = 600; // points of a curve
const WINDOWS = 12; // as many running means one after another fill a run; the weight of what came before follows
const EDGE = 0.99; // the share of losses that the picture must hold; the highest may leave it at the top

const draw = (tag, attributes, ...children) => {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
export const short = (value) => (value === 0 ? "0" : Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5 ? String(Number(value.toPrecision(3))) : value.toExponential(1));

/** At most MOST of `points`, evenly, the last one among them. */
function thin(points) {
  const step = Math.ceil(points.length / MOST);
  return points.filter((_, index) => index % step === 0 || index === points.length - 1);
}

/** The running mean of [x, y] points, corrected for its beginning as Adam's is. */
export function smooth(points) {
  const before = Math.min(0.95, Math.max(0, 1 - WINDOWS / points.length));
  let sum = 0, weight = 0;
  return points.map(([x, y]) => {
    sum = before * sum + (1 - before) * y;
    weight = before * weight + (1 - before);
    return [x, sum / weight];
  });
}

/** `count` round numbers between low and high. */
function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw * 0.999);
  const result = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) result.push(value);
  return result;
}

function range(curves) {
  const values = curves.flatMap(({ points }) => points.map(([, y]) => y)).sort((a, b) => a - b);
  const low = values[0], high = values[Math.floor((values.length - 1) * EDGE)];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [Math.max(low - room, low >= 0 ? 0 : -Infinity), high + room];
}

/** A picture of curves, each {points: [[step, value]], kind, dots}; `words` is what it shows, for whoever does not see it. */
export function chart(curves, { words, height = 240, width, steps }) {
  const wide = Math.min(width, WIDEST);
  const shown = curves.filter(({ points }) => points.length);
  const [low, high] = range(shown);
  const last = Math.max(steps, 1), bottom = height - BOTTOM;
  const x = (step) => (LEFT + ((wide - LEFT - RIGHT) * step) / last).toFixed(1);
  const y = (value) => Math.max(TOP, bottom - ((bottom - TOP) * (value - low)) / (high - low)).toFixed(1);
  const picture = draw("svg", { viewBox: `0 0 ${wide} ${height}`, role: "img", "aria-label": words });
  for (const value of ticks(low, high, height > 150 ? 5 : 2)) {
    picture.append(draw("line", { class: "grid", x1: LEFT, x2: wide - RIGHT, y1: y(value), y2: y(value) }), draw("text", { x: LEFT - 6, y: Number(y(value)) + 4, "text-anchor": "end" }, short(value)));
  }
  for (const step of ticks(0, last, Math.max(2, Math.round(wide / 110)))) if (Number.isInteger(step)) picture.append(draw("text", { x: x(step), y: height - 6, "text-anchor": "middle" }, String(step)));
  for (const { points, kind, dots } of shown) {
    const line = thin(points).map(([step, value]) => `${x(step)},${y(value)}`);
    if (line.length > 1) picture.append(draw("polyline", { class: `curve ${kind}`, points: line.join(" ") }));
    if (dots || line.length === 1) picture.append(...thin(points).map(([step, value]) => draw("circle", { class: `dot ${kind}`, cx: x(step), cy: y(value), r: 3.5 }, draw("title", {}, `step ${step}: ${short(value)}`))));
  }
  return picture;
}
