// Permits that nobody may be given for now: why, and what administrators do about it.

import { call, lockPath } from "./api.js";
import { ask, field } from "./ask.js";
import { entering } from "./act.js";
import { about, h, slotsOf, some, written } from "./words.js";

const p = (...content) => h("p", {}, ...content);
const name = (lock) => h("bdi", {}, lock.name);

const CAUSES = {
  lost_holder: ({ number, ended_as: how }, who) => ["the last holder, ", who(number), `, ended as ${how}`],
  cooldown: ({ number }, who) => [who(number), " came back before it may be given again"],
  broken: ({ number }, who) => [who(number), " gave it back as broken"],
  admin: () => "by an administrator",
  outside: () => "others use it, as was reported",
};

/** Why it is withheld, in words; its reason is somebody's own, and so is what a ticket of the log said. */
export function because(one, log) {
  const who = (number) => {
    const info = log?.infoOf(number);
    return [`ticket ${number}`, info ? [" (", written(info, 60), ")"] : null];
  };
  return [CAUSES[one.cause]?.(one, who) ?? one.cause, one.reason ? [": ", h("bdi", {}, one.reason)] : null];
}

/** What of it is still out, and withheld when it comes back. */
export const awaited = ({ awaited: count, awaited_names: names }) =>
  names.length ? ` and ${names.slice(0, 20).join(", ")}, once back` : count ? ` and ${count.toLocaleString()} more, once back` : "";

export function withhold(page) {
  const { slots } = page.lock.settings;
  const lengths = [["", "until somebody restores them"], ["900", "15 minutes"], ["3600", "1 hour"], ["14400", "4 hours"], ["86400", "1 day"]];
  const chosen = slots
    ? h("select", { name: "slots", multiple: true, required: true, size: Math.min(8, slots.length) }, slots.map((slot) => h("option", { value: slot }, slot)))
    : h("input", { name: "permits", type: "number", min: 1, max: page.lock.size, value: 1, required: true });
  const wanted = (form) => (slots ? { slots: form.getAll("slots") } : { permits: Number(form.get("permits")) });
  ask({
    title: ["Withhold permits of ", name(page.lock)],
    shown: page.lock,
    text: () => p("They are not given until they are restored. Holders keep theirs: permits in use are withheld when they come back. The size stays."),
    fields: [
      field(slots ? "Slots" : "Permits", chosen),
      field("Reason", h("input", { name: "reason", maxlength: 200, autocomplete: "off" }), "Everybody sees it."),
      field("For", h("select", { name: "until" }, lengths.map(([value, text]) => h("option", { value }, text)))),
    ],
    input: (lock, form) => {
      const want = wanted(form);
      const held = slots ? lock.holders.flatMap((one) => one.slot_names).filter((slot) => want.slots.includes(slot)).length : Math.max(0, want.permits - lock.free);
      return held ? p(`${some(held, "permit")} of these ${held === 1 ? "is" : "are"} in use or withheld now.`) : null;
    },
    verb: "Withhold",
    act: (lock, form) => {
      const until = Number(form.get("until"));
      const body = { ...wanted(form), reason: form.get("reason"), ...(until ? { until_s: until } : {}) };
      return call("POST", `${lockPath(lock.name)}/withheld`, { body });
    },
    moved: async (problem) => ({ text: problem.message, over: problem.status === 404 }),
    done: () => "Withheld.",
  });
}

export function restore(page, withholding) {
  const risk = withholding.cause === "lost_holder" ? " Its client may still be at work: restore them only if you know that it is not." : "";
  ask({
    title: ["Restore withheld permits of ", name(page.lock)],
    shown: page.lock,
    text: (lock) => {
      const withheld = lock.withheld - slotsOf(withholding);
      const left = withholding.ends_in_s == null ? "until somebody restores them" : `for another ${about(Math.max(0, withholding.ends_in_s - (Date.now() - page.readAt) / 1000))}`;
      return [
        p("They are withheld: ", because(withholding, page.log), `; ${left}.${risk}`),
        lock.paused ? p("It is paused: nobody is let in.") : entering(lock, lock.size - lock.in_use - withheld, lock.in_use + withheld === 0),
      ];
    },
    verb: "Restore now",
    act: () => call("DELETE", `${lockPath(page.name)}/withheld?number=${withholding.number}`),
    moved: async () => {
      await page.refresh();
      return { text: "They are restored already.", over: true };
    },
    done: () => "Restored.",
  });
}
