// The post step: gives the lock back, whatever became of the job.

import { Client, Refused } from "../node/src/index.js";
import { command, fail, input } from "./runner.js";

async function post() {
    const ticket = process.env.STATE_ticket;
    // The step took nothing.
    if (!ticket) return;
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
        await client.call("DELETE", `/v1/tickets/${ticket}`);
        console.log(`${input("lock")} is given back`);
    } catch (error) {
        if (error instanceof Refused && (error.code === "gone" || error.code === "unknown_ticket")) {
            throw new Error(`${input("lock")} was lost while the job ran, and somebody else may have had it: ${error.message}`);
        }
        command("warning", `${input("lock")} stays taken until its lease ends`);
        throw error;
    }
}

post().catch(fail);
