// The last hour and day of a lock as plots and numbers: should there be more of it?

import { now } from "./api.js";
import { about, h, hourOf, moment, put, s, some, span } from "./words.js";

const WIDTH = 600, HEIGHT = 120;
const SPANS = { hour: ["Last hour", 3600], day: ["Last day", 86400] };

const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/** What a line in a plot looks like. */
const key = (kind) => s("svg", { class: "key", viewBox: "0 0 28 8", "aria-hidden": "true" }, s("path", { class: `line ${kind}`, d: "M0 4L28 4" }));

/** Stretches without a gap. */
function runs(points) {
  const all = [];
  let last;
  for (const point of points) {
    if (!point) last = undefined;
    else if (last) last.push(point);
    else all.push((last = [point]));
  }
  return all;
}

/** A number of few digits for the top of a scale. */
function ceiling(value) {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(value, 1))));
  return Math.max(1, Math.ceil(value / step) * step);
}

export class Plots {
  constructor() {
    this.shown = "hour";
    const choice = (name) => h("label", {}, h("input", { type: "radio", name: "span", value: name, checked: name === this.shown, change: () => this.show(name) }), h("span", {}, SPANS[name][0]));
    this.verdict = h("p", { class: "verdict" });
    this.use = h("div", { class: "plot" });
    this.queue = h("div", { class: "plot" });
    this.times = h("table", { class: "times" });
    this.element = h("section", { class: "card plots" },
      h("div", { class: "between" }, h("h2", {}, "Over time"), h("fieldset", { class: "spans" }, h("legend", { class: "unseen" }, "Time shown"), Object.keys(SPANS).map(choice))),
      this.verdict, this.use, this.queue, this.times);
  }

  show(name) {
    this.shown = name;
    this.draw();
  }

  take(history, lock) {
    this.history = history;
    this.until = now();
    this.lock = lock;
    this.draw();
  }

  /** Steps as points in time, up to now; only those that the server saw. */
  points(begin) {
    const past = this.history[this.shown];
    const first = past.begin ? Date.parse(past.begin) : now();
    const { size, in_use, queued } = this.lock;
    const points = past.size.map((many, i) => {
      const at = first + i * past.step_s * 1000;
      if (many == null || at + past.step_s * 1000 <= begin) return null;
      // What is known of a step: all of it, but of the first and the last.
      const known = Math.min(at + past.step_s * 1000, this.until) - Math.max(at, begin);
      return { at: Math.max(at, begin), known: Math.max(0, known), size: many, use: past.in_use[i], most: past.in_use_max[i], queue: past.queued_max[i], full: past.full?.[i] };
    });
    points.push({ at: now(), known: 0, size, use: in_use, most: in_use, queue: queued });
    return points;
  }

  draw() {
    if (!this.history) return;
    const [, seconds] = SPANS[this.shown];
    const label = SPANS[this.shown][0].toLowerCase();
    const { since } = this.history;
    const end = now();
    const wanted = end - seconds * 1000;
    // Nothing is known of the time before the server first looked: the plot has only what there is.
    const whole = since && Date.parse(since) <= wanted;
    const begin = whole ? wanted : Math.min(since ? Date.parse(since) : end, end - 10000);
    const points = this.points(begin);
    const seen = points.filter(Boolean);
    const top = ceiling(Math.max(...seen.map((point) => Math.max(point.size, point.most))));
    const longest = Math.max(...seen.map((point) => point.queue));
    const x = (at) => ((at - begin) / (end - begin)) * WIDTH;
    const known = seen.filter((point) => point.known > 0);
    const time = known.reduce((sum, point) => sum + point.known, 0);
    const share = (value) => known.reduce((sum, point) => sum + value(point) * point.known, 0) / time;
    const mean = share((point) => point.use), full = share((point) => point.full ?? 0);

    const lines = (value, most) => runs(points).map((run) => run.map((point) => [x(point.at), HEIGHT - (value(point) / most) * HEIGHT]));
    const area = (line) => `${path(line)}L${line.at(-1)[0].toFixed(1)} ${HEIGHT}L${line[0][0].toFixed(1)} ${HEIGHT}Z`;
    const areas = (value, most, kind) => lines(value, most).flatMap((line) => [s("path", { class: `area ${kind}`, d: area(line) }), s("path", { class: `line ${kind}`, d: path(line) })]);
    const useTop = top;
    const queueTop = ceiling(longest);
    const over = whole ? `in the ${label}` : `since ${moment(since ?? end)}`;
    const average = time ? `on average ${mean.toFixed(1)} of ${this.lock.size.toLocaleString()}` : "nothing is known yet";
    this.use.replaceChildren(...this.plot(["In use", key("use"), "size", key("size")], useTop, begin, end,
      `In use ${over}: ${average}.`,
      [...areas((point) => point.use, useTop, "use"), ...lines((point) => point.size, useTop).map((line) => s("path", { class: "line size", d: path(line) }))]));
    this.queue.replaceChildren(...this.plot(["Waiting", key("queue")], queueTop, begin, end, `Waiting ${over}: at most ${longest}.`,
      areas((point) => point.queue, queueTop, "queue")));

    const times = time > 0;
    for (const part of [this.use, this.queue, this.times]) part.hidden = !times;
    const when = whole ? `In the ${label}` : `Since ${moment(since ?? end)} (${span((end - (since ? Date.parse(since) : end)) / 1000)}; nothing is known of the time before)`;
    put(this.verdict, times
      ? `${when}, no permit was left for ${Math.round(full * 100)}\u00a0% of the time, ${average}; ${longest ? `at most ${some(longest, "ticket")} waited` : "nobody waited"}.`
      : since === null || !since ? "The server remembers no past of this lock yet." : "Nothing is known of this lock yet.");
    const { waits, holds } = this.history[this.shown];
    const cells = ({ count, p50_s, p90_s, p99_s }) => [...[p50_s, p90_s, p99_s].map((p) => h("td", {}, p == null ? "–" : about(p))), h("td", {}, count.toLocaleString())];
    this.times.replaceChildren(
      h("caption", { class: "unseen" }, `How long it took, ${over}`),
      h("thead", {}, h("tr", {}, ["", "p50", "p90", "p99", "count"].map((text) => (text ? h("th", { scope: "col" }, text) : h("td"))))),
      h("tbody", {}, h("tr", {}, h("th", { scope: "row" }, "Waited"), cells(waits)), h("tr", {}, h("th", { scope: "row" }, "Held"), cells(holds))));
  }

  plot(title, top, begin, end, about, shapes) {
    const grid = [0, 0.5, 1].map((part) => s("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part }));
    const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": about }, grid, shapes);
    const at = end - begin < 600000 ? moment : hourOf;
    const times = [begin, (begin + end) / 2].map((instant) => h("span", {}, at(instant)));
    return [
      h("h3", {}, title),
      h("div", { class: "scale", "aria-hidden": "true" }, h("span", {}, top.toLocaleString()), h("span", {}, "0")),
      svg,
      h("div", { class: "axis", "aria-hidden": "true" }, times, h("span", {}, "now")),
    ];
  }
}
