// Requests to servers in turn, repeated where that is safe: a request for permits has an id, everything else may come twice.

import { readFileSync, statSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { LockserverError, Refused, Unreachable } from "./errors.js";
import { now_ms } from "./clock.js";

const DEFAULT = "http://127.0.0.1:9090";
/** How long an answer may take, beside the time that the server is asked to wait. */
const ANSWER_MS = 10_000;
/** How long servers are tried that do not answer. */
const TRY_MS = 30_000;
const PAUSE_MS = 200;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export class Servers {
    #addresses;
    #authorization;
    #tls;
    #try_ms;
    #preferred = 0;

    constructor({ server, key, key_file, ca, try_s } = {}) {
        const named = server ?? process.env.LOCK_SERVER ?? DEFAULT;
        const all = (Array.isArray(named) ? named : named.split(",")).map((one) => one.trim()).filter(Boolean);
        if (all.length === 0) throw new LockserverError("no server is named");
        this.#addresses = all.map(address);
        this.#authorization = authorization(key, key_file);
        const trusted = ca ?? (process.env.LOCK_CA ? readFileSync(process.env.LOCK_CA) : undefined);
        this.#tls = trusted ? { ca: trusted } : {};
        this.#try_ms = (try_s ?? TRY_MS / 1000) * 1000;
    }

    /** The answer, and when the request that was answered had been sent. */
    async call(method, path, { body, signal, wait_s = 0, within_ms = this.#try_ms } = {}) {
        const end = now_ms() + within_ms;
        let why;
        for (let round = 0; ; round += 1) {
            for (let turn = 0; turn < this.#addresses.length; turn += 1) {
                signal?.throwIfAborted();
                const place = this.#preferred % this.#addresses.length;
                const sent = now_ms();
                try {
                    const answer = await this.#once(this.#addresses[place], method, path, body, signal, wait_s);
                    const value = answer.text === "" ? undefined : JSON.parse(answer.text);
                    if (answer.status < 400) return { value, sent };
                    const problem = value?.code ? value : { status: answer.status, code: "unknown", detail: answer.text };
                    if (problem.retryable !== true || !TRANSIENT.has(problem.code)) throw new Refused(problem);
                    why = new Refused(problem);
                } catch (error) {
                    if (error instanceof Refused) throw error;
                    signal?.throwIfAborted();
                    why = error instanceof SyntaxError ? new LockserverError("the answer is not JSON, so it is not from a lockserver") : error;
                }
                this.#preferred = place + 1;
                // A renewal or a release goes to the others at once, and all of them are tried once at least.
                if (now_ms() >= end && turn + 1 === this.#addresses.length) break;
            }
            if (now_ms() + PAUSE_MS >= end) {
                if (why instanceof Refused) throw why;
                const names = this.#addresses.map((one) => one.name).join(", ");
                throw new Unreachable(`${names} does not answer: ${why?.message ?? why}`, { cause: why });
            }
            const pause = Math.min(PAUSE_MS * 2 ** Math.min(round, 4), 3000) * (0.5 + Math.random() / 2);
            await new Promise((wake) => setTimeout(wake, Math.min(pause, end - now_ms())));
        }
    }

    #once({ url, socket, name }, method, path, body, signal, wait_s) {
        const text = body === undefined ? undefined : JSON.stringify(body);
        const headers = { Accept: "application/json" };
        if (text !== undefined) Object.assign(headers, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) });
        if (this.#authorization) headers.Authorization = this.#authorization;
        const target = new URL(url.pathname.replace(/\/$/, "") + path, url);
        const { request } = target.protocol === "https:" ? https : http;
        return new Promise((done, failed) => {
            const options = { method, headers, signal, ...this.#tls, ...(socket ? { socketPath: socket } : {}) };
            const asked = request(target, options, (answer) => {
                const parts = [];
                let length = 0;
                answer.on("data", (part) => {
                    length += part.length;
                    if (length > ANSWER_BYTES_MAX) answer.destroy(new Error(`${name}: the answer has more than 64 MiB`));
                    parts.push(part);
                });
                answer.on("error", failed);
                answer.on("aborted", () => failed(new Error(`${name}: the answer was cut off`)));
                answer.on("end", () => done({ status: answer.statusCode, text: Buffer.concat(parts).toString("utf8") }));
            });
            asked.setTimeout(wait_s * 1000 + ANSWER_MS, () => asked.destroy(new Error(`${name}: no answer in time`)));
            asked.on("error", failed);
            asked.end(text);
        });
    }
}

/** Refusals that say that the server cannot now. */
const TRANSIENT = new Set(["overloaded", "shutting_down", "unavailable", "request_timeout"]);

function address(text) {
    const socket = /^(?:unix:(?:\/\/)?)?(\/.*)$/i.exec(text)?.[1];
    if (socket) return { name: text, socket, url: new URL("http://localhost/") };
    try {
        const url = new URL(/^https?:\/\//i.test(text) ? text : `http://${text}`);
        if (url.username || url.password) throw new Error("the secret of a key does not stand in it, but in key or LOCK_KEY");
        return { name: text, url };
    } catch (error) {
        const shown = text.includes("@") ? "an address with @" : JSON.stringify(text);
        throw new LockserverError(`${shown} is not the address of a server: ${error.message}`, { cause: undefined });
    }
}

function authorization(key, key_file) {
    const file = key_file ?? (key === undefined ? process.env.LOCK_KEY_FILE : undefined);
    if (file) {
        if (statSync(file).mode & 0o004) throw new LockserverError(`${file}: everybody may read it; chmod o-r ${file}`);
        return `Bearer ${readFileSync(file, "utf8").trim()}`;
    }
    const secret = key ?? process.env.LOCK_KEY;
    return secret ? `Bearer ${secret}` : undefined;
}
