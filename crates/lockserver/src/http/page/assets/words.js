// Elements, times and words. What a client wrote becomes text, never markup.

/** An element with attributes and children; a string is a text, a function an event's listener, null nothing. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(9).filter((child) => child != null && child !== false));
  return element;
}

const ADDRESS = /(https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}])/;

/** A text, in which addresses of the web can be followed: that of a job, say. Where they lead learns nothing of this page. */
const linked = (text) => text.split(ADDRESS).map((part, i) => (i % 2 && URL.canParse(part) ? h("a", { href: part, rel: "noopener noreferrer", target: "_blank" }, part) : part));

/** What Terraform wrote is JSON, of which people read a part. */
export function readable(text) {
  if (!text.startsWith('{"ID":')) return text;
  try {
    const { Operation: operation, Who: who } = JSON.parse(text);
    return operation && who ? `Terraform ${operation.replace("OperationType", "").toLowerCase()} by ${who}` : text;
  } catch {
    return text;
  }
}

/** What somebody wrote, apart from the reading direction of what is around it; shortened until it is asked for. */
export function written(said, short = 160) {
  const text = readable(said);
  if (text.length <= short) return h("bdi", {}, linked(text));
  const head = h("summary", {}, h("bdi", {}, `${text.slice(0, short)}…`));
  return h("details", { class: "long" }, head, h("bdi", { tabindex: "0" }, linked(text)));
}

/** `90`, `20m` or `1h 30min` in seconds; null for nothing, undefined for anything else. */
export function secondsOf(text) {
  const units = { ms: 0.001, s: 1, sec: 1, m: 60, min: 60, h: 3600, hour: 3600, hours: 3600, d: 86400, day: 86400, days: 86400 };
  const words = text.trim().toLowerCase();
  if (!words) return null;
  if (/^\d+(\.\d+)?$/.test(words)) return Number(words);
  const parts = [...words.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)\s*/gy)];
  if (parts.map(([all]) => all).join("") !== words || !parts.every(([, , unit]) => Object.hasOwn(units, unit))) return undefined;
  return parts.reduce((sum, [, number, unit]) => sum + number * units[unit], 0);
}

/** Changes a text only if it is another: what is the same costs nothing. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const two = (a, first, b, second) => (b ? `${a}\u00a0${first} ${b}\u00a0${second}` : `${a}\u00a0${first}`);

/** A time in seconds for people: its two largest units. */
export function span(seconds) {
  const t = Math.max(0, Math.floor(seconds));
  if (t < 60) return `${t}\u00a0s`;
  if (t < 3600) return two(Math.floor(t / 60), "min", t % 60, "s");
  if (t < 86400) return two(Math.floor(t / 3600), "h", Math.floor((t % 3600) / 60), "min");
  return two(Math.floor(t / 86400), "d", Math.floor((t % 86400) / 3600), "h");
}

/** The same where seconds of a long time say nothing. */
export function about(seconds) {
  if (seconds < 1) return seconds > 0 ? "less than 1\u00a0s" : "0\u00a0s";
  return span(seconds < 600 ? seconds : Math.round(seconds / 60) * 60);
}

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** A moment in the reader's language and zone; with its day unless that is today. */
export function moment(instant) {
  const then = new Date(instant);
  return then.toDateString() === new Date().toDateString() ? time.format(then) : dateTime.format(then);
}

export const hourOf = (instant) => hour.format(new Date(instant));

export const when = (instant) => h("time", { datetime: instant, title: dateTime.format(new Date(instant)) }, moment(instant));

/** `1 ticket`, `2 tickets`. */
export const some = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

/**
 * How long one more would wait, in seconds; null if nobody can tell. `waited` is how long the first in line has waited until
 * now: the server's word was true when it was said, and nobody waits less than those before it.
 */
export const expected = ({ expected_wait_s: wait, queued }, waited) => (wait > 0 && queued ? Math.max(wait, waited) : wait);

/** A ticket as it is in one of its locks; the further ones are its `others`. */
export function inLock(ticket, name) {
  const { [name]: part, ...rest } = ticket.locks;
  return { ...ticket, ...part, ahead: ticket.ahead, others: Object.keys(rest) };
}

/** The further locks of a ticket in one of them, as links; null if there are none. */
export function withOthers({ others = [], locks_unseen: unseen = 0 }) {
  const names = others.map((name) => h("a", { href: `/locks/${encodeURIComponent(name)}` }, h("bdi", {}, name)));
  if (unseen) names.push(`${unseen.toLocaleString()} more`);
  return names.length ? ["with: ", names.flatMap((name, i) => (i ? [", ", name] : [name]))] : null;
}

/** Slots as the API tells them, `0-2,7`, as pairs of first and last. */
export const pairs = (text) => (text ? text.split(",").map((one) => one.split("-").map(Number)).map(([first, last = first]) => [first, last]) : []);

/** How many slots a ticket or what is withheld has. */
export const slotsOf = ({ slot_ranges: text }) => pairs(text).reduce((sum, [first, last]) => sum + last - first + 1, 0);

let told = "";
/** Tells those who do not see the page; the same thing once. */
export function say(text) {
  if (text === told) return;
  told = text;
  document.getElementById("say").textContent = text;
}
