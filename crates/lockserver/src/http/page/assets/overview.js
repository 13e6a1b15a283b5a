// All locks: a row each, changed by the events alone.

import { call, lockPath, now } from "./api.js";
import { makeLock } from "./act.js";
import { bar, drawBar, legend } from "./draw.js";
import { Found } from "./find.js";
import { about, expected, h, put, readable, say, some, span } from "./words.js";

// Changes are drawn together, and order is kept while somebody points at it.
const DRAW_EVERY = 250;
const SORT_EVERY = 2000;
const SAY_EVERY = 10000;
// More locks than so many that were made or changed together are read in one listing.
const DESCRIBED_ALONE = 8;

const since = (instant) => (instant ? now() - Date.parse(instant) : -1);
const byName = (a, b) => (a.lock.name < b.lock.name ? -1 : a.lock.name > b.lock.name ? 1 : 0);
const down = (value) => (a, b) => value(b.lock) - value(a.lock) || byName(a, b);

const full = (lock) => lock.in_use + lock.withheld >= lock.size;
// What somebody may have to look after comes first: who waits longest, what is paused or withheld, what is full.
const rank = (lock) => (lock.queued ? 3 : lock.paused || lock.withheld || lock.retiring ? 2 : full(lock) ? 1 : 0);
const byAttention = (a, b) => rank(b.lock) - rank(a.lock) || since(b.lock.waiting_since) - since(a.lock.waiting_since) || byName(a, b);
const ORDERS = {
  attention: ["What needs attention", byAttention],
  name: ["Name", byName],
  wait: ["Longest wait", down((lock) => since(lock.waiting_since))],
  queue: ["Most waiting", down((lock) => lock.queued)],
  use: ["Fullest", down((lock) => (lock.in_use + lock.withheld) / lock.size)],
  hold: ["Longest hold", down((lock) => since(lock.holding_since))],
};
const ORDER = "lockserver-order";
const FILTERS = {
  waiting: ["waiting", (lock) => lock.queued > 0],
  full: ["full", full],
  paused: ["paused", (lock) => lock.paused],
  withheld: ["withheld", (lock) => lock.withheld > 0],
};
// A lock of that size or smaller is shown with who holds it.
const HOLDERS_SHOWN = 3;

/** All locks, page by page. What happens meanwhile is told again by the events after the first page. */
async function everything() {
  const { locks, as_of, next } = await call("GET", "/v1/locks?tickets=1");
  for (let cursor = next; cursor;) {
    const page = await call("GET", `/v1/locks?tickets=1&cursor=${encodeURIComponent(cursor)}`);
    locks.push(...page.locks);
    cursor = page.next;
  }
  return { locks, as_of };
}

/** One lock's row. */
class Row {
  constructor(lock) {
    this.lock = lock;
    this.pills = h("span", { class: "pills" });
    this.bar = bar();
    this.use = h("b");
    this.description = h("small", {}, h("bdi"));
    this.whom = h("bdi");
    this.more = h("span");
    this.who = h("small", { hidden: true }, "held by ", this.whom, this.more);
    this.cells = ["waiting", "longest wait", "longest hold", "expected wait"].map((label) => h("span", { role: "cell", "data-label": label }));
    const link = h("a", { href: `/locks/${encodeURIComponent(lock.name)}` }, h("bdi", {}, lock.name));
    this.element = h("div", { class: "row", role: "row" },
      h("span", { role: "cell", class: "name" }, link, this.pills, this.description, this.who),
      h("span", { role: "cell", class: "use" }, this.bar, this.use),
      this.cells);
    this.element.row = this;
    this.draw();
  }

  draw() {
    const { lock } = this;
    const queue = this.cells[0];
    put(this.description.firstChild, lock.description ?? "");
    drawBar(this.bar, lock);
    const use = `${lock.in_use.toLocaleString()} of ${lock.size.toLocaleString()}`;
    if (this.used !== use) {
      this.used = use;
      this.use.replaceChildren(lock.in_use.toLocaleString(), h("i", {}, ` of ${lock.size.toLocaleString()}`));
    }
    const holder = lock.size <= HOLDERS_SHOWN && lock.holding ? lock.holders?.find(Boolean) : undefined;
    this.who.hidden = !holder;
    put(this.whom, holder ? readable(holder.info ?? "") || holder.owner || holder.from || `#${holder.number}` : "");
    put(this.more, holder && lock.holding > 1 ? ` and ${lock.holding - 1} more` : "");
    put(queue, lock.queued ? lock.queued.toLocaleString() : "–");
    this.element.classList.toggle("busy", lock.queued > 0);
    const pills = [lock.paused && "paused", lock.withheld > 0 && `${lock.withheld.toLocaleString()} withheld`, lock.granted > 0 && `${lock.granted.toLocaleString()} granted`, lock.retiring && "retiring"];
    const text = pills.filter(Boolean).join(" ");
    if (this.pilled !== text) {
      this.pilled = text;
      this.pills.replaceChildren(...pills.filter(Boolean).map((pill) => h("em", { class: pill.endsWith(" granted") ? "pill" : "pill warn" }, pill)));
    }
    this.tick();
  }

  tick() {
    const { lock, cells } = this;
    const lasted = (instant) => (instant ? span(since(instant) / 1000) : "–");
    put(cells[1], lasted(lock.waiting_since));
    put(cells[2], lasted(lock.holding_since));
    const wait = expected(lock, since(lock.waiting_since) / 1000);
    put(cells[3], lock.paused ? "paused" : wait === 0 && !lock.queued ? "none" : wait == null ? "–" : wait < 1 ? about(wait) : `≈ ${about(wait)}`);
  }
}

/** The page of all locks. */
export class Overview {
  /** `trouble(problem)` is told if the locks cannot be read. */
  constructor(main, you, trouble) {
    Object.assign(this, { you, trouble, undescribed: new Set() });
    this.rows = new Map();
    this.dirty = new Set();
    this.visible = new Set();
    this.sorted = this.said = 0;
    const asked = new URLSearchParams(location.search);
    this.order = asked.get("order") ?? sessionStorage.getItem(ORDER) ?? "attention";
    if (!Object.hasOwn(ORDERS, this.order)) this.order = "attention";
    this.shown = new Set((asked.get("show") ?? "").split(",").filter((one) => Object.hasOwn(FILTERS, one)));
    this.found = new Found(trouble);
    this.sum = h("p", { class: "sum", id: "sum" });
    this.body = h("div", { role: "rowgroup", id: "rows" });
    this.none = h("p", { class: "none", hidden: true });
    this.search = h("input", { type: "search", id: "search", placeholder: "Find a lock, a holder, a host", "aria-label": "Find a lock, a holder or a host", autocomplete: "off", spellcheck: "false", input: () => this.look(), keydown: (event) => this.enter(event) });
    this.search.value = asked.get("find") ?? "";
    this.chips = h("div", { class: "chips", role: "group", "aria-label": "Show only" }, Object.entries(FILTERS).map(([name, [text]]) =>
      h("button", { type: "button", class: "chip", id: `show-${name}`, "aria-pressed": `${this.shown.has(name)}`, click: () => this.toggle(name) }, text, " ", h("b", {}, "0"))));
    const options = Object.entries(ORDERS).map(([name, [text]]) => h("option", { value: name, selected: name === this.order }, text));
    const order = h("select", { id: "order", change: (event) => this.sortBy(event.target.value) }, options);
    const make = you.mayMake() && h("button", { type: "button", id: "make", click: () => makeLock() }, "New lock…");
    const titles = ["Lock", "In use", "Waiting", "Longest wait", "Longest hold", "Expected wait"];
    const head = h("div", { class: "head", role: "row" }, titles.map((title) => h("span", { role: "columnheader" }, title)));
    this.table = h("div", { class: "locks", id: "locks", role: "table", "aria-label": "Locks" }, h("div", { role: "rowgroup" }, head), this.body);
    this.parts = [
      h("h1", { class: "unseen" }, "Locks"),
      this.sum,
      h("div", { id: "tools" }, this.search, this.chips, h("label", {}, "Order ", order), make),
      legend("all"),
      this.table,
      this.none,
      this.found.element,
    ];
    this.main = main;
    // Only what can be seen ticks.
    this.watch = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) {
        this.visible[isIntersecting ? "add" : "delete"](target.row);
        if (isIntersecting) target.row.tick();
      }
    }, { rootMargin: "100px" });
    this.keys = (event) => {
      if (event.key === "/" && !event.target.closest("input, textarea, select, dialog")) {
        event.preventDefault();
        this.search.focus();
      }
    };
    addEventListener("keydown", this.keys);
  }

  close() {
    removeEventListener("keydown", this.keys);
    clearTimeout(this.due);
  }

  async load() {
    const { locks, as_of } = await everything();
    const names = new Set(locks.map(({ name }) => name));
    for (const name of this.rows.keys()) if (!names.has(name)) this.remove(name);
    for (const lock of locks) {
      lock.description = lock.settings.description;
      this.take(lock.name, lock);
    }
    this.draw(true);
    this.found.look(this.search.value);
    if (!this.table.isConnected) this.main.replaceChildren(...this.parts);
    return as_of;
  }

  /** What is new of a lock. */
  take(name, news) {
    const row = this.rows.get(name);
    if (row) {
      Object.assign(row.lock, news);
      this.dirty.add(row);
    } else {
      const made = new Row({ name, ...news });
      this.rows.set(name, made);
      this.watch.observe(made.element);
      this.unsorted = true;
    }
  }

  remove(name) {
    const row = this.rows.get(name);
    if (!row) return;
    this.rows.delete(name);
    this.visible.delete(row);
    this.dirty.delete(row);
    this.watch.unobserve(row.element);
    row.element.remove();
  }

  event(kind, data) {
    if (kind === "lock_deleted") this.remove(data.lock);
    else if (data.usage) {
      this.take(data.lock, { queued_elsewhere: 0, ...data.usage, holders: this.holders(kind, data) });
      // The numbers do not tell a description, but that is rare.
      if (kind === "lock_changed" || kind === "lock_created") this.describe(data.lock);
    }
    this.due ??= setTimeout(() => requestAnimationFrame(() => this.draw()), DRAW_EVERY);
  }

  /** Those who are known to hold the lock after an event about one of them; the numbers say how many there are. */
  holders(kind, { lock, number, info, owner, from }) {
    const known = this.rows.get(lock)?.lock.holders ?? [];
    if (number === undefined) return known;
    const others = known.filter((one) => one.number !== number);
    if (kind !== "granted" && kind !== "held") return others;
    return others.length < HOLDERS_SHOWN ? [...others, { number, info, owner, from }] : others;
  }

  /** Reads what the numbers of events do not tell; of many locks at once if they are many. */
  async describe(name) {
    this.undescribed.add(name);
    if (this.describing) return;
    this.describing = true;
    try {
      while (this.undescribed.size) {
        const wanted = new Set(this.undescribed);
        const names = [...wanted];
        this.undescribed.clear();
        const locks = names.length > DESCRIBED_ALONE
          ? (await everything()).locks.filter((lock) => wanted.has(lock.name))
          : await Promise.all(names.map((one) => call("GET", lockPath(one, "?tickets=0")).catch((problem) => {
            // It is gone already, and its row with it; anything else is tried again.
            if (problem.status === 404 || problem.status === 403) return null;
            throw problem;
          })));
        for (const lock of locks.filter(Boolean)) this.described(lock);
        if (this.search.value || this.shown.size) this.filter();
      }
    } catch (problem) {
      this.trouble(problem);
    } finally {
      this.describing = false;
    }
  }

  described({ name, settings, retiring }) {
    const row = this.rows.get(name);
    if (!row) return;
    row.lock.description = settings.description;
    row.lock.retiring = retiring;
    row.draw();
  }

  draw(all = false) {
    this.due = undefined;
    for (const row of this.dirty) row.draw();
    this.dirty.clear();
    const pointed = this.body.matches(":hover") || this.body.contains(document.activeElement);
    if (this.shown.size && !all) this.filter();
    const due = this.order !== "name" && Date.now() - this.sorted > SORT_EVERY && !pointed;
    if (all || this.unsorted || due) this.sort();
    this.summary();
  }

  sortBy(order) {
    this.order = order;
    sessionStorage.setItem(ORDER, order);
    this.remember();
    this.sort();
  }

  toggle(name) {
    if (!this.shown.delete(name)) this.shown.add(name);
    this.chips.querySelector(`#show-${name}`).setAttribute("aria-pressed", `${this.shown.has(name)}`);
    this.remember();
    this.filter();
  }

  /** What was typed has changed. */
  look() {
    this.remember();
    this.filter();
    this.found.look(this.search.value);
  }

  /** Enter opens the only lock that is left, or the one that is called so. */
  enter(event) {
    if (event.key !== "Enter") return;
    const left = [...this.rows.values()].filter(({ element }) => !element.hidden);
    const named = left.find(({ lock }) => lock.name.toLowerCase() === this.search.value.trim().toLowerCase());
    const row = named ?? (left.length === 1 ? left[0] : undefined);
    if (row) row.element.querySelector("a").click();
  }

  /** The address says what is shown, so that it can be kept and sent to somebody. */
  remember() {
    const asked = new URLSearchParams();
    if (this.search.value.trim()) asked.set("find", this.search.value.trim());
    if (this.shown.size) asked.set("show", [...this.shown].join(","));
    if (this.order !== "attention") asked.set("order", this.order);
    const text = asked.toString();
    history.replaceState(null, "", text ? `/?${text}` : "/");
  }

  sort() {
    this.unsorted = false;
    this.sorted = Date.now();
    const rows = [...this.rows.values()].sort(ORDERS[this.order][1]);
    // Moves only what stands at another place.
    let next = this.body.firstElementChild;
    for (const { element } of rows) {
      if (element === next) next = next.nextElementSibling;
      else this.body.insertBefore(element, next);
    }
    this.filter();
  }

  filter() {
    const wanted = this.search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = [...this.shown].map((name) => FILTERS[name][1]);
    let found = 0;
    for (const { lock, element } of this.rows.values()) {
      const text = `${lock.name} ${lock.description ?? ""}`.toLowerCase();
      const fits = wanted.every((word) => text.includes(word)) && (!kinds.length || kinds.some((fits) => fits(lock)));
      if (element.hidden === fits) element.hidden = !fits;
      found += fits;
    }
    this.none.hidden = found > 0;
    if (this.rows.size) put(this.none, wanted.length ? "No lock has this in its name or description." : "No lock is in that state now.");
    else if (!this.none.querySelector("code")) this.none.replaceChildren("There are no locks yet. Write ", h("code", {}, "[lock san-ssh]"), " and ", h("code", {}, "SIZE=7"), " into the configuration and reload it, or say ", h("code", {}, "lockctl create san-ssh --size 7"), ".");
  }

  summary() {
    let used = 0, size = 0, queued = 0, paused = 0, worst;
    const counts = Object.fromEntries(Object.keys(FILTERS).map((name) => [name, 0]));
    for (const { lock } of this.rows.values()) {
      for (const [name, [, fits]] of Object.entries(FILTERS)) counts[name] += fits(lock);
      used += lock.in_use;
      size += lock.size;
      // One for several locks waits in each of them, and is one.
      queued += lock.queued - (lock.queued_elsewhere ?? 0);
      paused += lock.paused;
      if (lock.waiting_since && (!worst || since(lock.waiting_since) > since(worst.waiting_since))) worst = lock;
    }
    for (const [name, count] of Object.entries(counts)) put(this.chips.querySelector(`#show-${name} b`), count.toLocaleString());
    const parts = [`${used.toLocaleString()} of ${some(size, "permit")} in use`, queued ? `${queued.toLocaleString()} waiting` : "nobody waits"];
    const longest = worst ? [", longest in ", h("a", { href: `/locks/${encodeURIComponent(worst.name)}` }, h("bdi", {}, worst.name))] : [];
    const rest = ` · ${some(this.rows.size, "lock")}${paused ? ` · ${paused} paused` : ""}`;
    const text = `${parts.join(" · ")}${worst?.name ?? ""}${rest}`;
    if (this.summed === text) return;
    this.summed = text;
    this.sum.replaceChildren(h("b", {}, parts[0]), " · ", h("b", { class: queued ? "warn" : "" }, parts[1]), ...longest, rest);
    if (Date.now() - this.said > SAY_EVERY) {
      this.said = Date.now();
      say(`${parts.join(", ")}.`);
    }
  }

  tick() {
    for (const row of this.visible) row.tick();
  }
}
