// The last events of a lock, for people.

import { isAfter } from "./live.js";
import { about, h, moment, say, some, when, written } from "./words.js";

const EVENTS = 50;
// Those who listen to the page are not talked to all the time.
const SAY_EVERY = 10000;

const ENDS = {
  released: "gave it back", cancelled: "left the queue",
  superseded: "made room for a newer one", expired: "expired in the queue", lost: "was lost: no heartbeat",
  overdue: "was overdue", revoked: "was ended", oversized: "no longer fitted", lock_deleted: "ended with the lock",
};

const value = (setting, one) => (one === null ? (setting.endsWith("_s") ? "never" : "none") : setting.endsWith("_s") ? about(one) : typeof one === "string" ? `“${one}”` : one.toLocaleString());

/** What of a lock is another now: `size 2 → 3`. */
export function changed({ setting, from, to }) {
  if (setting === "paused") return to ? "paused" : "resumed";
  if (setting === "retiring") return to ? "left the configuration" : "is in the configuration again";
  return `${setting.replace(/_s$/, "").replaceAll("_", " ")} ${value(setting, from)} → ${value(setting, to)}`;
}

function changes(event) {
  const all = event.changes ?? [];
  if (!all.length) return "was set to what it was";
  return `${all.map(changed).join(", ")}${event.until ? ` until ${moment(event.until)}` : ""}`;
}

const CAUSES = { lost_holder: "after a lost holder", cooldown: "for a rest", broken: "as broken", outside: "for the use of others" };

/** Which permits: `2 permits (gpu0, gpu1) are`. */
function permits({ permits: count = 0, slot_names: names = [] }) {
  const shown = names.length ? ` (${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""})` : "";
  return `${some(count, "permit")}${shown} ${count === 1 ? "is" : "are"}`;
}

/** Why they are withheld, and until when. */
function withheld({ cause, until }) {
  return [CAUSES[cause], until && `until ${moment(until)}`].filter(Boolean).join(" ") || null;
}

function happened(event) {
  const info = event.info ? written(event.info, 60) : event.number ? `ticket ${event.number}` : null;
  const words = {
    queued: ["asked", null], granted: ["was let in", event.waited_s >= 1 ? `after ${about(event.waited_s)}` : null], held: ["holds", null],
    lapsed: ["did not claim its grant", null], undelivered: ["did not hear of its grant", null],
    ended: [ENDS[event.ended_as] ?? "ended", event.held_s == null ? null : `after ${about(event.held_s)}`],
    lock_created: ["The lock was made", null], lock_changed: [`The lock: ${changes(event)}`, null], lock_deleted: ["The lock was deleted", null],
    permits_withheld: [`${permits(event)} withheld`, withheld(event)], report_stale: ["The report of what others use is too old to count", null],
    permits_restored: [`${permits(event)} no longer withheld`, withheld(event)],
  }[event.kind] ?? [event.kind, null];
  const reason = event.reason ? [": ", written(event.reason, 60)] : null;
  const by = event.by ? [" by ", h("bdi", {}, event.by)] : null;
  return [info, " ", words[0], by, words[1] ? ` ${words[1]}` : null, reason].flat();
}

const text = (parts) => parts.map((part) => part?.textContent ?? part ?? "").join("");

export class Log {
  constructor() {
    this.events = [];
    this.said = 0;
    this.element = h("ol", { class: "log", id: "log", tabindex: "0", "aria-label": "Last events" });
  }

  /** What the ticket of that number said of itself, if that is remembered. */
  infoOf(number) {
    return this.events.find((event) => event.number === number && event.info)?.info;
  }

  /** What the server remembers, the first first, up to an event. */
  take(events, asOf) {
    this.events = events.slice(-EVENTS).reverse();
    this.asOf = asOf;
    this.draw();
  }

  add(id, event) {
    // It may have been among those that the server remembered.
    if (this.asOf && id && !isAfter(id, this.asOf)) return;
    this.events = [event, ...this.events].slice(0, EVENTS);
    if (event.kind !== "queued" && event.kind !== "held") this.news = event;
  }

  draw() {
    // That somebody who asked was let in at once, and heard of it, is one event for people.
    const atOnce = new Set(this.events.filter((event) => event.kind === "granted" && event.waited_s < 1).map((event) => event.number));
    const shown = this.events.filter(({ kind, number }) => kind !== "held" && !(kind === "queued" && atOnce.has(number)));
    // What is there stays, opened or focused as it is.
    const kept = new Map([...this.element.children].map((row) => [row.event, row]));
    const rows = shown.map((event) => kept.get(event) ?? Object.assign(h("li", { class: event.kind }, when(event.at), h("span", {}, happened(event))), { event }));
    if (!rows.length) rows.push(h("li", { class: "nothing" }, "No changes are remembered."));
    for (const old of [...this.element.children]) if (!rows.includes(old)) old.remove();
    rows.forEach((row, i) => {
      if (this.element.children[i] !== row) this.element.insertBefore(row, this.element.children[i] ?? null);
    });
  }

  /** Tells the latest of what is new, now and then. */
  tell() {
    if (!this.news || Date.now() - this.said < SAY_EVERY) return;
    this.said = Date.now();
    say(text(happened(this.news)));
    this.news = undefined;
  }
}
