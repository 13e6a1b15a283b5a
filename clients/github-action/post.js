// The post step: gives the lock back, whatever became of the job.

import { Client, Refused } from "../node/src/index.js";
import { command, fail, input } from "./runner.js";

async function post() {
    const { STATE_request: request, STATE_ticket: ticket } = process.env;
    // The step asked for nothing.
    if (!request) return;
    const renewing = Number(process.env.STATE_renewing);
    if (Number.isInteger(renewing) && renewing > 1) {
        try {
            process.kill(renewing);
        } catch {
            // It has ended.
        }
    }
    const client = new Client({ server: input("server"), key: input("key") ?? "" });
    try {
        // By its request: the step may have been ended before it heard of its ticket.
        await client.call("DELETE", `/v1/locks/${encodeURIComponent(input("lock"))}/tickets?request_id=${request}`);
        if (ticket) console.log(`${input("lock")} is given back`);
    } catch (error) {
        // There was none, or it ended before the step had it.
        if (!ticket && error instanceof Refused) return;
        if (error instanceof Refused && (error.code === "gone" || error.code === "unknown_ticket")) {
            throw new Error(`${input("lock")} was lost while the job ran, and somebody else may have had it: ${error.message}`);
        }
        command("warning", `${input("lock")} ${ticket ? "stays" : "may be"} taken until its lease ends`);
        throw error;
    }
}

post().catch(fail);
