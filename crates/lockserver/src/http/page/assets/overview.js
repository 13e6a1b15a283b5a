// All locks: a row each, changed by the events alone.

import { call, lockPath, now } from "./api.js";
import { makeLock } from "./act.js";
import { bar, drawBar, legend } from "./draw.js";
import { about, expected, h, put, say, some, span } from "./words.js";

// Changes are drawn together, and order is kept while somebody points at it.
const DRAW_EVERY = 250;
const SORT_EVERY = 2000;
const SAY_EVERY = 10000;
// More locks than so many that were made or changed together are read in one listing.
const DESCRIBED_ALONE = 8;

const since = (instant) => (instant ? now() - Date.parse(instant) : -1);
const byName = (a, b) => (a.lock.name < b.lock.name ? -1 : a.lock.name > b.lock.name ? 1 : 0);
const down = (value) => (a, b) => value(b.lock) - value(a.lock) || byName(a, b);
const ORDERS = {
  name: ["Name", byName],
  wait: ["Longest wait", down((lock) => since(lock.waiting_since))],
  queue: ["Most waiting", down((lock) => lock.queued)],
  use: ["Fullest", down((lock) => (lock.in_use + lock.withheld) / lock.size)],
  hold: ["Longest hold", down((lock) => since(lock.holding_since))],
};
const ORDER = "lockserver-order";

/** All locks, page by page. What happens meanwhile is told again by the events after the first page. */
async function everything() {
  const { locks, as_of, next } = await call("GET", "/v1/locks?tickets=0");
  for (let cursor = next; cursor;) {
    const page = await call("GET", `/v1/locks?tickets=0&cursor=${encodeURIComponent(cursor)}`);
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
    this.cells = ["waiting", "longest wait", "longest hold", "expected wait"].map((label) => h("span", { role: "cell", "data-label": label }));
    const link = h("a", { href: `/locks/${encodeURIComponent(lock.name)}` }, h("bdi", {}, lock.name));
    this.element = h("div", { class: "row", role: "row" },
      h("span", { role: "cell", class: "name" }, link, this.pills, this.description),
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
    this.order = sessionStorage.getItem(ORDER) ?? "name";
    if (!Object.hasOwn(ORDERS, this.order)) this.order = "name";
    this.sum = h("p", { class: "sum", id: "sum" });
    this.body = h("div", { role: "rowgroup", id: "rows" });
    this.none = h("p", { class: "none", hidden: true });
    this.search = h("input", { type: "search", id: "search", placeholder: "Find a lock", "aria-label": "Find a lock", autocomplete: "off", spellcheck: "false", input: () => this.filter() });
    const options = Object.entries(ORDERS).map(([name, [text]]) => h("option", { value: name, selected: name === this.order }, text));
    const order = h("select", { id: "order", change: (event) => this.sortBy(event.target.value) }, options);
    const make = you.mayMake() && h("button", { type: "button", id: "make", click: () => makeLock() }, "New lock…");
    const titles = ["Lock", "In use", "Waiting", "Longest wait", "Longest hold", "Expected wait"];
    const head = h("div", { class: "head", role: "row" }, titles.map((title) => h("span", { role: "columnheader" }, title)));
    this.table = h("div", { class: "locks", id: "locks", role: "table", "aria-label": "Locks" }, h("div", { role: "rowgroup" }, head), this.body);
    this.parts = [
      h("h1", { class: "unseen" }, "Locks"),
      this.sum,
      h("div", { id: "tools" }, this.search, h("label", {}, "Order ", order), make),
      legend("all"),
      this.table,
      this.none,
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
      this.take(data.lock, data.usage);
      // The numbers do not tell a description, but that is rare.
      if (kind === "lock_changed" || kind === "lock_created") this.describe(data.lock);
    }
    this.due ??= setTimeout(() => requestAnimationFrame(() => this.draw()), DRAW_EVERY);
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
        if (this.search.value) this.filter();
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
    const due = this.order !== "name" && Date.now() - this.sorted > SORT_EVERY && !pointed;
    if (all || this.unsorted || due) this.sort();
    this.summary();
  }

  sortBy(order) {
    this.order = order;
    sessionStorage.setItem(ORDER, order);
    this.sort();
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
    const wanted = this.search.value.trim().toLowerCase();
    let found = 0;
    for (const { lock, element } of this.rows.values()) {
      const fits = !wanted || lock.name.toLowerCase().includes(wanted) || (lock.description ?? "").toLowerCase().includes(wanted);
      if (element.hidden === fits) element.hidden = !fits;
      found += fits;
    }
    this.none.hidden = found > 0;
    put(this.none, this.rows.size ? "No lock has this in its name or description." : "There are no locks yet.");
  }

  summary() {
    let used = 0, size = 0, queued = 0, paused = 0, worst;
    for (const { lock } of this.rows.values()) {
      used += lock.in_use;
      size += lock.size;
      queued += lock.queued;
      paused += lock.paused;
      if (lock.waiting_since && (!worst || lock.waiting_since < worst.waiting_since)) worst = lock;
    }
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
