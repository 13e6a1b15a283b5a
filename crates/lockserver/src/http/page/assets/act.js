// What administrators do, each after a question that names what happens to whom.

import { call, lockPath } from "./api.js";
import { ask, field, list, ticketWords } from "./ask.js";
import { about, h, inLock, slotsOf, some } from "./words.js";

const query = (force) => (force === undefined ? "" : `?force=true&expect_tickets=${force}`);
const tag = (lock) => ({ "If-Match": `"${lock.revision}"` });
const name = (lock) => h("bdi", {}, lock.name);
const p = (...content) => h("p", {}, ...content);
const needs = (ticket) => (ticket.permits === "all" ? "all permits at once" : some(ticket.permits, "permit"));

/**
 * Who gets in at once if so many permits can be given; `empty` if none is out or withheld then. The rules are the server's. Whether
 * one for several locks gets in is a matter of the others, too: from there on nothing is certain.
 */
function entrants({ queue, holders }, room, empty) {
  const first = [];
  if (holders.some((one) => one.permits === "all") && !empty) return first;
  for (const ticket of queue.filter((one) => !one.dormant)) {
    if (ticket.others.length) break;
    if (ticket.permits === "all") {
      if (empty && !first.length) first.push(ticket);
      break;
    }
    if (ticket.permits > room) break;
    room -= ticket.permits;
    first.push(ticket);
  }
  return first;
}

/** The same in words. */
export function entering(lock, room, empty) {
  const ready = lock.queue.filter((one) => !one.dormant);
  const first = entrants(lock, room, empty);
  if (first.length) return [p(first.length === 1 ? "This one is let in at once:" : `These ${first.length} are let in at once:`), list(first)];
  if (!lock.queued) return p("Nobody waits. A new request is let in, if it fits.");
  if (!ready.length) return p("Nobody is let in by it: all tickets that wait are dormant.");
  const fits = ready[0].permits === "all" ? empty : ready[0].permits <= room;
  if (fits && ready[0].others.length) return p("The first in line, ", ticketWords(ready[0]), ", is let in as soon as its other locks have room for it, too.");
  return p("Nobody is let in by it: the first in line, ", ticketWords(ready[0]), `, needs ${needs(ready[0])}, and ${room > 0 ? `${room.toLocaleString()} would be free` : "none would be free"}.`);
}

/** What to do when the lock's settings are others: the page shows them, and so does the question. */
const settingsMoved = (page, words) => async (problem) => {
  if (problem.status === 404) return { text: "The lock is gone.", over: true };
  await page.refresh();
  return { shown: page.lock, text: words(page.lock) };
};

const names = (text) => text.split("\n").map((one) => one.trim()).filter(Boolean);

/** What another size would do. */
function resized(lock, size, slots) {
  if (!Number.isInteger(size) || size < 1) return null;
  const out = lock.in_use + lock.withheld;
  const stay = new Set(slots);
  const lost = slots ? lock.holders.filter((one) => one.slot_names.some((slot) => !stay.has(slot))) : [];
  const kept = lost.length ? [p("Names that go are still held, until these give them back:"), list(lost)] : null;
  const tooBig = lock.queue.filter((one) => one.permits > size);
  const ends = tooBig.length ? [p(h("b", {}, "These wait for more than that and end:")), list(tooBig)] : null;
  if (size === lock.size) return kept;
  const first = lock.queue.find((one) => !one.dormant && !(one.permits > size));
  const back = out - size + (first ? (first.permits === "all" ? size : first.permits) : 1);
  const until = `${some(back, "permit")} must come back before ${first ? "the first in line" : "anybody"} gets in.`;
  if (out > size) return [p(`${some(lock.holding, "holder")} ${lock.holding === 1 ? "goes" : "go"} on. ${until} In use now:`), list(lock.holders, lock.holding), kept, ends];
  if (size < lock.size) return [p(out === size ? until : `${some(size - out, "permit")} would be free.`), kept, ends];
  if (lock.paused) return [p("It is paused: nobody is let in."), kept];
  return [entering(lock, size - out, out === 0), kept];
}

export function resize(page) {
  const { slots } = page.lock.settings;
  const input = slots
    ? h("textarea", { name: "slots", rows: Math.min(12, slots.length + 1), required: true, spellcheck: "false" })
    : h("input", { name: "size", type: "number", min: 1, max: 1000000, value: page.lock.size, required: true });
  if (slots) input.value = slots.join("\n");
  ask({
    title: ["Resize ", name(page.lock)],
    shown: page.lock,
    text: (lock) => p(`It has ${some(lock.size, "permit")} now, ${lock.in_use.toLocaleString()} of them in use${lock.withheld ? ` and ${lock.withheld.toLocaleString()} withheld` : ""}. Nobody loses what is held.`),
    fields: slots ? field("Slots, a name a line", input) : field("Permits", input),
    input: (lock, form) => {
      const wanted = slots ? names(form.get("slots")) : undefined;
      return resized(lock, wanted ? wanted.length : Number(form.get("size")), wanted);
    },
    verb: "Resize",
    act: (lock, form, force) => {
      const body = slots ? { slots: names(form.get("slots")) } : { size: Number(form.get("size")) };
      return call("PATCH", lockPath(lock.name, query(force)), { body, headers: tag(lock) });
    },
    moved: settingsMoved(page, (now) => `Its size is ${now.size} now, ${now.in_use} in use.`),
    done: (now) => `Resized to ${now.size}.`,
  });
}

export function pause(page) {
  const lengths = [["", "until somebody resumes it"], ["900", "15 minutes"], ["3600", "1 hour"], ["14400", "4 hours"], ["86400", "1 day"]];
  ask({
    title: ["Pause ", name(page.lock)],
    shown: page.lock,
    text: (lock) => [
      p(`Nobody is let in while it is paused. ${lock.holding ? `${some(lock.holding, "holder")} ${lock.holding === 1 ? "goes" : "go"} on undisturbed.` : "Nobody holds it."} ${lock.queued ? `In the queue, ${some(lock.queued, "ticket")} ${lock.queued === 1 ? "keeps its place" : "keep their places"}:` : "New requests may wait."}`),
      lock.queued ? list(lock.queue, lock.queued) : null,
    ],
    fields: [
      field("Reason", h("input", { name: "reason", maxlength: 200, autocomplete: "off" }), "Everybody sees it."),
      field("For", h("select", { name: "until" }, lengths.map(([value, text]) => h("option", { value }, text)))),
    ],
    verb: "Pause",
    act: (lock, form) => {
      const until = Number(form.get("until"));
      const body = { paused: true, reason: form.get("reason"), ...(until ? { until_s: until } : {}) };
      return call("PATCH", lockPath(lock.name), { body, headers: tag(lock) });
    },
    moved: settingsMoved(page, (now) => (now.paused ? "Somebody has paused it already." : "Its settings have changed.")),
    done: () => "Paused.",
  });
}

export function resume(page) {
  ask({
    title: ["Resume ", name(page.lock)],
    shown: page.lock,
    text: (lock) => [
      p(lock.queued ? `${some(lock.queued, "ticket")} ${lock.queued === 1 ? "waits" : "wait"}, ${lock.free.toLocaleString()} of ${some(lock.size, "permit")} ${lock.free === 1 ? "is" : "are"} free.` : null),
      entering(lock, lock.free, lock.in_use + lock.withheld === 0),
    ],
    verb: "Resume",
    act: (lock) => call("PATCH", lockPath(lock.name), { body: { paused: false }, headers: tag(lock) }),
    moved: settingsMoved(page, (now) => (now.paused ? "Its settings have changed." : "Somebody has resumed it already.")),
    done: () => "Resumed.",
  });
}

export function remove(page) {
  ask({
    title: ["Delete ", name(page.lock)],
    shown: page.lock,
    text: (lock) => {
      const all = lock.holding + lock.queued;
      const again = lock.configuration && !lock.template ? p("The configuration has it: the next reload or start makes it again, unless its section is removed.") : null;
      return [p(all ? `It is in use: ${some(lock.holding, "holder")} and ${lock.queued.toLocaleString()} in the queue would lose their tickets:` : "Nobody holds it and nobody waits for it."), all ? list([...lock.holders, ...lock.queue], all) : null, again];
    },
    verb: "Delete",
    danger: true,
    act: async (lock, form, force) => {
      await call("DELETE", lockPath(lock.name, query(force)), { headers: tag(lock) });
      location.assign("/");
    },
    moved: settingsMoved(page, (now) => `Its settings have changed; ${now.holding} hold it, ${now.queued} wait.`),
    done: () => "Deleted.",
  });
}

const STATES = { queued: "it waits in the queue", granted: "it has been given its permits", held: "it holds its permits, and something may run with them", ended: "it has ended" };

export function revoke(page, ticket) {
  // What ends, and what of its lock is shown with it.
  const seen = (one) => ({ ticket: one, lock: page.lock });
  ask({
    title: [`End ticket ${ticket.number} of `, name(page.lock)],
    shown: seen(ticket),
    text: ({ ticket: one, lock }) => {
      if (one.state === "queued") return [p(ticketWords(one)), p(`It waits, and loses its place in ${one.others.length ? "all of its queues" : "the queue"}.`)];
      const delay = lock.settings.lock_delay_s;
      const back = one.permits === "all" ? lock.in_use : Math.max(slotsOf(one), one.permits);
      const left = lock.in_use - back;
      const others = { ...lock, holders: lock.holders.filter((other) => other.number !== one.number) };
      return [
        p(ticketWords(one)),
        p(`${one.state === "granted" ? "It was given its permits, which its client has not claimed yet, and loses them." : "It holds its permits now and loses them; whatever runs with them is not stopped by this."} ${delay ? `They stay withheld for ${about(delay)}.` : lock.paused ? "They stay free while the lock is paused." : ""}`),
        delay || lock.paused ? null : entering(others, lock.size - left - lock.withheld, left + lock.withheld === 0),
      ];
    },
    fields: field("Reason", h("input", { name: "reason", maxlength: 200, autocomplete: "off" }), "For its client and the log."),
    verb: "End ticket",
    danger: true,
    // Only in the state that the question was about: a waiter may have begun its work since.
    act: ({ ticket: one }, form) => call("DELETE", `${lockPath(page.name)}/tickets/${one.number}?state=${one.state}&reason=${encodeURIComponent(form.get("reason"))}`),
    moved: async (problem) => {
      await page.refresh();
      const now = problem.code === "ticket_changed" ? problem.body.tickets?.[0] : undefined;
      if (now && now.state !== "ended") return { shown: seen(inLock(now, page.name)), text: `Now ${STATES[now.state] ?? `it is ${now.state}`}.` };
      const how = now?.ended_as ?? problem.body.ended_as;
      return { text: how ? `The ticket has ended as ${how} by itself.` : "The ticket has ended by itself.", over: true };
    },
    done: () => `Ticket ${ticket.number} is ended.`,
  });
}

export function makeLock() {
  ask({
    title: "New lock",
    text: () => p("It has the usual times; you can change its settings as soon as it exists."),
    fields: [
      field("Name", h("input", { name: "name", required: true, maxlength: 200, autocomplete: "off", spellcheck: "false" })),
      field("Permits", h("input", { name: "size", type: "number", min: 1, max: 1000000, value: 1, required: true })),
      field("Description", h("input", { name: "description", maxlength: 500, autocomplete: "off" })),
    ],
    verb: "Create",
    act: async (_, form) => {
      const body = { size: Number(form.get("size")), description: form.get("description") };
      const path = lockPath(form.get("name"));
      await call("PUT", path, { body, headers: { "If-None-Match": "*" } });
      location.assign(path.replace("/v1", ""));
    },
    moved: async (problem) => ({ text: problem.message }),
    done: () => "Made.",
  });
}
