// What administrators do, each after a question that names what happens to whom.

import { Problem, call, lockPath } from "./api.js";
import { about, h, put, say, some, written } from "./words.js";

/** A ticket for people. */
export function ticketWords(ticket) {
  const who = ticket.owner ? `${ticket.owner}, ${ticket.from}` : ticket.from;
  return h("span", { class: "ticket" }, ticket.info ? written(ticket.info, 80) : h("i", {}, "(no info)"), ` no. ${ticket.number}, `, h("bdi", {}, who));
}

const list = (tickets, all) => [
  h("ul", {}, tickets.slice(0, 8).map((ticket) => h("li", {}, ticketWords(ticket)))),
  all > Math.min(tickets.length, 8) ? h("p", {}, `… and ${all - Math.min(tickets.length, 8)} more.`) : null,
];

/**
 * Asks, and does it. `act(form, force)` sends the request; `force` is what the server said would end and somebody has
 * agreed to. `moved(problem)` is told that the lock is not any more as it was shown, and says how it is now.
 */
function ask({ title, text, fields = [], verb, danger = false, act, moved, done }) {
  const error = h("div", { class: "error", role: "alert" });
  const go = h("button", { class: danger ? "danger" : "main" }, verb);
  const cancel = h("button", { type: "button", id: "cancel", click: () => dialog.close() }, "Cancel");
  let force;
  const submit = async (event) => {
    event.preventDefault();
    go.disabled = true;
    error.replaceChildren();
    try {
      const told = await act(new FormData(form), force);
      dialog.close();
      say(done(told));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const { code, body, status } = problem;
      force = undefined;
      if (code === "would_end_tickets") {
        force = body.would_end;
        error.append(h("p", {}, h("b", {}, `This ends ${some(body.would_end, "ticket")}:`)), ...list(body.tickets ?? [], body.would_end).filter(Boolean));
        put(go, `${verb}, and end ${body.would_end === 1 ? "it" : `these ${body.would_end}`}`);
      } else if (status === 412 || status === 410 || status === 404) {
        const words = await moved(problem);
        error.append(h("p", {}, h("b", {}, "It has changed meanwhile: nothing was done. "), words.text));
        if (words.over) go.hidden = true;
        else put(go, `${verb}, as it is now`);
      } else {
        error.append(h("p", {}, problem.message), body.may_have_taken_effect ? h("p", {}, "It may be done all the same: look before you try again.") : "");
      }
    } finally {
      go.disabled = false;
    }
  };
  const form = h("form", { submit }, h("h2", { id: "question" }, title), text, fields, error, h("div", { class: "actions" }, go, cancel));
  const opener = document.activeElement;
  const dialog = h("dialog", { "aria-labelledby": "question", close: () => {
    dialog.remove();
    if (opener?.isConnected) opener.focus();
    else document.getElementById("main").focus();
  } }, form);
  document.body.append(dialog);
  dialog.showModal();
  (form.querySelector("input, textarea, select") ?? cancel).focus();
  return dialog;
}

const field = (label, input, hint) => h("p", { class: "field" }, h("label", {}, label, " ", input), hint ? h("small", {}, hint) : null);
const query = (force) => (force === undefined ? "" : `?force=true&expect_tickets=${force}`);
const tag = (lock) => ({ "If-Match": `"${lock.revision}"` });
const name = (lock) => h("bdi", {}, lock.name);

/** What to say when the lock's settings are others; `page` shows them and gives the lock as it is now. */
const settingsMoved = (page, words) => async (problem) => {
  if (problem.status === 404) return { text: "the lock is gone.", over: true };
  await page.refresh();
  return { text: words(page.lock), over: false };
};

export function resize(page) {
  const { lock } = page;
  const slots = lock.settings.slots;
  const input = slots
    ? h("textarea", { name: "slots", rows: Math.min(12, slots.length + 1), required: true, spellcheck: "false" })
    : h("input", { name: "size", type: "number", min: 1, max: 1000000, value: lock.size, required: true });
  if (slots) input.value = slots.join("\n");
  ask({
    title: ["Resize ", name(lock)],
    text: h("p", {}, `It has ${some(lock.size, "permit")} now, ${lock.in_use} of them in use. With more, the next in line get in at once. With fewer, nobody loses what is held: nobody else gets in until enough have left.`),
    fields: slots ? field("Slots, a name a line", input) : field("Permits", input),
    verb: "Resize",
    act: (form, force) => {
      const wanted = slots ? { slots: form.get("slots").split("\n").map((one) => one.trim()).filter(Boolean) } : { size: Number(form.get("size")) };
      return call("PATCH", lockPath(lock.name, query(force)), { body: wanted, headers: tag(page.lock) });
    },
    moved: settingsMoved(page, (now) => `its size is ${now.size} now, ${now.in_use} in use.`),
    done: (now) => `Resized to ${now.size}.`,
  });
}

export function pause(page) {
  const { lock } = page;
  const times = [["", "until somebody resumes it"], ["900", "15 minutes"], ["3600", "1 hour"], ["14400", "4 hours"], ["86400", "1 day"]];
  ask({
    title: ["Pause ", name(lock)],
    text: h("p", {}, `Nobody is let in while it is paused; ${lock.queued ? `the ${some(lock.queued, "ticket")} in the queue keep their places` : "who asks may wait"}. ${some(lock.holding, "holder")} ${lock.holding === 1 ? "goes" : "go"} on undisturbed.`),
    fields: [
      field("Reason", h("input", { name: "reason", maxlength: 200, autocomplete: "off" }), "Everybody sees it."),
      field("For", h("select", { name: "until" }, times.map(([value, text]) => h("option", { value }, text)))),
    ],
    verb: "Pause",
    act: (form) => {
      const until = Number(form.get("until"));
      const body = { paused: true, reason: form.get("reason"), ...(until ? { until_s: until } : {}) };
      return call("PATCH", lockPath(lock.name), { body, headers: tag(page.lock) });
    },
    moved: settingsMoved(page, (now) => (now.paused ? "somebody has paused it already." : "its settings are others now.")),
    done: () => "Paused.",
  });
}

export function resume(page) {
  const { lock } = page;
  const first = lock.queue.slice(0, Math.max(0, lock.free));
  ask({
    title: ["Resume ", name(lock)],
    text: [h("p", {}, lock.queued ? `${some(lock.queued, "ticket")} ${lock.queued === 1 ? "waits" : "wait"}; with ${lock.free} free, the first are let in at once:` : "Nobody waits. Who asks from now on is let in."), ...list(first, first.length)],
    verb: "Resume",
    act: () => call("PATCH", lockPath(lock.name), { body: { paused: false }, headers: tag(page.lock) }),
    moved: settingsMoved(page, (now) => (now.paused ? "its settings are others now." : "somebody has resumed it already.")),
    done: () => "Resumed.",
  });
}

export function remove(page) {
  const { lock } = page;
  const all = lock.holding + lock.queued;
  ask({
    title: ["Delete ", name(lock)],
    text: [h("p", {}, all ? `It is in use: ${some(lock.holding, "holder")} and ${lock.queued} in the queue would lose their tickets:` : "Nobody holds it and nobody waits for it."), ...list([...lock.holders, ...lock.queue], all)],
    verb: "Delete",
    danger: true,
    act: async (form, force) => {
      await call("DELETE", lockPath(lock.name, query(force)), { headers: tag(page.lock) });
      location.assign("/");
    },
    moved: settingsMoved(page, (now) => `${now.holding} hold it now, ${now.queued} wait.`),
    done: () => "Deleted.",
  });
}

export function revoke(page, ticket) {
  const { lock } = page;
  const holds = ticket.state !== "queued";
  const delay = lock.settings.lock_delay_s;
  const next = delay ? `Its permits stay closed for ${about(delay)}.` : lock.paused ? "Its permits stay free while the lock is paused." : lock.queue.length ? ["Next in line: ", ticketWords(lock.queue[0]), "."] : "Nobody waits for its permits.";
  ask({
    title: [`End ticket ${ticket.number} of `, name(lock)],
    text: [
      h("p", {}, ticketWords(ticket)),
      h("p", {}, holds ? "It holds its permits now and loses them; whatever runs with them is not stopped by this. " : "It loses its place in the queue. ", holds ? next : null),
    ],
    fields: field("Reason", h("input", { name: "reason", maxlength: 200, autocomplete: "off" }), "For its client and the log."),
    verb: "End it",
    danger: true,
    act: (form) => call("DELETE", `${lockPath(lock.name)}/tickets/${ticket.number}?reason=${encodeURIComponent(form.get("reason"))}`),
    moved: async (problem) => {
      await page.refresh();
      const how = problem.body.ended_as;
      return { text: how ? `the ticket has ended as ${how} by itself.` : "the ticket has ended by itself.", over: true };
    },
    done: () => `Ticket ${ticket.number} is ended.`,
  });
}

export function open(page, closure) {
  const { lock } = page;
  ask({
    title: ["Open closed permits of ", name(lock)],
    text: h("p", {}, `Ticket ${closure.number} ended as ${closure.ended_as}. Whoever had it may still be at work: its permits open by themselves in ${about(closure.opens_in_s)}. If you know that it is not, open them now${lock.queued ? " for the next in line" : ""}.`),
    verb: "Open now",
    act: () => call("DELETE", `${lockPath(lock.name)}/closures?number=${closure.number}`),
    moved: async () => {
      await page.refresh();
      return { text: "they are open already.", over: true };
    },
    done: () => "Open.",
  });
}

export function makeLock() {
  ask({
    title: "New lock",
    text: h("p", {}, "It is made with the usual times; they can be changed by the API or lockctl."),
    fields: [
      field("Name", h("input", { name: "name", required: true, maxlength: 200, autocomplete: "off", spellcheck: "false" })),
      field("Permits", h("input", { name: "size", type: "number", min: 1, max: 1000000, value: 1, required: true })),
      field("Description", h("input", { name: "description", maxlength: 500, autocomplete: "off" })),
    ],
    verb: "Make it",
    act: async (form) => {
      const body = { size: Number(form.get("size")), description: form.get("description") };
      const path = lockPath(form.get("name"));
      await call("PUT", path, { body, headers: { "If-None-Match": "*" } });
      location.assign(path.replace("/v1", ""));
    },
    moved: async (problem) => ({ text: problem.message, over: false }),
    done: () => "Made.",
  });
}
