// Bars of slots.

import { s } from "./words.js";

const SLOTS_DRAWN = 40;

/** The parts of a bar: each slot if there are few; html.rs does the same. */
function pieces({ size, in_use, granted, closed }, most) {
  const total = Math.max(size, in_use + closed, 1);
  const parts = [["held", in_use - granted], ["granted", granted], ["closed", closed]];
  parts.push(["free", Math.max(0, total - in_use - closed)]);
  if (total <= SLOTS_DRAWN) {
    const step = 100 / total;
    const kinds = parts.flatMap(([kind, count]) => Array(count).fill(kind));
    return kinds.map((kind, place) => [kind, place * step, place + 1 === total ? step : step - Math.min(step * 0.12, most)]);
  }
  let x = 0;
  return parts.filter(([, count]) => count > 0).map(([kind, count]) => {
    const width = (100 * count) / total;
    x += width;
    return [kind, x - width, width];
  });
}

export const bar = (big = false) =>
  s("svg", { class: big ? "bar big" : "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });

/** Draws how the lock is, if that is not what is drawn already. */
export function drawBar(svg, load) {
  const state = `${load.size} ${load.in_use} ${load.granted} ${load.closed}`;
  if (svg.dataset.state === state) return;
  svg.dataset.state = state;
  const rects = pieces(load, svg.classList.contains("big") ? 0.25 : 0.8).map(([kind, x, width]) =>
    s("rect", { class: kind, x: x.toFixed(2), y: 0, width: width.toFixed(2), height: 10 }));
  svg.replaceChildren(...rects);
}
