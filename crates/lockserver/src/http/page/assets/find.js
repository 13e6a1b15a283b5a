// Finds holders and waiters of all locks by some words.

import { Problem, call, now } from "./api.js";
import { h, put, say, some, span, written } from "./words.js";

// So long nothing more is typed before the server is asked, and so long its answer serves for what is typed next.
const PAUSE = 350;
const FRESH = 5000;
// Looking at everything is not for free: pages of locks, tickets of each lock, and tickets that are shown.
const PAGES = 5;
const TICKETS = 100;
const SHOWN = 50;

/** The tickets of all locks, as far as they are listed; and whether those are all. */
async function everybody() {
  // One for several locks is listed with each of them.
  const tickets = new Map();
  let whole = true, cursor = "";
  for (let page = 0; page < PAGES; page++) {
    const { locks, next } = await call("GET", `/v1/locks?tickets=${TICKETS}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    for (const lock of locks) {
      for (const ticket of [...lock.holders, ...lock.queue]) tickets.set(ticket.number, ticket);
      if (lock.holding > lock.holders.length || lock.queued > lock.queue.length) whole = false;
    }
    if (!next) return { tickets: [...tickets.values()], whole };
    cursor = next;
  }
  return { tickets: [...tickets.values()], whole: false };
}

const texts = (ticket) => [ticket.info, ticket.owner ?? "", ticket.from, ...Object.values(ticket.locks).flatMap((part) => part.slot_names)].join(" ").toLowerCase();

export class Found {
  constructor(trouble) {
    this.trouble = trouble;
    this.title = h("h2");
    this.list = h("ul", { class: "found", id: "found" });
    this.element = h("section", { class: "card", hidden: true, "aria-label": "Holders and waiters" }, this.title, this.list);
  }

  /** Shows the matches, a moment after the last letter. */
  look(text) {
    clearTimeout(this.due);
    this.words = text.trim().toLowerCase().split(/\s+/).filter((word) => word.length > 1);
    if (!this.words.length) return this.element.hidden = true;
    this.due = setTimeout(() => this.read(), PAUSE);
  }

  async read() {
    try {
      if (!this.all || Date.now() - this.readAt > FRESH) {
        this.all = await everybody();
        this.readAt = Date.now();
      }
      this.draw();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.trouble(problem);
    }
  }

  draw() {
    const { words, all } = this;
    if (!words.length) return;
    const found = all.tickets.filter((ticket) => words.every((word) => texts(ticket).includes(word)));
    this.element.hidden = !found.length;
    const title = `${some(found.length, "holder or waiter", "holders and waiters")}${all.whole ? "" : ", of those that are listed"}`;
    put(this.title, title);
    if (found.length) say(`${title}.`);
    const shown = found.slice(0, SHOWN).map((ticket) => h("li", {},
      Object.keys(ticket.locks).flatMap((lock, i) => [i ? ", " : null, h("a", { href: `/locks/${encodeURIComponent(lock)}` }, h("bdi", {}, lock))]),
      ` ${ticket.state === "queued" ? "waits" : "holds"} for ${span((now() - Date.parse(ticket.granted_at ?? ticket.created_at)) / 1000)}: `,
      ticket.info ? written(ticket.info, 80) : h("i", {}, "(no info)"),
      h("small", {}, ` #${ticket.number}, ${ticket.owner ? `${ticket.owner}, ` : ""}${ticket.from}`)));
    if (found.length > SHOWN) shown.push(h("li", {}, `… and ${(found.length - SHOWN).toLocaleString()} more.`));
    this.list.replaceChildren(...shown);
  }
}
