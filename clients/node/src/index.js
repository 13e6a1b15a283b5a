// A client of lockserver for Node 18 or later. It needs nothing beside Node.

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { basename } from "node:path";
import { LeaseLost, LockserverError, Refused, TimedOut } from "./errors.js";
import { Held } from "./held.js";
import { Servers } from "./servers.js";

export { Held, LeaseLost, LockserverError, Refused, TimedOut };
export { Unreachable } from "./errors.js";

/** One wait on the server: its longest is 60 s. */
const SLICE_S = 30;
/** A wait that the server ended sooner than this is not repeated at once. */
const TOO_SOON_MS = 1000;
const PAUSE_MS = 1000;
/** How long a ticket that is given up is cancelled. */
const CANCEL_MS = 3000;

export class Client {
    #servers;

    constructor(options = {}) {
        this.#servers = new Servers(options);
    }

    /** Takes permits, runs `work` while they are held, and gives them back. */
    async hold(lock, options, work) {
        if (typeof options === "function") {
            return this.hold(lock, {}, options);
        }
        options ??= {};
        const held = await this.acquire(lock, options);
        let failed = true;
        try {
            const result = await work(held);
            held.signal.throwIfAborted();
            failed = false;
            return result;
        } finally {
            await held.release(failed ? {} : { keep_s: options.keep_s }).catch((error) => {
                // What `work` threw matters more. A lease that was lost is told to `work` by its signal, and here.
                if (!failed) throw error;
            });
        }
    }

    /** Takes permits. The answer renews itself until it is released or lost. */
    async acquire(lock, options = {}) {
        const { wait_s = Infinity, ttl_s = 60, signal } = options;
        const { request_id = randomBytes(16).toString("hex") } = options;
        const until = Date.now() + wait_s * 1000;
        const body = { ttl_s, request_id, queue: wait_s > 0, info: info(), ...fields(options) };
        try {
            let asked = await this.#servers.call("POST", `${of(lock)}/tickets`, { body, signal });
            while (asked.value.state !== "held") {
                const left = (until - Date.now()) / 1000;
                if (left <= 0) {
                    throw new TimedOut(lock, wait_s);
                }
                const slice = Math.min(left, SLICE_S);
                const begin = Date.now();
                const path = `/v1/tickets/${asked.value.id}?wait_s=${slice.toFixed(3)}`;
                asked = await this.#servers.call("GET", path, { signal, wait_s: slice });
                if (asked.value.state === "queued" && Date.now() - begin < Math.min(TOO_SOON_MS, slice * 1000)) {
                    await new Promise((wake) => setTimeout(wake, PAUSE_MS * (0.5 + Math.random() / 2)));
                }
            }
            return await Held.of(this.#servers, asked);
        } catch (error) {
            if (!(error instanceof Refused && error.ended_as) || error instanceof TimedOut) {
                await this.#cancel(lock, request_id);
            }
            throw error;
        }
    }

    /** A lock with its holders and its queue. */
    async lock(name) {
        return (await this.#servers.call("GET", of(name))).value;
    }

    /** Whether a holder has this fencing token now. */
    async verify(lock, token) {
        try {
            await this.#servers.call("GET", `${of(lock)}/verify?token=${token}`);
            return true;
        } catch (error) {
            if (error instanceof Refused && error.code === "not_a_holder") return false;
            throw error;
        }
    }

    /** Any call of the JSON API. */
    async call(method, path, body) {
        return (await this.#servers.call(method, path, { body })).value;
    }

    async #cancel(lock, request_id) {
        const path = `${of(lock)}/tickets?request_id=${request_id}`;
        await this.#servers.call("DELETE", path, { within_ms: CANCEL_MS }).catch(() => {
            // It ends with its lease.
        });
    }
}

function of(lock) {
    return `/v1/locks/${encodeURIComponent(lock)}`;
}

/** What is said of a ticket where nothing else is. */
function info() {
    return `${hostname()} ${basename(process.argv[1] ?? "node")} ${process.pid}`;
}

const FIELDS = ["permits", "exclusive", "slots", "tags", "info", "priority", "max_hold_s", "supersede"];

function fields(options) {
    return Object.fromEntries(FIELDS.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]));
}
