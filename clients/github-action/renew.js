// Runs beside the job: renews the ticket until it is told to end, or the ticket has ended.

import { Client, Refused } from "../node/src/index.js";
import { input } from "./runner.js";

const ticket = process.env.LOCKSERVER_TICKET;
const ttl_s = Number(process.env.LOCKSERVER_TTL_S) || 300;
const client = new Client({ server: input("server"), key: input("key") ?? "", try_s: Math.max(1, ttl_s / 4) });

for (;;) {
    await new Promise((wake) => setTimeout(wake, Math.min(ttl_s * 250, 300_000)));
    try {
        await client.call("POST", `/v1/tickets/${ticket}/renew`);
    } catch (error) {
        // Anything else may be over soon; without a renewal the lease ends by itself.
        if (error instanceof Refused && (error.code === "gone" || error.code === "unknown_ticket")) break;
    }
}
