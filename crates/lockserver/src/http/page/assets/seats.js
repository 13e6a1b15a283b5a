// The slots of a lock, each with its holder or free, and the queue, as tables.

import { revoke } from "./act.js";
import { now } from "./api.js";
import { awaited, because, restore } from "./withhold.js";
import { h, pairs, put, span, when, withOthers, written } from "./words.js";

// More holders or waiters than so many are folded until somebody wants to see them.
const FOLD = 20;
// Free slots that are named, each with a row.
const FREE_ROWS = 100;

const age = (instant) => (now() - Date.parse(instant)) / 1000;

/** How long one has waited or held, counted on. */
const counting = (instant) => h("span", { "data-since": instant }, span(age(instant)));

// More than so many stretches of slots are not told one by one.
const RANGES_TOLD = 50;

function ranges(all) {
  const told = all.slice(0, RANGES_TOLD).map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ");
  return all.length > RANGES_TOLD ? `${told}, …` : told;
}

/** A name of a slot stays in one piece, unless it is long. */
const named = (name) => h("bdi", { class: name.length > 16 ? "long-name" : "name-of-slot" }, name);

/** Where a ticket or withholding is; names before numbers. */
const place = ({ slot_ranges: text, slot_names: names }) => (names.length ? names.slice(0, 20).flatMap((name, i) => [i ? ", " : null, named(name)]).concat(names.length > 20 ? ` and ${names.length - 20} more` : null) : ranges(pairs(text)));

/** Which slots a ticket asks for. */
const chosen = ({ selection }) => (selection?.slots ? `only ${selection.slots.slice(0, 20).join(", ")}` : selection?.tags ? `with ${selection.tags.join(", ")}` : null);

function who(ticket) {
  const words = [`#${ticket.number}`, ticket.permits === 1 ? null : `${ticket.permits} permits`, chosen(ticket), ticket.priority ? `priority ${ticket.priority}` : null].filter(Boolean);
  const from = ticket.owner ? [h("b", {}, h("bdi", {}, ticket.owner)), `, ${ticket.from}`] : [ticket.from];
  const others = withOthers(ticket);
  return [ticket.info ? written(ticket.info) : h("i", {}, "(no info)"), h("small", {}, from, ` · ${words.join(" · ")}`, others ? [" · ", others] : null)];
}

const table = (id, titles, acting) => {
  const head = h("tr", { role: "row" }, titles.map((title) => h("th", { role: "columnheader", scope: "col" }, title)), acting ? h("th", { role: "columnheader", scope: "col" }, h("span", { class: "unseen" }, "Act")) : null);
  const body = h("tbody", { role: "rowgroup", id });
  return [h("table", { class: "tickets", role: "table" }, h("thead", { role: "rowgroup" }, head), body), body];
};

const cells = (...all) => all.filter((cell) => cell).map(([kind, ...content]) => h("td", { role: "cell", class: kind }, content));

/** The slots that are free: names if they have any, else pairs of first and last; undefined if nobody can tell from what is listed. */
function free(lock) {
  const taken = [...lock.holders, ...lock.withholdings];
  if (!lock.free || lock.holding > lock.holders.length) return undefined;
  const { slots } = lock.settings;
  if (slots) {
    const used = new Set(taken.flatMap((one) => one.slot_names));
    const rest = slots.filter((slot) => !used.has(slot));
    return rest.length === lock.free ? rest : undefined;
  }
  const rest = [];
  let next = 0;
  for (const [first, last] of taken.flatMap((one) => pairs(one.slot_ranges)).sort((a, b) => a[0] - b[0])) {
    if (first > next && next < lock.size) rest.push([next, Math.min(first, lock.size) - 1]);
    next = Math.max(next, last + 1);
  }
  if (next < lock.size) rest.push([next, lock.size - 1]);
  return rest.reduce((sum, [first, last]) => sum + last - first + 1, 0) === lock.free ? rest : undefined;
}

export class Seats {
  constructor(page) {
    this.page = page;
    [this.holders, this.holderRows] = table("holders", ["Slot", "Holder", "Since", "Lease left"], true);
    [this.queue, this.queueRows] = table("queue", ["Place", "Waiter", "Waiting"], true);
    this.open = { holders: false, queue: false };
  }

  /** Leaves the first of many rows, and a button for the rest. */
  fold(rows, which, all) {
    if (this.open[which] || rows.length <= FOLD + 2) return;
    const words = which === "queue" ? `Show all ${all.toLocaleString()} that wait` : `Show all ${all.toLocaleString()} slots`;
    const open = () => {
      this.open[which] = true;
      this.draw();
      (which === "queue" ? this.queueRows : this.holderRows).children[FOLD]?.querySelector("button")?.focus();
    };
    const cell = h("td", { role: "cell", colspan: "5" }, h("button", { type: "button", class: "small", id: `all-${which}`, click: open }, words));
    rows.splice(FOLD, rows.length, h("tr", { role: "row", class: "fold" }, cell));
  }

  draw() {
    const { page } = this;
    const { lock, admin, you } = page;
    const rows = [...lock.holders.map((ticket) => ["holder", ticket]), ...lock.withholdings.map((withholding) => ["withholding", withholding])];
    const names = lock.settings.slots;
    const places = new Map(names?.map((name, i) => [name, i]));
    const at = (one) => (names && one.slot_names.length ? places.get(one.slot_names[0]) ?? names.length : one.slots[0] ?? 0);
    const ends = (ticket) => admin || (you.key && ticket.owner === you.key && you.may("use", lock.name));
    const end = (ticket) => ends(ticket) && h("button", { type: "button", class: "small", "aria-label": `End ticket ${ticket.number}…`, click: () => revoke(page, this.ticket(ticket.number) ?? ticket) }, "End…");
    // A button that is about to be pressed stays: rows are kept by their tickets.
    const kept = new Map([...this.holderRows.children, ...this.queueRows.children].map((row) => [row.dataset.row, row]));
    const row = (key, state, make) => {
      const old = kept.get(key);
      if (old?.dataset.state === state) return old;
      return h("tr", { role: "row", "data-row": key, "data-state": state }, make());
    };
    const soon = (ticket) => (ticket.expires_in_s == null ? undefined : page.readAt + ticket.expires_in_s * 1000);
    const seats = free(lock);
    const words = lock.paused ? "free, but paused" : "free";
    const freeRow = (key, where, some) => row(key, `${some} ${words} ${some === undefined ? "" : where}`, () => cells(["slot", where], ["person free", some === undefined ? words : `${some.toLocaleString()} ${words}`], ["since"], ["lease"], ["act"]));
    const each = names && seats && seats.length <= FREE_ROWS;
    if (each) rows.push(...seats.map((seat) => ["free", { slot_names: [seat], slots: [] }]));
    rows.sort((a, b) => at(a[1]) - at(b[1]));
    const shown = rows.map(([kind, one]) => {
      if (kind === "free") return freeRow(`f${one.slot_names[0]}`, named(one.slot_names[0]));
      if (kind === "withholding") {
        const ends = one.ends_in_s == null ? null : page.readAt + one.ends_in_s * 1000;
        const lasts = ends == null ? ["lease", "until it is restored"] : ["lease", "for another ", h("span", { "data-until": ends }, "")];
        const state = `withheld ${page.log.infoOf(one.number) ?? ""} ${one.slot_ranges} ${one.awaited} ${one.awaited_names} ${ends == null}`;
        const made = row(`w${one.number}`, state, () => cells(["slot", place(one)], ["person", h("em", { class: "pill warn" }, "withheld"), " ", because(one, page.log), awaited(one)], ["since"], lasts, ["act", admin && h("button", { type: "button", class: "small", click: () => restore(page, this.withholding(one.number) ?? one) }, "Restore…")]));
        if (ends != null) made.querySelector("[data-until]").dataset.until = ends;
        return made;
      }
      const since = one.granted_at ?? one.created_at;
      const made = row(`h${one.number}`, `${one.state} ${since}`, () => cells(["slot", place(one)], ["person", one.state === "granted" ? h("em", { class: "pill granted" }, "granted, not claimed") : null, ...who(one)], ["since", when(since), " ", h("small", {}, counting(since))], ["lease", h("span", { class: "left", "data-until": "" })], ["act", end(one)]));
      const lease = made.querySelector("[data-until]");
      lease.dataset.until = soon(one) ?? "";
      lease.dataset.ttl = one.ttl_s ?? "";
      return made;
    });
    if (lock.free > 0 && !each) shown.push(freeRow("free", seats ? (names ? null : ranges(seats)) : null, lock.free));
    if (lock.holding > lock.holders.length) shown.push(row("more", `${lock.holding}`, () => cells(["slot"], ["person", `… and ${(lock.holding - lock.holders.length).toLocaleString()} more holders`], ["since"], ["lease"], ["act"])));
    this.fold(shown, "holders", shown.length);
    this.replace(this.holderRows, shown);
    const waiting = lock.queue.map((ticket, i) => {
      const made = row(`q${ticket.number}`, `${ticket.dormant} ${ticket.state}`, () => cells(["slot"], ["person", ticket.dormant ? h("em", { class: "pill warn" }, "dormant") : null, ...who(ticket)], ["since", when(ticket.created_at), " ", h("small", {}, counting(ticket.created_at))], ["act", end(ticket)]));
      put(made.firstChild, `${i + 1}`);
      return made;
    });
    this.fold(waiting, "queue", lock.queued);
    if (lock.queued > lock.queue.length && this.open.queue) waiting.push(row("rest", `${lock.queued}`, () => cells(["slot"], ["person", `… and ${(lock.queued - lock.queue.length).toLocaleString()} more`], ["since"], ["act"])));
    this.replace(this.queueRows, waiting);
    this.queue.hidden = !lock.queued;
  }

  ticket(number) {
    return [...this.page.lock.holders, ...this.page.lock.queue].find((ticket) => ticket.number === number);
  }

  withholding(number) {
    return this.page.lock.withholdings.find((withholding) => withholding.number === number);
  }

  /** Changes only the rows that are others, so that the focus stays where it is. */
  replace(body, rows) {
    const stay = new Set(rows);
    for (const old of [...body.children]) if (!stay.has(old)) old.remove();
    let next = body.firstElementChild;
    for (const row of rows) {
      if (row === next) next = next.nextElementSibling;
      else body.insertBefore(row, next);
    }
  }

  /** Counts on; whether a lease seems to run out. */
  tick() {
    for (const element of document.querySelectorAll("#main [data-since]")) put(element, span(age(element.dataset.since)));
    let nearing = false;
    for (const element of this.holderRows.querySelectorAll("[data-until]")) {
      const { until, ttl } = element.dataset;
      const left = (Number(until) - Date.now()) / 1000;
      put(element, until === "" ? "no end" : left > 0 ? span(left) : element.className.includes("left") ? "ending" : "a moment");
      element.classList.toggle("soon", until !== "" && left < 10);
      if (until !== "" && left < Number(ttl || 0) / 2) nearing = true;
    }
    return nearing;
  }
}
