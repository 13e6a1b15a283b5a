// Permits that are held: renewed while they are, watched, and given back.

import { LeaseLost, Refused } from "./errors.js";
import { now_ms } from "./clock.js";

/** A renewal every quarter of the lease, and at least this often: the server remembers for 10 minutes how a ticket ended. */
const RENEW_MS = 300_000;
/** How often a timer looks at the clock: timers stand still while the machine sleeps. */
const LOOK_MS = 500;
/** How long before its end a lease counts as lost: the work has to stop before somebody else may begin. */
const MARGIN_MS = 1000;
const RELEASE_MS = 10_000;

export class Held {
    #servers;
    #ticket;
    #sent;
    #deadline;
    #abort = new AbortController();
    #timer;
    #renewing = false;
    #over = false;

    constructor(servers, { value, sent }) {
        this.#servers = servers;
        this.#lease(value, sent);
        this.#schedule();
    }

    /** The holder. A grant that came late in its request has a lease that began long after that was sent: a renewal tells how long it lasts. */
    static async of(servers, asked) {
        const { id, ttl_s } = asked.value;
        if (ttl_s !== null && now_ms() - asked.sent > ttl_s * 125) {
            asked = await servers.call("POST", `/v1/tickets/${id}/renew`);
            asked.value.id = id;
        }
        return new Held(servers, asked);
    }

    /** The ticket as it was told last. */
    get ticket() {
        return this.#ticket;
    }

    get id() {
        return this.#ticket.id;
    }

    /** The fencing token. */
    get token() {
        return this.#ticket.token;
    }

    get slots() {
        return this.#ticket.slots;
    }

    get slot_names() {
        return this.#ticket.slot_names;
    }

    /** Aborted when the permits are not surely ours any more; its reason is a `LeaseLost`. */
    get signal() {
        return this.#abort.signal;
    }

    /** Gives the permits back. */
    async release({ keep_s, withhold } = {}) {
        if (this.#over) return;
        this.#end();
        const query = new URLSearchParams();
        if (keep_s !== undefined) query.set("keep_s", keep_s);
        if (withhold !== undefined) query.set("withhold", withhold);
        const asked = query.toString();
        try {
            await this.#servers.call("DELETE", `/v1/tickets/${this.id}${asked && `?${asked}`}`, { within_ms: RELEASE_MS });
        } catch (error) {
            if (error instanceof Refused && (error.code === "gone" || error.code === "unknown_ticket")) {
                throw new LeaseLost(`the permits were lost before they were released: ${error.message}`, { cause: error });
            }
            throw error;
        }
    }

    async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
        await this.release();
    }

    #lease(ticket, sent) {
        this.#ticket = { ...this.#ticket, ...ticket, id: ticket.id ?? this.#ticket?.id };
        this.#sent = sent;
        this.#deadline = ticket.expires_in_s === null ? Infinity : sent + ticket.expires_in_s * 1000 - MARGIN_MS;
    }

    #schedule() {
        clearTimeout(this.#timer);
        if (this.#over) return;
        this.#timer = setTimeout(() => this.#look(), LOOK_MS);
        // A program that has nothing else to do ends, and its ticket with the lease.
        this.#timer.unref?.();
    }

    #look() {
        const now = now_ms();
        if (now >= this.#deadline) {
            return this.#lose(new LeaseLost("no renewal was answered in time: somebody else may have the permits now"));
        }
        const every = Math.min(RENEW_MS, (this.#ticket.ttl_s ?? Infinity) * 250);
        if (!this.#renewing && now >= this.#sent + every) void this.#renew();
        this.#schedule();
    }

    async #renew() {
        this.#renewing = true;
        try {
            const within_ms = Math.max(0, Math.min(this.#deadline - now_ms(), RELEASE_MS));
            const { value, sent } = await this.#servers.call("POST", `/v1/tickets/${this.id}/renew`, { within_ms });
            if (!this.#over) this.#lease(value, sent);
        } catch (error) {
            if (error instanceof Refused && (error.code === "gone" || error.code === "unknown_ticket")) {
                this.#lose(new LeaseLost(`the server has ended the ticket: ${error.message}`, { cause: error }));
            }
            // Anything else is tried again until the lease is over.
        } finally {
            this.#renewing = false;
        }
    }

    #lose(error) {
        if (this.#over) return;
        this.#end();
        this.#abort.abort(error);
    }

    #end() {
        this.#over = true;
        clearTimeout(this.#timer);
    }
}
