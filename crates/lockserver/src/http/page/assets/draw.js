// Bars of slots.

import { h, s } from "./words.js";

const SLOTS_DRAWN = 40;

/** The parts of a bar: each slot if there are few; html.rs does the same. */
function pieces({ size, in_use, granted, withheld }, most) {
  const total = Math.max(size, in_use + withheld, 1);
  const parts = [["held", in_use - granted], ["granted", granted], ["withheld", withheld]];
  parts.push(["free", Math.max(0, total - in_use - withheld)]);
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

const KINDS = [["held", "held"], ["granted", "granted, not claimed"], ["withheld", "withheld"], ["free", "free"]];

/** What the parts of a bar mean; with their numbers where one bar is meant. */
export const legend = (text = "") =>
  h("p", { class: "legend" }, KINDS.map(([kind, words]) => h("span", { class: kind, hidden: text === "" }, s("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, s("rect", { class: kind, width: 10, height: 10 })), h("span", {}, words))));

/** Draws how the lock is, if that is not what is drawn already. */
export function drawBar(svg, usage, key) {
  const state = `${usage.size} ${usage.in_use} ${usage.granted} ${usage.withheld}`;
  if (svg.dataset.state === state) return;
  svg.dataset.state = state;
  const rects = pieces(usage, svg.classList.contains("big") ? 0.25 : 0.8).map(([kind, x, width]) =>
    s("rect", { class: kind, x: x.toFixed(2), y: 0, width: width.toFixed(2), height: 10 }));
  svg.replaceChildren(...rects);
  if (!key) return;
  const counts = [usage.in_use - usage.granted, usage.granted, usage.withheld, Math.max(0, usage.size - usage.in_use - usage.withheld)];
  KINDS.forEach(([, words], i) => {
    key.children[i].hidden = counts[i] === 0;
    key.children[i].lastChild.textContent = `${counts[i].toLocaleString()} ${words}`;
  });
}
