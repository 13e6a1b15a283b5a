// The client against a real server.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client, LeaseLost, LockserverError, Refused, TimedOut, Unreachable } from "lockserver-client";
import { proxy, server, until } from "../testing/harness.js";

let at;
let client;
before(async () => {
    at = await server();
    client = new Client({ server: at.url });
});
after(() => at.stop());

const look = (name) => client.lock(name);

test("a hold has a token and a slot, and gives back at its end", async () => {
    const told = await client.hold("one", async (held) => {
        assert.ok(await client.verify("one", held.token));
        assert.deepEqual(held.slots, [0]);
        assert.equal((await look("one")).holding, 1);
        return held.token;
    });
    assert.equal(await client.verify("one", told), false);
    assert.equal((await look("one")).in_use, 0);
});

test("a hold without options is one with none, and a request may have an id of the caller's", async () => {
    for (const none of [undefined, null, {}]) {
        assert.equal(await client.hold("one", none, () => 7), 7);
        assert.equal((await look("one")).in_use, 0);
    }
    const request_id = "0123456789abcdef";
    const held = await client.acquire("one", { request_id });
    await client.call("DELETE", `/v1/locks/one/tickets?request_id=${request_id}`);
    assert.equal((await look("one")).in_use, 0);
    await held.release();
});

test("work that fails gives back as well, and its error comes through", async () => {
    await assert.rejects(client.hold("one", () => { throw new RangeError("it failed"); }), RangeError);
    assert.equal((await look("one")).in_use, 0);
});

test("never more than its size is at work, in the order of asking", async () => {
    let now = 0, most = 0;
    // Of two grants at the same moment the answers may arrive in any order. The tokens tell the order of the grants.
    const tokens = [];
    let begun = 0;
    const gate = [];
    const all = [];
    for (let number = 0; number < 8; number += 1) {
        all.push(client.hold("three", async (held) => {
            tokens[number] = held.token;
            begun += 1;
            now += 1;
            most = Math.max(most, now);
            await new Promise((go) => gate.push(go));
            now -= 1;
        }));
        await until(async () => begun + (await look("three")).queued === number + 1, "it holds or waits");
    }
    for (let left = 8; left > 0; left -= 1) {
        (await until(() => gate.shift(), "somebody is at work"))();
    }
    await Promise.all(all);
    assert.equal(most, 3);
    assert.equal(begun, 8);
    assert.deepEqual(tokens, [...tokens].sort((one, other) => one - other));
});

test("who does not want to wait is told, and nothing is left", async () => {
    await client.hold("one", async () => {
        await assert.rejects(client.acquire("one", { wait_s: 0 }), (error) => error instanceof Refused && error.code === "busy");
        await assert.rejects(client.acquire("one", { wait_s: 0.2 }), TimedOut);
        assert.equal((await look("one")).queued, 0);
    });
});

test("a wait that is aborted leaves nothing", async () => {
    await client.hold("one", async () => {
        const abort = new AbortController();
        const waiting = client.acquire("one", { signal: abort.signal });
        await until(async () => (await look("one")).queued === 1, "it waits");
        abort.abort(new Error("enough"));
        await assert.rejects(waiting, /enough/);
        await until(async () => (await look("one")).queued === 0, "its place is given up");
    });
});

test("every permit and nobody beside, by both words", async () => {
    for (const options of [{ permits: "all" }, { exclusive: true }]) {
        await client.hold("three", options, async (held) => {
            assert.equal(held.ticket.permits, "all");
            await assert.rejects(client.acquire("three", { wait_s: 0 }), Refused);
        });
    }
});

test("slots by their names and tags", async () => {
    await client.hold("named", { tags: ["fast"] }, (held) => assert.deepEqual(held.slot_names, ["a"]));
    await client.hold("named", { slots: ["b"] }, (held) => assert.deepEqual(held.slot_names, ["b"]));
});

test("a held permit is renewed", async () => {
    const held = await client.acquire("one", { ttl_s: 2 });
    const first = (await look("one")).holders[0].expires_at;
    await until(async () => (await look("one")).holders[0].expires_at > first, "its lease ends later than at first");
    assert.equal(held.signal.aborted, false);
    await held.release();
    await held.release();
});

test("a ticket that an administrator ends is lost at once", async () => {
    const admin = new Client({ server: at.socket });
    await assert.rejects(client.hold("one", { ttl_s: 2 }, async (held) => {
        await admin.call("DELETE", `/v1/locks/one/tickets/${held.ticket.number}?reason=test`);
        await new Promise((lost) => held.signal.addEventListener("abort", lost));
        assert.ok(held.signal.reason instanceof LeaseLost && /ended the ticket/.test(held.signal.reason.message));
        throw held.signal.reason;
    }), LeaseLost);
});

test("a lease that nobody renews is lost before the server may give it away", async () => {
    const between = await proxy(at.url);
    const far = new Client({ server: between.url, try_s: 1 });
    const held = await far.acquire("one", { ttl_s: 3 });
    between.cut();
    await new Promise((lost) => held.signal.addEventListener("abort", lost));
    assert.equal((await look("one")).holding, 1, "by the server's clock it is held still");
    assert.ok(held.signal.reason instanceof LeaseLost);
    between.close();
    await until(async () => (await look("one")).in_use === 0, "the lease is over");
});

test("what the server refuses is told with its code", async () => {
    await assert.rejects(client.acquire("nowhere"), (error) => error.code === "unknown_lock" && error.status === 404);
    await assert.rejects(client.acquire("three", { permits: 4 }), (error) => error.code === "too_many_permits");
    await assert.rejects(client.acquire("three", { permits: 2, exclusive: true }), (error) => error.code === "invalid");
});

test("servers are tried in turn, and all that are silent are named", async () => {
    const two = new Client({ server: ["http://127.0.0.1:1", at.url] });
    assert.equal((await two.lock("one")).name, "one");
    await assert.rejects(new Client({ server: "http://127.0.0.1:1", try_s: 0.5 }).lock("one"), Unreachable);
});

test("addresses and keys that cannot be", () => {
    assert.throws(() => new Client({ server: "http://ci:hidden@h" }), (error) => error instanceof LockserverError && !error.message.includes("hidden"));
    assert.throws(() => new Client({ server: "" }), /no server is named/);
    const file = join(at.directory, "key");
    writeFileSync(file, "lsk_hidden");
    chmodSync(file, 0o644);
    assert.throws(() => new Client({ server: at.url, key_file: file }), (error) => /chmod/.test(error.message) && !error.message.includes("hidden"));
});

test("a program that only holds ends by itself", () => {
    const text = `import { Client } from "lockserver-client"; await new Client().acquire("three", { ttl_s: 5 });`;
    const options = { env: { ...process.env, LOCK_SERVER: at.url }, cwd: new URL("..", import.meta.url), timeout: 20_000 };
    assert.equal(spawnSync(process.execPath, ["--input-type=module", "--eval", text], options).status, 0);
});
