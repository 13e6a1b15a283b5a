// Compiled, never run: the types admit what the client takes, and nothing else.

import { Client, Held, LeaseLost, Refused, TimedOut, type HoldOptions, type Ticket } from "lockserver-client";

const client = new Client({ server: ["https://a:9090", "https://b:9090"], key_file: "/run/key", try_s: 5 });
const options: HoldOptions = { permits: "all", wait_s: 30, ttl_s: 60, tags: ["a100"], keep_s: 10, signal: AbortSignal.timeout(1000) };

export async function use(): Promise<number> {
    const held: Held = await client.acquire("san-ssh", { permits: 2, exclusive: false });
    const ticket: Ticket = held.ticket;
    held.signal.addEventListener("abort", () => {
        if (held.signal.reason instanceof LeaseLost) console.log(held.token, held.slots[0], held.slot_names, ticket.number);
    });
    await held.release({ keep_s: 5 });
    const named: string = await client.hold("gpu", options, async (one) => one.slot_names.join(","));
    const short: number = await client.hold("gpu", (one) => one.token);
    try {
        await client.verify("gpu", short);
    } catch (error) {
        if (error instanceof TimedOut) return error.lock.length;
        if (error instanceof Refused && error.code === "busy" && error.retryable) return error.status + named.length;
    }
    // @ts-expect-error there is no such option
    await client.acquire("gpu", { permit: 1 });
    // @ts-expect-error a lock has a name
    await client.acquire(7);
    // @ts-expect-error nobody makes one
    return new Held().token;
}
