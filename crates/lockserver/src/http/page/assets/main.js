// The parts of every page: the key, the server's warnings, and whether the shown state is still true.

import { Problem, askTabs, call, forgetKey, keepKey, key, now } from "./api.js";
import { Stream, isAfter } from "./live.js";
import { Overview } from "./overview.js";
import { LockPage } from "./lock.js";
import { h, moment, put, span } from "./words.js";

const at = (id) => document.getElementById(id);
const kind = document.body.dataset.page;

/** Rights as the server told them. */
class You {
  constructor(you) {
    Object.assign(this, you);
  }

  may(right, lock) {
    const fits = (pattern) => (pattern.endsWith("*") ? lock.startsWith(pattern.slice(0, -1)) : pattern === lock);
    return this.rights.includes(right) && this.locks.some(fits);
  }

  mayMake() {
    return this.rights.includes("admin") && this.locks.length > 0;
  }
}

let view, viewer, stream, lostAt, freshAt, loading, starting, retry, why;
// What is shown could not be read anew: it is old, however lively the stream is.
let stale = false;
// A tab that nobody looks at lets its connection go: a browser has six of them for a server.
const UNSEEN = 10000;
const RETRY = 2000;

function showState() {
  document.body.classList.toggle("lost", lostAt !== undefined);
  if (lostAt === undefined) {
    put(at("state"), "Live");
    put(at("age"), "");
  } else {
    put(at("state"), why ?? "Connection lost.");
    put(at("age"), `What you see is from ${moment(freshAt)}, ${span((now() - freshAt) / 1000)} ago.`);
  }
}

function live() {
  if (stale) return;
  freshAt = now();
  why = undefined;
  if (lostAt !== undefined || at("state").textContent === "") {
    lostAt = undefined;
    showState();
  }
}

function lost() {
  if (lostAt === undefined) {
    lostAt = now();
    freshAt ??= lostAt;
    showState();
  }
}

/** Reads everything anew; events that arrive meanwhile wait for it. */
async function load() {
  if (loading) return loading.again = true;
  loading = { waiting: [], again: false };
  try {
    const asOf = await view.load();
    stale = false;
    live();
    const { waiting, again } = loading;
    loading = undefined;
    for (const [id, type, data] of waiting) if (isAfter(id, asOf)) view?.event(type, data, id);
    if (again) await load();
    return asOf;
  } finally {
    loading = undefined;
  }
}

function event(id, type, data) {
  if (loading) loading.waiting.push([id, type, data]);
  else view?.event(type, data, id);
}

async function start() {
  if (starting) return;
  starting = true;
  try {
    await begin();
  } finally {
    starting = false;
  }
}

async function begin() {
  clearTimeout(retry);
  stream?.stop();
  try {
    let status = await call("GET", "/v1/status");
    // Somebody may have signed in in another tab.
    if (status.you.keys && !status.you.key && await askTabs()) status = await call("GET", "/v1/status");
    const you = new You(status.you);
    showNotices(status);
    // The same caller goes on with the same page: what was typed, opened and focused stays.
    if (!view || viewer !== JSON.stringify(status.you)) {
      view?.close?.();
      at("message")?.remove();
      showWho(you);
      viewer = JSON.stringify(status.you);
      view = kind === "lock" ? new LockPage(at("main"), you, refused) : new Overview(at("main"), you, refused);
    }
    const asOf = await load();
    if (document.hidden && unseen === undefined) return;
    const filter = view.name === undefined ? "" : `?lock=${encodeURIComponent(view.name)}`;
    const reset = () => load().catch(refused);
    const ended = (code) => {
      if (code === 401 || code === 403) start();
      else if (code === 429) why = "Too many pages are open.";
    };
    stream = new Stream(`/v1/events${filter}`, asOf, { event, reset, live, lost, back, refused: ended });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refused(problem);
  }
}

/** After a gap one may have other rights: a reload of the configuration ends all streams. */
async function back() {
  try {
    const status = await call("GET", "/v1/status");
    showNotices(status);
    if (JSON.stringify(status.you) !== viewer) start();
  } catch (problem) {
    refused(problem);
  }
}

function refused(problem) {
  if (problem.status === 401 || problem.status === 403) return askForKey(problem);
  if (problem.status === 404) {
    const words = view?.lock ? "This lock was deleted." : "There is no such lock.";
    quiet();
    return message(words);
  }
  // The server does not serve, or cannot be reached: what is shown stays, and it is tried again.
  stale = true;
  lost();
  clearTimeout(retry);
  retry = setTimeout(start, RETRY);
}

/** Nothing is followed any more, and nothing is said of it. */
function quiet() {
  clearTimeout(retry);
  stream?.stop();
  stream = undefined;
  view?.close?.();
  view = lostAt = freshAt = why = undefined;
  stale = false;
  showState();
  put(at("state"), "");
}

function message(text, ...more) {
  at("main").replaceChildren(h("div", { class: "card", id: "message" }, h("p", {}, text), ...more, h("p", {}, h("a", { href: "/" }, "All locks"))));
}

function showNotices({ version, warnings, trouble, role, leader }) {
  put(at("version"), `lockserver ${version} at ${location.host}`);
  // A server alone is its own leader, and names none.
  const leads = leader ? `${leader.name} leads since ${moment(leader.since)}.` : "No server leads.";
  put(at("leads"), leader || role !== "leader" ? leads : "");
  const notes = warnings.map((text) => h("p", { class: "notice" }, h("strong", {}, "Warning."), ` ${text}`));
  if (trouble) notes.unshift(h("p", { class: "notice bad" }, h("strong", {}, "The server does not serve now."), ` ${trouble}`));
  at("notices").replaceChildren(...notes);
}

function showWho(you) {
  const parts = [];
  if (you.key) parts.push(h("span", {}, h("span", { class: "words" }, "Signed in as "), h("b", {}, you.key)));
  if (key()) parts.push(h("button", { type: "button", id: "sign-out", click: signOut }, "Sign out"));
  else if (you.keys && !you.key) parts.push(h("button", { type: "button", id: "sign-in", click: () => askForKey() }, "Sign in"));
  at("who").replaceChildren(...parts);
}

function signOut() {
  forgetKey();
  location.reload();
}

/** Why a key that is good is not enough. */
const refusal = ({ status, message: text }) => (status === 403 ? `Your key is not enough for this${kind === "lock" ? " lock" : ""}: ${text}` : text);

/** Asks for a key; over the page if there is nothing that may be seen without. */
function askForKey(problem) {
  const needed = problem !== undefined;
  quiet();
  const error = h("p", { class: "error", role: "alert" });
  const field = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  const submit = async (submitted) => {
    submitted.preventDefault();
    put(error, "");
    try {
      const { you } = await call("GET", "/v1/status", { secret: field.value.trim() });
      if (!you.key) throw new Problem(401, { detail: "This server has no such key." });
      keepKey(field.value.trim());
      location.reload();
    } catch (why) {
      put(error, why.status === 401 ? "Wrong key." : why.message);
      field.focus();
    }
  };
  const cancel = needed ? null : h("button", { type: "button", click: () => location.reload() }, "Cancel");
  const form = h("form", { class: "card sign-in", id: "message", submit },
    h("h1", {}, "Sign in"),
    h("p", {}, needed && key() ? refusal(problem) : "This server needs a key. It is kept until you close the last tab of this server or sign out. A password manager can keep it for longer."),
    h("label", { for: "key-name" }, "Name (for your password manager)"), h("input", { id: "key-name", autocomplete: "username", spellcheck: "false" }),
    h("label", { for: "key" }, "Key"), field, error,
    h("div", { class: "actions" }, h("button", { class: "main" }, "Sign in"), cancel));
  at("main").replaceChildren(form);
  if (needed && key()) showWho({ keys: true });
  field.focus();
}

// Several servers may be open side by side.
put(at("server"), location.host);
if (kind !== "lock") document.title = `lockserver · ${location.host}`;

setInterval(() => {
  if (lostAt !== undefined) showState();
  view?.tick?.();
}, 1000);

// Set while the page is looked at, or was a moment ago.
let unseen = document.hidden ? undefined : 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.hidden) {
    unseen = setTimeout(() => {
      unseen = undefined;
      clearTimeout(retry);
      stream?.stop();
      if (view) lost();
    }, UNSEEN);
    return;
  }
  const followed = unseen !== undefined;
  unseen = 0;
  if (!followed && !at("key") && kind !== "message") start();
});

// One that is opened behind another waits until it is looked at.
if (kind !== "message" && !document.hidden) start();
