// One lock: who holds which slot and for how long still, who waits, what happened, and what it all amounts to.

import { call, lockPath, now } from "./api.js";
import { open, pause, remove, resize, resume, revoke } from "./act.js";
import { bar, drawBar } from "./draw.js";
import { Plots } from "./plots.js";
import { about, h, put, say, some, span, when, written } from "./words.js";

// What the lock looks like is read again after events, but not for each of many.
const READ_EVERY = 400;
const HISTORY_EVERY = 15000;
const PLOT_EVERY = 10000;
const TICKETS = 200;
const EVENTS = 50;
// No event tells of a renewal: a lease that seems to run out is looked at, not more often than this.
const LEASES_EVERY = 5000;

const age = (instant) => (now() - Date.parse(instant)) / 1000;

/** How long one has waited or held, counted on. */
const counting = (instant) => h("span", { "data-since": instant }, span(age(instant)));

function ranges(slots) {
  const all = [];
  for (const slot of slots) {
    const last = all.at(-1);
    if (last && last[1] === slot - 1) last[1] = slot;
    else all.push([slot, slot]);
  }
  return all.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ");
}

/** Where a ticket or closure is; names before numbers. */
const place = ({ slots, slot_names }) => (slot_names.length ? h("bdi", {}, slot_names.join(", ")) : ranges(slots));

function who(ticket) {
  const words = [`no. ${ticket.number}`, ticket.permits === 1 ? null : `${ticket.permits} permits`, ticket.priority ? `priority ${ticket.priority}` : null].filter(Boolean);
  const from = ticket.owner ? [h("b", {}, h("bdi", {}, ticket.owner)), `, ${ticket.from}`] : [ticket.from];
  return [ticket.info ? written(ticket.info) : h("i", {}, "(no info)"), h("small", {}, from, ` · ${words.join(" · ")}`)];
}

const ENDS = {
  released: "gave it back", cancelled: "left the queue", expired: "expired in the queue", forgotten: "was forgotten: no sign of life",
  overdue: "was overdue", revoked: "was ended by an administrator", oversized: "no longer fitted", lock_deleted: "ended with the lock",
};

function happened(event) {
  const info = event.info ? written(event.info, 60) : event.number ? `ticket ${event.number}` : null;
  const words = {
    queued: ["asked", null], granted: ["was let in", event.waited_s >= 1 ? `after ${about(event.waited_s)}` : null], held: ["holds", null],
    lapsed: ["did not pick up its grant", null], undelivered: ["could not be told of its grant", null],
    ended: [ENDS[event.ended_as] ?? "ended", event.held_s == null ? null : `after ${about(event.held_s)}`],
    lock_created: ["The lock was made", null], lock_changed: ["The settings were changed", null], lock_deleted: ["The lock was deleted", null],
    permits_opened: ["Closed permits are open again", null],
  }[event.kind] ?? [event.kind, null];
  const reason = event.reason ? [": ", written(event.reason, 60)] : null;
  return [info, " ", words[0], words[1] ? ` ${words[1]}` : null, reason].flat();
}

/** The answer to "why is my job waiting?". */
function why(lock) {
  const waiting = lock.waiting_since ? span(age(lock.waiting_since)) : "";
  const wait = lock.queued === 1 ? "1 waits" : `${lock.queued.toLocaleString()} wait`;
  const size = lock.size.toLocaleString();
  if (lock.retiring) return `Its section is gone from the configuration: no new tickets, and it goes with its last one. ${wait}.`;
  if (lock.paused) {
    const end = lock.pause_ends_in_s == null ? "" : ` for ${about(lock.pause_ends_in_s)} more`;
    return `Paused${end}: nobody is let in. ${lock.queued ? `${wait}.` : "Nobody waits."}`;
  }
  if (lock.free > 0 && !lock.queued) return `${lock.free.toLocaleString()} of ${size} ${lock.free === 1 ? "is" : "are"} free: the next one gets in at once.`;
  if (lock.free > 0) {
    const first = lock.queue.find((ticket) => !ticket.dormant);
    const reason = first ? `the first in line needs ${first.permits === "all" ? "all" : first.permits}` : "none of them has shown life lately";
    return `${lock.free.toLocaleString()} of ${size} ${lock.free === 1 ? "is" : "are"} free, and ${wait}: ${reason}.`;
  }
  const taken = lock.closed ? `${lock.in_use.toLocaleString()} of ${size} are in use and ${lock.closed.toLocaleString()} closed` : lock.in_use > lock.size ? `${lock.in_use.toLocaleString()} are out, more than the ${size} there are since it shrank` : `All ${size} are in use`;
  const newcomer = lock.expected_wait_s > 0 ? ` A newcomer waits about ${about(lock.expected_wait_s)}, by what has been usual.` : "";
  return lock.queued ? `${taken}. ${wait}, the first in line for ${waiting}.${newcomer}` : `${taken}, nobody waits.${newcomer}`;
}

const table = (id, titles, acting) => {
  const head = h("tr", { role: "row" }, titles.map((title) => h("th", { role: "columnheader", scope: "col" }, title)), acting ? h("th", { role: "columnheader", scope: "col" }, h("span", { class: "unseen" }, "Act")) : null);
  const body = h("tbody", { role: "rowgroup", id });
  return [h("table", { class: "tickets", role: "table" }, h("thead", { role: "rowgroup" }, head), body), body];
};

const cells = (...all) => all.filter((cell) => cell).map(([kind, ...content]) => h("td", { role: "cell", class: kind }, content));

export class LockPage {
  constructor(main, you) {
    Object.assign(this, { main, you, name: decodeURIComponent(location.pathname.slice("/locks/".length)), events: [] });
    const admin = you.may("admin", this.name);
    this.admin = admin;
    this.title = h("h1", {}, h("bdi", {}, this.name));
    this.pills = h("span", { class: "pills" });
    this.about = h("p", { class: "about" });
    this.why = h("p", { class: "why", id: "why" });
    this.bar = bar(true);
    this.held = h("h2");
    this.waits = h("h2");
    this.buttons = h("div", { class: "actions" });
    const [holders, holderRows] = table("holders", ["Slot", "Holder", "Since", "Lease left"], true);
    const [queue, queueRows] = table("queue", ["Place", "Waiter", "Waiting"], true);
    Object.assign(this, { holderRows, queueRows, queueTable: queue });
    this.plots = new Plots();
    this.log = h("ol", { class: "log", id: "log", tabindex: "0", "aria-label": "Last events" });
    this.facts = h("dl", { class: "facts" });
    this.parts = [
      h("p", { class: "back" }, h("a", { href: "/" }, "← All locks")),
      h("div", { class: "title" }, h("div", {}, this.title, this.pills, this.about), this.buttons),
      this.why, this.bar,
      h("div", { class: "columns" },
        h("div", {}, h("section", { class: "card" }, this.held, holders), h("section", { class: "card" }, this.waits, queue),
          h("section", { class: "card" }, h("h2", {}, "Last events"), this.log)),
        h("div", {}, this.plots.element,
          h("section", { class: "card" }, h("h2", {}, "Settings and counts"), this.facts))),
    ];
  }

  close() {
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
    this.readAt = Date.now();
    this.lock = lock;
    this.draw();
    return lock.as_of;
  }

  async readHistory(withEvents) {
    this.historyAt = Date.now();
    const history = await call("GET", lockPath(this.name, "/history"));
    if (withEvents) {
      this.events = history.events.reverse();
      this.drawLog();
    }
    this.plots.take(history, this.lock);
  }

  event(kind, data) {
    this.events.unshift(data);
    this.events.length = Math.min(this.events.length, EVENTS);
    if (kind !== "queued" && kind !== "held") this.news = data;
    this.gone = kind === "lock_deleted";
    this.again();
  }

  again() {
    this.due ??= setTimeout(async () => {
      try {
        await this.refresh();
        this.drawLog();
        if (Date.now() - this.historyAt > HISTORY_EVERY) await this.readHistory(false);
        if (this.news) say(happened(this.news).map((part) => part?.textContent ?? part ?? "").join(""));
        this.news = undefined;
      } catch (problem) {
        if (problem.status === 404) this.main.replaceChildren(h("div", { class: "card", id: "message" }, h("p", {}, "This lock was deleted."), h("p", {}, h("a", { href: "/" }, "All locks"))));
      } finally {
        this.due = undefined;
      }
    }, READ_EVERY);
  }

  draw() {
    const { lock, admin } = this;
    document.title = `${lock.name} · lockserver`;
    put(this.about, lock.settings.description);
    drawBar(this.bar, lock);
    const pills = [lock.paused && ["warn", "paused"], lock.closed > 0 && ["warn", `${lock.closed} closed`], lock.retiring && ["warn", "retiring"], lock.template && ["", `of ${lock.template}`]];
    this.pills.replaceChildren(...pills.filter(Boolean).map(([kind, text]) => h("em", { class: `pill ${kind}` }, text)));
    put(this.held, `${lock.in_use.toLocaleString()} of ${lock.size.toLocaleString()} in use`);
    put(this.waits, lock.queued ? `${lock.queued.toLocaleString()} waiting` : "Nobody waits");
    const state = `${admin} ${lock.paused}`;
    if (this.acting !== state) {
      this.acting = state;
      const button = (id, text, act) => h("button", { type: "button", id, click: () => act(this) }, text);
      this.buttons.replaceChildren(...(admin ? [button("resize", "Resize…", resize), lock.paused ? button("resume", "Resume…", resume) : button("pause", "Pause…", pause), button("delete", "Delete…", remove)] : []));
    }
    this.drawTickets();
    this.drawFacts();
    this.tick();
  }

  drawTickets() {
    const { lock } = this;
    const rows = [...lock.holders.map((ticket) => ["holder", ticket]), ...lock.closures.map((closure) => ["closure", closure])];
    rows.sort((a, b) => (a[1].slots[0] ?? 0) - (b[1].slots[0] ?? 0));
    const ends = (ticket) => this.admin || (this.you.key && ticket.owner === this.you.key && this.you.may("use", lock.name));
    const end = (ticket) => ends(ticket) && h("button", { type: "button", class: "small", "aria-label": `End ticket ${ticket.number}…`, click: () => revoke(this, this.ticket(ticket.number) ?? ticket) }, "End…");
    // Whoever is about to press a button keeps it: rows are kept by their tickets.
    const kept = new Map([...this.holderRows.children, ...this.queueRows.children].map((row) => [row.dataset.row, row]));
    const row = (key, state, make) => {
      const old = kept.get(key);
      if (old?.dataset.state === state) return old;
      return h("tr", { role: "row", "data-row": key, "data-state": state }, make());
    };
    const soon = (ticket) => (ticket.expires_in_s == null ? undefined : this.readAt + ticket.expires_in_s * 1000);
    const shown = rows.map(([kind, one]) => {
      if (kind === "closure") {
        const opens = this.readAt + one.opens_in_s * 1000;
        const made = row(`c${one.number}`, "closed", () => cells(["slot", place(one)], ["person", h("em", { class: "pill warn" }, "closed"), ` its last holder, ticket ${one.number}, ended as ${one.ended_as}`], ["since"], ["lease", h("span", { "data-until": opens }, "")], ["act", this.admin && h("button", { type: "button", class: "small", click: () => open(this, one) }, "Open…")]));
        made.querySelector("[data-until]").dataset.until = opens;
        return made;
      }
      const since = one.granted_at ?? one.created_at;
      const made = row(`h${one.number}`, `${one.state} ${since}`, () => cells(["slot", place(one)], ["person", one.state === "granted" ? h("em", { class: "pill granted" }, "granted, not picked up") : null, ...who(one)], ["since", when(since), " ", h("small", {}, counting(since))], ["lease", h("span", { "data-until": "" })], ["act", end(one)]));
      const lease = made.querySelector("[data-until]");
      lease.dataset.until = soon(one) ?? "";
      lease.dataset.ttl = one.ttl_s ?? "";
      return made;
    });
    if (lock.free > 0) shown.push(row("free", `${lock.free} ${lock.size}`, () => cells(["slot"], ["person free", `${lock.free.toLocaleString()} free`], ["since"], ["lease"], ["act"])));
    if (lock.holding > lock.holders.length) shown.push(row("more", `${lock.holding}`, () => cells(["slot"], ["person", `… and ${(lock.holding - lock.holders.length).toLocaleString()} more holders`], ["since"], ["lease"], ["act"])));
    this.replace(this.holderRows, shown);
    const waiting = lock.queue.map((ticket, i) => {
      const made = row(`q${ticket.number}`, `${ticket.dormant} ${ticket.state}`, () => cells(["slot"], ["person", ticket.dormant ? h("em", { class: "pill warn" }, "no sign of life") : null, ...who(ticket)], ["since", when(ticket.created_at), " ", h("small", {}, counting(ticket.created_at))], ["act", end(ticket)]));
      put(made.firstChild, `${i + 1}`);
      return made;
    });
    if (lock.queued > lock.queue.length) waiting.push(row("rest", `${lock.queued}`, () => cells(["slot"], ["person", `… and ${(lock.queued - lock.queue.length).toLocaleString()} more`], ["since"], ["act"])));
    this.replace(this.queueRows, waiting);
    this.queueTable.hidden = !lock.queued;
  }

  ticket(number) {
    return [...this.lock.holders, ...this.lock.queue].find((ticket) => ticket.number === number);
  }

  /** Changes only the rows that are others, so that the focus stays where it is. */
  replace(body, rows) {
    for (const old of [...body.children]) if (!rows.includes(old)) old.remove();
    rows.forEach((row, i) => {
      if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
    });
  }

  drawLog() {
    // That somebody who asked was let in at once, and heard of it, is one event for people.
    const atOnce = new Set(this.events.filter((event) => event.kind === "granted" && event.waited_s < 1).map((event) => event.number));
    const shown = this.events.filter(({ kind, number }) => kind !== "held" && !(kind === "queued" && atOnce.has(number)));
    this.log.replaceChildren(...shown.map((event) => h("li", { class: event.kind }, when(event.at), h("span", {}, happened(event)))));
    if (!this.events.length) this.log.replaceChildren(h("li", {}, "Nothing has happened since the server started."));
  }

  drawFacts() {
    const { settings, statistics: counts, overridden } = this.lock;
    const time = (seconds) => (seconds == null ? "never" : about(seconds));
    const facts = [
      ["Lease without one asked for", time(settings.max_lock_time_s)],
      ["Longest hold", time(settings.max_hold_time_s)],
      ["Time to pick up a grant", time(settings.grace_time_s)],
      ["Closed after a lost holder", settings.lock_delay_s ? time(settings.lock_delay_s) : "not at all"],
      ["Longest queue", settings.max_queue.toLocaleString()],
      overridden.length ? ["Changed since the configuration", overridden.join(", ")] : null,
      ["Asked since the start", counts.queries.toLocaleString()],
      ["Granted", counts.grants.toLocaleString()],
      ["Given back", counts.released.toLocaleString()],
      ["Forgotten or overdue", (counts.forgotten + counts.overdue).toLocaleString()],
      ["Left or expired in the queue", (counts.cancelled + counts.expired).toLocaleString()],
      ["Ended by administrators", counts.revoked.toLocaleString()],
    ];
    this.facts.replaceChildren(...facts.filter(Boolean).flatMap(([title, fact]) => [h("dt", {}, title), h("dd", {}, fact)]));
  }

  tick() {
    const { lock } = this;
    if (!lock) return;
    put(this.why, lock.paused && lock.pause_reason ? `${why(lock)} Reason: “\u2068${lock.pause_reason}\u2069”.` : why(lock));
    for (const element of this.main.querySelectorAll("[data-since]")) put(element, span(age(element.dataset.since)));
    let nearing = false;
    for (const element of this.holderRows.querySelectorAll("[data-until]")) {
      const { until, ttl } = element.dataset;
      const left = (Number(until) - Date.now()) / 1000;
      put(element, until === "" ? "no end" : left > 0 ? span(left) : "ending");
      element.classList.toggle("soon", until !== "" && left < 10);
      if (until !== "" && left < Number(ttl || 0) / 2) nearing = true;
    }
    if (nearing && !this.due && Date.now() - this.readAt > LEASES_EVERY) this.again();
    if (Date.now() - (this.plottedAt ?? 0) > PLOT_EVERY) {
      this.plottedAt = Date.now();
      this.plots.lock = lock;
      this.plots.draw();
    }
  }
}
