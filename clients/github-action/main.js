// The step: takes the lock, and leaves a process behind that renews it until the post step.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { Client } from "../node/src/index.js";
import { command, fail, input, number, tell } from "./runner.js";

function permits() {
    const text = input("permits") ?? "1";
    if (text === "all") return text;
    if (!/^[1-9][0-9]*$/.test(text)) throw new Error(`permits: ${JSON.stringify(text)} is neither a number from 1 nor all`);
    return Number(text);
}

function info() {
    const { GITHUB_REPOSITORY, GITHUB_WORKFLOW, GITHUB_RUN_ID, GITHUB_JOB } = process.env;
    return [GITHUB_REPOSITORY, GITHUB_WORKFLOW, GITHUB_JOB, GITHUB_RUN_ID && `run ${GITHUB_RUN_ID}`].filter(Boolean).join(" ");
}

async function main() {
    const lock = input("lock");
    if (!lock) throw new Error("lock: the name of a lock is missing");
    const server = input("server");
    if (!server) throw new Error("server: the address of a server is missing");
    const key = input("key");
    if (key) command("add-mask", key);
    const options = {
        permits: permits(),
        wait_s: number("wait", 0),
        ttl_s: number("ttl", 1) ?? 300,
        supersede: input("latest"),
        info: input("info") ?? info(),
        request_id: randomBytes(16).toString("hex"),
    };
    command("add-mask", options.request_id);
    const client = new Client({ server, key: key ?? "" });
    // Before the request: whenever this process is ended, the post step ends the ticket.
    tell("GITHUB_STATE", { request: options.request_id });
    console.log(`waiting for ${lock}`);
    const held = await client.acquire(lock, options);
    command("add-mask", held.id);
    tell("GITHUB_STATE", { ticket: held.id });
    // The ticket and the key are not for the list of processes. The runner ends what is left of a job, and the lease ends without it.
    const renewing = spawn(process.execPath, [fileURLToPath(new URL("renew.js", import.meta.url))], {
        detached: true,
        stdio: "ignore",
        env: { ...process.env, LOCKSERVER_TICKET: held.id, LOCKSERVER_TTL_S: String(held.ticket.ttl_s ?? "") },
    });
    renewing.unref();
    tell("GITHUB_STATE", { renewing: renewing.pid });
    const slot = held.slots[0];
    tell("GITHUB_OUTPUT", { token: held.token, slot, "slot-name": held.slot_names[0] ?? "" });
    tell("GITHUB_ENV", { LOCK_NAME: lock, LOCK_TOKEN: held.token, LOCK_SLOT: slot, LOCK_SLOT_NAME: held.slot_names[0] ?? "", LOCK_SERVER: server });
    console.log(`${lock} is held, token ${held.token}, slot ${held.slot_names[0] ?? slot}`);
}

main().catch(fail);
