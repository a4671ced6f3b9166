// Scales, ticks and names for charts.
import { spansDecades } from "./model.js";

/** {to(value) -> pixels, ticks, logarithmic} over [low, high]; logarithmic where the values span decades. */
export function scale(column, values, low, high, from, to) {
  const logarithmic = spansDecades(column, values) && low > 0;
  const [a, b] = logarithmic ? [Math.log(low), Math.log(high)] : [low, high];
  const margin = 0.05 * (b - a || Math.abs(a) || 1);
  const [start, end] = [a - margin, b + margin];
  const place = (value) => from + ((to - from) * ((logarithmic ? Math.log(Math.max(value, Number.MIN_VALUE)) : value) - start)) / (end - start);
  const ticks = logarithmic ? decades(Math.exp(start), Math.exp(end)) : steps(start, end);
  return { to: place, ticks, logarithmic };
}

function decades(low, high) {
  const every = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) every.push(...[1, 2, 5].map((digit) => digit * 10 ** power));
  const inside = every.filter((value) => value >= low && value <= high);
  const whole = inside.filter((value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9);
  return inside.length > 7 && whole.length > 1 ? whole : inside;
}

function steps(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const ticks = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) ticks.push(Math.abs(value) < step / 1e6 ? 0 : Number(value.toPrecision(12)));
  return ticks;
}

const crosses = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** Where the names of points stand, {x, y, anchor} or null where none fits: beside, above or below the point, upon nothing else.
    Points are {px, py, name}, the most important first; `obstacles` are boxes; `left`, `width` and `height` bound them, `letter` is a letter's width. */
export function places(points, obstacles, { left: edge, width, height }, letter = 6.6) {
  const taken = [...obstacles, ...points.map((point) => ({ left: point.px - 5, right: point.px + 5, top: point.py - 5, bottom: point.py + 5 }))];
  return points.map((point) => {
    const wide = point.name.length * letter;
    const choices = [["start", 7, -7], ["end", -7, -7], ["start", 7, 16], ["end", -7, 16], ["start", 9, 4], ["end", -9, 4], ["middle", 0, -10], ["middle", 0, 19]];
    for (const [anchor, dx, dy] of choices) {
      const left = point.px + dx - (anchor === "end" ? wide : anchor === "middle" ? wide / 2 : 0);
      const box = { left, right: left + wide, top: point.py + dy - 11, bottom: point.py + dy + 3 };
      if (box.left < edge + 2 || box.right > width - 2 || box.top < 2 || box.bottom > height - 2 || taken.some((one) => crosses(one, box))) continue;
      taken.push(box);
      return { x: point.px + dx, y: point.py + dy, anchor };
    }
    return null;
  });
}

/** A name that fits into `most` letters: without its folders, then cut in its middle, as its end tells variants apart. */
export function shortened(name, most) {
  const last = name.length <= most ? name : name.slice(name.lastIndexOf("/") + 1) || name;
  return last.length <= most ? last : `${last.slice(0, Math.ceil(most / 2) - 1)}…${last.slice(last.length - Math.floor(most / 2))}`;
}
