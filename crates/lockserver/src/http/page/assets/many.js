// Many tickets of a lock ended together, after a look at all of them: those of a dead pipeline, say.

import { Problem, call, lockPath } from "./api.js";
import { ask, field, ticketWords } from "./ask.js";
import { entering } from "./act.js";
import { about, h, inLock, slotsOf, some } from "./words.js";

// Listings of the lock that are read, tickets that are shown one by one, and requests that are under way together.
const PAGES = 20;
const SHOWN = 100;
const TOGETHER = 4;
// Addresses and keys to choose from, those with the most tickets first.
const CHOICES = 200;

const p = (...content) => h("p", {}, ...content);
const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);

/** The lock with all of its tickets, as far as they are listed; `whole` says whether those are all. */
async function everybody(name) {
  const lock = await call("GET", lockPath(name));
  const tickets = new Map();
  let { next } = lock;
  const take = (page) => [...page.holders, ...page.queue].forEach((ticket) => tickets.set(ticket.number, inLock(ticket, name)));
  take(lock);
  for (let page = 1; next && page < PAGES; page++) {
    const more = await call("GET", lockPath(name, `?cursor=${encodeURIComponent(next)}`));
    take(more);
    ({ next } = more);
  }
  const all = [...tickets.values()];
  return { ...lock, holders: all.filter(({ state }) => state !== "queued"), queue: all.filter(({ state }) => state === "queued"), whole: !next };
}

/** What tickets can be chosen by, with the number of those that have it. */
function choices(name, words, values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, CHOICES);
  return field(words, h("select", { name }, h("option", { value: "" }, "any"), most.map(([value, count]) => h("option", { value }, `${value} (${count})`))));
}

/** The tickets that are chosen, in the order in which they end; nothing while nothing is chosen. */
function chosen({ holders, queue }, form) {
  const [which, from, owner] = ["which", "from", "owner"].map((name) => form.get(name) ?? "");
  const info = form.get("info").trim().toLowerCase();
  if (!which && !from && !owner && !info) return undefined;
  const fits = (ticket) => (!from || ticket.from === from) && (!owner || ticket.owner === owner) && ticket.info.toLowerCase().includes(info);
  // The last in line first, holders at the end: else a permit that comes back would go to one that is to end.
  return [...(which === "holders" ? [] : queue.filter(fits).reverse()), ...(which === "queue" ? [] : holders.filter(fits))];
}

/** What ending them does. */
function preview(lock, form) {
  const tickets = chosen(lock, form);
  if (!tickets) return p("Choose which tickets: what you choose must all fit.");
  if (!tickets.length) return p(`No ticket fits${lock.whole ? "" : ", of those that are listed"}.`);
  const ending = new Set(tickets.map(({ number }) => number));
  const holding = tickets.filter(({ state }) => state !== "queued");
  const waiting = tickets.length - holding.length;
  const parts = [holding.length && `${some(holding.length, "holder")} ${holding.length === 1 ? "loses its" : "lose their"} permits`, waiting && `${some(waiting, "ticket")} in the queue ${waiting === 1 ? "loses its place" : "lose their places"}`];
  const shown = h("ul", { tabindex: "0", "aria-label": "Tickets that end" }, [...tickets].reverse().slice(0, SHOWN).map((ticket) => h("li", {}, ticket.state === "queued" ? null : h("em", { class: "pill" }, "holds"), " ", ticketWords(ticket))));
  const rest = { ...lock, holders: lock.holders.filter(({ number }) => !ending.has(number)), queue: lock.queue.filter(({ number }) => !ending.has(number)) };
  rest.queued = Math.max(0, lock.queued - waiting);
  const left = lock.in_use - sum(holding.map((ticket) => (ticket.permits === "all" ? lock.in_use : Math.max(slotsOf(ticket), ticket.permits))));
  const delay = lock.settings.lock_delay_s;
  return [
    p(h("b", {}, `${parts.filter(Boolean).join(", ")}:`)),
    shown,
    tickets.length > SHOWN ? p(`… and ${(tickets.length - SHOWN).toLocaleString()} more.`) : null,
    lock.whole ? null : p("The lock has more tickets than are listed here: look again afterwards."),
    holding.length ? p(`Whatever runs with permits is not stopped by this.${delay ? ` The permits stay withheld for ${about(delay)}.` : lock.paused ? " The permits stay free while the lock is paused." : ""}`) : null,
    delay || lock.paused || !holding.length ? null : entering(rest, lock.size - left - lock.withheld, left + lock.withheld === 0),
  ];
}

/** Ends them, each only in the state in which it was shown. Counts those that have ended, and those that had moved on. */
async function end(name, tickets, reason) {
  let ended = 0, movedOn = 0, failure;
  const left = [...tickets];
  const worker = async (fits) => {
    for (let at; !failure && (at = left.findIndex(fits)) >= 0;) {
      const [ticket] = left.splice(at, 1);
      try {
        await call("DELETE", `${lockPath(name)}/tickets/${ticket.number}?state=${ticket.state}&reason=${encodeURIComponent(reason)}`);
        ended += 1;
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        if (problem.code === "ticket_changed" || problem.code === "unknown_ticket" || problem.status === 410) movedOn += 1;
        else failure = problem;
      }
    }
  };
  // No holder before all waiters have ended.
  for (const fits of [(ticket) => ticket.state === "queued", () => true]) await Promise.all(Array.from({ length: TOGETHER }, () => worker(fits)));
  if (failure) throw new Problem(failure.status, { ...failure.body, detail: `${some(ended, "ticket")} of ${tickets.length} ended before this: ${failure.message}` });
  return { ended, movedOn };
}

/** Asks which tickets of a lock to end, and shows them. */
export async function endMany(page) {
  let lock;
  try {
    lock = await everybody(page.name);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return page.trouble(problem);
  }
  const all = [...lock.holders, ...lock.queue];
  const owners = all.map(({ owner }) => owner).filter(Boolean);
  const kinds = [["", "holders and waiters"], ["queue", "waiters only"], ["holders", "holders only"]];
  ask({
    title: ["End tickets of ", h("bdi", {}, page.name)],
    shown: lock,
    text: () => [],
    fields: [
      field("Info contains", h("input", { name: "info", autocomplete: "off", spellcheck: "false" })),
      choices("from", "Address", all.map(({ from }) => from)),
      owners.length ? choices("owner", "Key", owners) : null,
      field("Which", h("select", { name: "which" }, kinds.map(([value, text]) => h("option", { value }, text)))),
      field("Reason", h("input", { name: "reason", maxlength: 200, autocomplete: "off" }), "For their clients and the log."),
    ],
    input: preview,
    verb: "End tickets",
    danger: true,
    act: async (shown, form) => {
      const tickets = chosen(shown, form);
      if (!tickets?.length) throw new Problem(400, { detail: tickets ? "No ticket fits: nothing was done." : "Choose which tickets first: nothing was done." });
      const told = await end(page.name, tickets, form.get("reason"));
      if (told.movedOn) throw Object.assign(new Problem(409, { code: "ticket_changed" }), { told });
      return told;
    },
    moved: async ({ told, status }) => {
      if (!told) return status === 404 ? { text: "The lock is gone.", over: true } : { shown: await everybody(page.name), text: "Look again." };
      const { ended, movedOn } = told;
      const text = `${movedOn === 1 ? "One had" : `${movedOn.toLocaleString()} had`} ended or begun to work meanwhile: nothing was done to ${movedOn === 1 ? "it" : "them"}.`;
      return { shown: await everybody(page.name), done: `${some(ended, "ticket")} ended. `, text };
    },
    done: ({ ended }) => `${some(ended, "ticket")} ended.`,
  });
}
