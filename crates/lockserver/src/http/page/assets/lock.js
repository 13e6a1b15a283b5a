// One lock: who holds which slot and for how long still, who waits, what happened, and what it all amounts to.

import { Problem, call, lockPath } from "./api.js";
import { pause, remove, resize, resume } from "./act.js";
import { change } from "./settings.js";
import { bar, drawBar, legend } from "./draw.js";
import { Log, changed } from "./log.js";
import { endMany } from "./many.js";
import { Plots } from "./plots.js";
import { Seats } from "./seats.js";
import { withhold } from "./withhold.js";
import { about, h, inLock, put, some } from "./words.js";

// What the lock looks like is read again after events, but not for each of many.
const READ_EVERY = 400;
const HISTORY_EVERY = 15000;
// The past of a quiet lock grows as well.
const QUIET_HISTORY_EVERY = 60000;
const PLOT_EVERY = 10000;
const TICKETS = 200;
// No event tells of a renewal, nor that times in the sentence have passed: both are looked at, not more often than this.
const TIMES_EVERY = 5000;

export class LockPage {
  /** `trouble(problem)` is told if the lock cannot be read. */
  constructor(main, you, trouble) {
    Object.assign(this, { main, you, trouble, name: decodeURIComponent(location.pathname.slice("/locks/".length)) });
    this.admin = you.may("admin", this.name);
    this.title = h("h1", {}, h("bdi", {}, this.name));
    this.pills = h("span", { class: "pills" });
    this.about = h("p", { class: "about" });
    this.why = h("p", { class: "why", id: "why" });
    this.bar = bar(true);
    this.held = h("h2");
    this.waits = h("h2");
    this.buttons = h("div", { class: "actions" });
    this.legend = legend();
    this.seats = new Seats(this);
    this.plots = new Plots();
    this.log = new Log();
    this.facts = h("dl", { class: "facts" });
    this.parts = [
      h("p", { class: "back" }, h("a", { href: "/" }, "← All locks")),
      h("div", { class: "title" }, h("div", {}, this.title, this.pills, this.about), this.buttons),
      this.why, this.bar, this.legend,
      h("div", { class: "columns" },
        h("div", {}, h("section", { class: "card" }, this.held, this.seats.holders), h("section", { class: "card" }, this.waits, this.seats.queue)),
        h("div", {}, h("section", { class: "card" }, h("h2", {}, "Last events"), this.log.element), this.plots.element,
          h("section", { class: "card" }, h("h2", {}, "Settings and counts"), this.facts))),
    ];
  }

  close() {
    this.closed = true;
    clearTimeout(this.due);
  }

  async load() {
    const asOf = await this.refresh();
    await this.readHistory(true);
    if (!this.title.isConnected) this.main.replaceChildren(...this.parts);
    return asOf;
  }

  /** Reads the lock and shows it. */
  async refresh() {
    const lock = await call("GET", lockPath(this.name, `?tickets=${TICKETS}`));
    for (const all of ["holders", "queue"]) lock[all] = lock[all].map((ticket) => inLock(ticket, lock.name));
    this.readAt = Date.now();
    this.lock = lock;
    this.draw();
    return lock.as_of;
  }

  async readHistory(withEvents) {
    this.historyAt = Date.now();
    const history = await call("GET", lockPath(this.name, "/history"));
    if (withEvents) {
      this.log.take(history.events, history.as_of);
      // It says whose last holder what is withheld.
      this.seats.draw();
      this.seats.tick();
    }
    this.plots.take(history, this.lock);
  }

  event(kind, data, id) {
    this.log.add(id, data);
    this.again();
  }

  /** Reads it again soon; what happens during a read is seen by another one. */
  again() {
    if (this.reading) this.dirty = true;
    else this.due ??= setTimeout(() => this.read(), READ_EVERY);
  }

  async read() {
    this.due = undefined;
    this.reading = true;
    this.dirty = false;
    try {
      await this.refresh();
      this.log.draw();
      if (Date.now() - this.historyAt > HISTORY_EVERY) await this.readHistory(false);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      // After this answer everything is read anew, as soon as that is possible.
      this.dirty = false;
      if (!this.closed) this.trouble(problem);
    } finally {
      this.reading = false;
      if (this.dirty && !this.closed) this.again();
    }
  }

  draw() {
    const { lock, admin } = this;
    document.title = `${lock.name} · ${location.host}`;
    put(this.about, lock.settings.description);
    put(this.why, lock.why);
    drawBar(this.bar, lock, this.legend);
    const pills = [lock.paused && ["warn", "paused"], lock.withheld > 0 && ["warn", `${lock.withheld} withheld`], lock.retiring && ["warn", "retiring"], lock.template && ["", `template ${lock.template}`]];
    this.pills.replaceChildren(...pills.filter(Boolean).map(([kind, text]) => h("em", { class: `pill ${kind}` }, text)));
    put(this.held, `${lock.in_use.toLocaleString()} of ${lock.size.toLocaleString()} in use`);
    put(this.waits, lock.queued ? `${lock.queued.toLocaleString()} waiting` : "Nobody waits");
    const state = `${admin} ${lock.paused}`;
    if (this.acting !== state) {
      this.acting = state;
      const button = (id, text, act) => h("button", { type: "button", id, click: () => act(this) }, text);
      this.buttons.replaceChildren(...(admin ? [button("resize", "Resize…", resize), button("withhold", "Withhold…", withhold), lock.paused ? button("resume", "Resume…", resume) : button("pause", "Pause…", pause), button("settings", "Settings…", change), button("end-many", "End tickets…", endMany), button("delete", "Delete…", remove)] : []));
    }
    this.seats.draw();
    this.drawFacts();
    this.tick();
  }

  drawFacts() {
    const { settings, statistics: counts, overridden, outside } = this.lock;
    const time = (seconds, none) => (seconds == null ? none : about(seconds));
    const facts = [
      ["Lease without one asked for", time(settings.max_lock_time_s, "no end")],
      ["Held at most", time(settings.max_hold_time_s, "no limit")],
      ["Time to claim a grant", time(settings.grace_time_s)],
      ["Withheld after a lost holder", settings.lock_delay_s ? time(settings.lock_delay_s) : "not at all"],
      outside ? ["Reported in use in all", `${outside.in_use.toLocaleString()}, ${outside.ends_in_s == null ? "too long ago to count" : `counts for another ${about(outside.ends_in_s)}`}`] : null,
      ["Queue at most", settings.max_queue.toLocaleString()],
      settings.max_per_owner ? ["For one key or address at most", some(settings.max_per_owner, "permit")] : null,
      settings.tags ? ["Tags of slots", Object.entries(settings.tags).slice(0, 50).map(([slot, tags]) => `${slot} {${tags.join(" ")}}`).join(", ")] : null,
      settings.pick === "lru" ? ["Given first", "what has been unused for longest"] : null,
      settings.min_hold_time_s ? ["Given again after its claim", `${about(settings.min_hold_time_s)} later at the earliest`] : null,
      overridden.length ? ["Changed since the configuration", this.lock.configuration.map(changed).join(", ")] : null,
      ["Asked since the start", counts.queries.toLocaleString()],
      ["Granted", counts.grants.toLocaleString()],
      ["Given back", counts.released.toLocaleString()],
      ["Lost or overdue", (counts.lost + counts.overdue).toLocaleString()],
      ["Left or expired in the queue", (counts.cancelled + counts.expired).toLocaleString()],
      counts.superseded ? ["Made room for a newer one", counts.superseded.toLocaleString()] : null,
      ["Ended by administrators", counts.revoked.toLocaleString()],
    ];
    this.facts.replaceChildren(...facts.filter(Boolean).flatMap(([title, fact]) => [h("dt", {}, title), h("dd", {}, fact)]));
  }

  tick() {
    const { lock } = this;
    if (!lock) return;
    const nearing = this.seats.tick();
    this.log.tell();
    const passing = nearing || lock.queued > 0 || lock.withheld > 0 || lock.pause_ends_in_s != null;
    if (passing && !document.hidden && !this.due && !this.reading && Date.now() - this.readAt > TIMES_EVERY) this.again();
    if (Date.now() - (this.plottedAt ?? 0) > PLOT_EVERY) {
      this.plottedAt = Date.now();
      this.plots.lock = lock;
      this.plots.draw();
      if (Date.now() - this.historyAt > QUIET_HISTORY_EVERY && !this.reading) this.readHistory(false).catch(() => this.again());
    }
  }
}
