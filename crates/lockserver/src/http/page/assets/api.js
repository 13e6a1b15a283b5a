// The JSON API, called with the key of this browser session, and the server's clock.

const KEY = "lockserver-key";

/** The key that was signed in with, or null. */
export const key = () => sessionStorage.getItem(KEY);
export const keepKey = (secret) => sessionStorage.setItem(KEY, secret);
export const forgetKey = () => sessionStorage.removeItem(KEY);

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
