// The JSON API, called with the key of this browser session, and the server's clock.

const KEY = "lockserver-key";
// How long another tab may take to say with which key it is signed in.
const ASK_TABS = 250;

/** The key that was signed in with, or null. */
export const key = () => sessionStorage.getItem(KEY);

// Tabs of this server, in this browser, tell one another the key: it is nowhere but in them, and gone with the last.
const tabs = new BroadcastChannel("lockserver");
tabs.addEventListener("message", ({ data }) => {
  if (data === "who" && key()) tabs.postMessage({ key: key() });
  else if (data === "out" && key()) {
    sessionStorage.removeItem(KEY);
    location.reload();
  }
});

export function keepKey(secret) {
  sessionStorage.setItem(KEY, secret);
}

/** Signs out, in all tabs. */
export function forgetKey() {
  sessionStorage.removeItem(KEY);
  tabs.postMessage("out");
}

/** Asks the other tabs for the key that they are signed in with; whether there is one. */
export async function askTabs() {
  if (key()) return false;
  const told = await new Promise((done) => {
    const hear = ({ data }) => data?.key && done(data.key);
    tabs.addEventListener("message", hear);
    setTimeout(() => {
      tabs.removeEventListener("message", hear);
      done(undefined);
    }, ASK_TABS);
    tabs.postMessage("who");
  });
  if (told) keepKey(told);
  return told !== undefined;
}

/** An answer that is no success (RFC 9457); status 0 if there was no answer at all. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.code = body.code ?? "";
    this.body = body;
  }
}

let ahead = 0;
/** The server's time in milliseconds, as near as an answer's header tells it. */
export const now = () => Date.now() + ahead;

export function setClock(response) {
  const told = Date.parse(response.headers.get("Date") ?? "");
  // The header has whole seconds, and clocks that differ by less are as good as the same.
  if (told) ahead = Math.abs(told - Date.now()) < 2000 ? 0 : told - Date.now();
}

/** Headers that say who asks. */
export function identity(secret = key()) {
  if (!secret) return {};
  if (!/^[\x21-\x7e]+$/.test(secret)) throw new Problem(401, { detail: "A key has letters, digits and signs only." });
  return { Authorization: `Bearer ${secret}` };
}

/** Calls the API; gives the answer's body. */
export async function call(method, path, { body, headers = {}, secret } = {}) {
  const init = { method, cache: "no-store", headers: { ...headers, ...identity(secret) } };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let response, text;
  try {
    response = await fetch(path, { ...init, signal: AbortSignal.timeout(method === "GET" ? 8000 : 15000) });
    text = await response.text();
  } catch {
    // A request that changes something may have arrived, whatever became of its answer.
    throw new Problem(0, { detail: "The server does not answer.", may_have_taken_effect: method !== "GET" });
  }
  setClock(response);
  let told = {};
  try {
    told = text ? JSON.parse(text) : {};
  } catch {
    told = { detail: text.trim() };
  }
  if (!response.ok) throw new Problem(response.status, told);
  return told;
}

/** The path of a lock in the API. */
export const lockPath = (name, rest = "") => `/v1/locks/${encodeURIComponent(name)}${rest}`;
