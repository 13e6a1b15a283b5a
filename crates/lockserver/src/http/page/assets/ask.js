// Questions before something is done: what will happen to whom, and what has changed since it was asked.

import { Problem } from "./api.js";
import { h, put, say, some, written } from "./words.js";

/** A ticket for people. */
export function ticketWords(ticket) {
  const who = ticket.owner ? `${ticket.owner}, ${ticket.from}` : ticket.from;
  const permits = (ticket.permits ?? 1) === 1 ? "" : ticket.permits === "all" ? ", all permits" : `, ${some(ticket.permits, "permit")}`;
  // Of a lock that is shown the further ones; else all of them.
  const others = ticket.others ?? (ticket.lock === undefined ? Object.keys(ticket.locks) : []);
  const locks = others.length ? [ticket.others ? "with " : "for ", others.flatMap((name, i) => [i ? ", " : null, h("bdi", {}, name)]), ", "] : null;
  return h("span", { class: "ticket" }, ticket.info ? written(ticket.info, 80) : h("i", {}, "(no info)"), ` #${ticket.number}${permits}, `, locks, h("bdi", {}, who));
}

export const list = (tickets, all = tickets.length) => [
  h("ul", {}, tickets.slice(0, 8).map((ticket) => h("li", {}, ticketWords(ticket)))),
  all > Math.min(tickets.length, 8) ? h("p", {}, `… and ${(all - Math.min(tickets.length, 8)).toLocaleString()} more.`) : null,
];

export const field = (label, input, hint) => h("p", { class: "field" }, h("label", {}, label, " ", input), hint ? h("small", {}, hint) : null);

/**
 * Asks, and does it. The question is about `shown`, which is what the server is told that it was about: `text(shown)` says
 * it, `act(shown, form, force)` sends the request, where `force` is what the server said would end and somebody has agreed to.
 * If it is not any more as it was shown, `moved(problem)` gives how it is: `{shown, text}`, or `{over: true, text}` where
 * nothing is left to do; the question is then asked anew. `done` beside them says what was done all the same.
 */
export function ask({ title, shown, text, fields = [], verb, danger = false, act, moved, done, input }) {
  const error = h("div", { class: "error", role: "alert" });
  const go = h("button", { class: danger ? "danger" : "main" }, verb);
  const cancel = h("button", { type: "button", id: "cancel", click: () => dialog.close() }, "Cancel");
  const question = h("div", { class: "question" });
  const preview = h("div", { class: "preview", "aria-live": "polite" });
  let force, busy = false;
  const draw = () => {
    question.replaceChildren(...[text(shown)].flat(9).filter(Boolean));
    look();
  };
  const look = () => input && preview.replaceChildren(...[input(shown, new FormData(form))].flat(9).filter(Boolean));
  const tell = (...parts) => error.append(h("p", {}, ...parts));

  /** What an answer that is no success means for the question. */
  const answer = async (problem) => {
    const { code, body, status } = problem;
    force = undefined;
    if (code === "would_end_tickets") {
      force = body.would_end;
      tell(h("b", {}, `This ends ${some(body.would_end, "ticket")}:`));
      error.append(...list(body.tickets ?? [], body.would_end).filter(Boolean));
      put(go, `${verb}, and end ${body.would_end === 1 ? "it" : `these ${body.would_end}`}`);
    } else if (code === "ticket_changed" || [404, 410, 412].includes(status)) {
      const now = await moved(problem);
      tell(h("b", {}, now.done ?? "It has changed meanwhile: nothing was done. "), now.text);
      if (now.over) {
        go.hidden = true;
        cancel.focus();
        put(cancel, "Close");
      } else {
        shown = now.shown ?? shown;
        draw();
        put(go, `${verb}, as it is now`);
      }
    } else {
      tell(problem.message);
      if (body.may_have_taken_effect) tell("It may be done all the same: look before you try again.");
    }
  };

  const submit = async (event) => {
    event.preventDefault();
    // Not `disabled`: that would take the focus away from users of the keyboard.
    if (busy) return;
    busy = true;
    go.setAttribute("aria-disabled", "true");
    error.replaceChildren();
    try {
      const told = await act(shown, new FormData(form), force);
      dialog.close();
      say(done(told));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      // To find out how it is now may fail as well.
      await answer(problem).catch((other) => {
        const gone = other.status === 404;
        if (gone) go.hidden = true;
        tell(h("b", {}, "It has changed meanwhile: nothing was done. "), gone ? "The lock is gone." : `How it is now cannot be read: ${other.message}`);
        if (gone) cancel.focus();
      });
    } finally {
      busy = false;
      go.removeAttribute("aria-disabled");
    }
  };
  const form = h("form", { submit, input: look }, h("h2", { id: "question" }, title), question, fields, preview, error, h("div", { class: "actions" }, go, cancel));
  const opener = document.activeElement;
  const dialog = h("dialog", { "aria-labelledby": "question", close: () => {
    dialog.remove();
    if (opener?.isConnected) opener.focus();
    else document.getElementById("main").focus();
  } }, form);
  draw();
  document.body.append(dialog);
  dialog.showModal();
  (form.querySelector("input, textarea, select") ?? cancel).focus();
}
