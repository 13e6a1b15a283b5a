// What every page has: who is signed in, the server's warnings, and whether what is shown is still true.

import { Problem, call, forgetKey, keepKey, key, now } from "./api.js";
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

let view, stream, lostAt, freshAt, loading, starting, why;
// A tab that nobody looks at lets its connection go: a browser has six of them for a server.
const UNSEEN = 60000;

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
    live();
    const { waiting, again } = loading;
    loading = undefined;
    for (const [id, type, data] of waiting) if (isAfter(id, asOf)) view.event(type, data);
    if (again) await load();
    return asOf;
  } finally {
    loading = undefined;
  }
}

function event(id, type, data) {
  if (loading) loading.waiting.push([id, type, data]);
  else view.event(type, data);
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
  stream?.stop();
  view?.close?.();
  at("message")?.remove();
  let status;
  try {
    status = await call("GET", "/v1/status");
    const you = new You(status.you);
    showWho(you);
    showNotices(status);
    view = kind === "lock" ? new LockPage(at("main"), you) : new Overview(at("main"), you);
    const asOf = await load();
    const filter = view.name === undefined ? "" : `?lock=${encodeURIComponent(view.name)}`;
    const reset = () => load().catch(refused);
    const ended = (code) => {
      if (code === 401 || code === 403) start();
      else if (code === 429) why = "Too many pages are open.";
    };
    stream = new Stream(`/v1/events${filter}`, asOf, { event, reset, live, lost, refused: ended });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refused(problem);
  }
}

function refused(problem) {
  if (problem.status === 401 || (problem.status === 403 && !view)) return askForKey(problem);
  if (problem.status === 404) {
    stream?.stop();
    return message("There is no such lock any more.");
  }
  // The server does not serve, or cannot be reached: what is shown stays, and it is tried again.
  lost();
  setTimeout(start, 2000);
}

function message(text, ...more) {
  at("main").replaceChildren(h("div", { class: "card", id: "message" }, h("p", {}, text), ...more, h("p", {}, h("a", { href: "/" }, "All locks"))));
}

function showNotices({ warnings, trouble }) {
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

/** Asks for a key; over the page if there is nothing that may be seen without. */
function askForKey(problem) {
  const needed = problem !== undefined;
  stream?.stop();
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
      put(error, why.status === 401 ? "This key is none of this server's." : why.message);
      field.focus();
    }
  };
  const cancel = needed ? null : h("button", { type: "button", click: () => location.reload() }, "Cancel");
  const form = h("form", { class: "card sign-in", id: "message", submit },
    h("h1", {}, "Sign in"),
    h("p", {}, needed && key() ? problem.message : "This server wants a key. It is kept until you close this tab or sign out."),
    h("label", { for: "key" }, "Key"), field, error,
    h("div", { class: "actions" }, h("button", { class: "main" }, "Sign in"), cancel));
  at("main").replaceChildren(form);
  if (needed && key()) showWho({ keys: true });
  field.focus();
}

setInterval(() => {
  if (lostAt !== undefined) showState();
  view?.tick?.();
}, 1000);

let unseen;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.hidden) {
    unseen = setTimeout(() => {
      stream?.stop();
      unseen = undefined;
      lost();
    }, UNSEEN);
  } else if (stream?.stopped && !at("message")) start();
});

if (kind !== "message") start();
