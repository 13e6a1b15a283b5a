// A form for every setting of a lock but its size, which has a question of its own.

import { Problem, call, lockPath } from "./api.js";
import { ask, field } from "./ask.js";
import { h, secondsOf } from "./words.js";

const NEVER = "Empty or 0 for never.";
// Name in the API, words, hint, and whether it may be never.
const TIMES = [
  ["max_lock_time_s", "Lease without one asked for", NEVER, true],
  ["max_hold_time_s", "Held at most", NEVER, true],
  ["max_ttl_s", "Longest lease that may be asked for", "Empty for an hour, or the lease above if that is longer.", true],
  ["grace_time_s", "Time to claim a grant", "At least 1 s.", false],
  ["expiration_time_s", "Queue lease of XML-RPC clients", NEVER, true],
  ["lock_delay_s", "Withheld after a lost holder", "0 for not at all.", false],
  ["min_hold_time_s", "Given again after its claim, at the earliest", "0 for as soon as it is back.", false],
];
const PICKS = [["first", "the lowest"], ["lru", "what has been unused for longest"]];

/** Seconds as they can be typed again. */
function typed(seconds) {
  if (seconds == null) return "";
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) if (seconds && seconds % length === 0) return `${seconds / length} ${unit}`;
  return `${seconds} s`;
}

/** Tags as a configuration file writes them, a slot a line; those without any are there, too. */
const typedTags = ({ slots, tags = {} }) => slots.map((slot) => (tags[slot]?.length ? `${slot} {${tags[slot].join(" ")}}` : slot)).join("\n");

/** The tags of those lines, by slots. */
function tagsOf(text, slots) {
  const tags = {};
  for (const line of text.split("\n").map((one) => one.trim()).filter(Boolean)) {
    const [, slot, own] = line.match(/^(.*?)\s*(?:\{([^{}]*)\})?$/) ?? [];
    if (!slots.includes(slot)) throw new Problem(400, { detail: `Tags: “${line}” names no slot of the lock. Write a slot a line and its tags in braces, such as ${slots[0]} {fast big}.` });
    const words = (own ?? "").split(/[\s,]+/).filter(Boolean);
    if (words.length) tags[slot] = words;
  }
  return tags;
}

/** What of the form is another than it was when it was opened: what somebody else has changed meanwhile stays. */
function changes(settings, form) {
  const body = {};
  for (const [name, words, , never] of TIMES) {
    const text = form.get(name).trim();
    if (text === typed(settings[name])) continue;
    const seconds = secondsOf(text);
    if (seconds === undefined || (seconds === null && !never)) throw new Problem(400, { detail: `${words}: write a time, such as 90 s, 20 min or 1 h 30 min.` });
    body[name] = seconds;
  }
  const queue = Number(form.get("max_queue"));
  if (queue !== settings.max_queue) body.max_queue = queue;
  const most = form.get("max_per_owner").trim();
  if (most !== `${settings.max_per_owner ?? ""}`) body.max_per_owner = most ? Number(most) : null;
  if (form.get("pick") !== settings.pick) body.pick = form.get("pick");
  const tags = form.get("tags")?.replaceAll("\r", "");
  if (settings.slots && tags !== typedTags(settings)) body.tags = tagsOf(tags, settings.slots);
  if (form.get("description") !== settings.description) body.description = form.get("description");
  return body;
}

export function change(page) {
  const { settings } = page.lock;
  const tags = settings.slots && h("textarea", { name: "tags", rows: Math.min(12, settings.slots.length + 1), spellcheck: "false" });
  if (tags) tags.value = typedTags(settings);
  const time = ([name, words, hint]) => field(words, h("input", { name, value: typed(settings[name]), autocomplete: "off" }), hint);
  ask({
    title: ["Settings of ", h("bdi", {}, page.lock.name)],
    shown: page.lock,
    text: () => h("p", {}, "Holders keep what they have. A lease that runs keeps its length until the next heartbeat. What you change here counts until the configuration says something else than it does now."),
    fields: [
      field("Description", h("input", { name: "description", maxlength: 500, value: settings.description, autocomplete: "off" })),
      TIMES.map(time),
      field("Queue at most", h("input", { name: "max_queue", type: "number", min: 1, max: 100000, value: settings.max_queue, required: true })),
      field("For one key or address at most", h("input", { name: "max_per_owner", type: "number", min: 1, max: 1000000, value: settings.max_per_owner ?? "" }), "Empty for as many as there are. Who has so many is passed over."),
      field("Given first", h("select", { name: "pick" }, PICKS.map(([value, text]) => h("option", { value, selected: value === settings.pick }, text))), "Of those with the fewest tags."),
      settings.slots ? field("Tags of slots", tags, "A slot a line, its tags in braces. Who waits for a tag that no slot has any more is ended.") : null,
    ],
    verb: "Change them",
    act: (lock, form) => call("PATCH", lockPath(lock.name), { body: changes(settings, form), headers: { "If-Match": `"${lock.revision}"` } }),
    moved: async (problem) => {
      if (problem.status === 404) return { text: "The lock is gone.", over: true };
      await page.refresh();
      return { shown: page.lock, text: "Somebody else has changed its settings. Fields that you have not touched keep their new values." };
    },
    done: () => "Changed.",
  });
}
