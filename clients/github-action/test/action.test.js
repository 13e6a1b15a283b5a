// The steps as a runner starts them: by their variables and files.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Client } from "../../node/src/index.js";
import { server, until } from "../../node/testing/harness.js";

let at;
let client;
before(async () => {
    at = await server();
    client = new Client({ server: at.url });
});
after(() => at.stop());

/** A job with one such step. */
class Job {
    constructor(inputs) {
        this.directory = mkdtempSync(join(tmpdir(), "lockserver-job-"));
        const files = Object.fromEntries(["GITHUB_STATE", "GITHUB_OUTPUT", "GITHUB_ENV"].map((name) => [name, join(this.directory, name)]));
        Object.values(files).forEach((path) => writeFileSync(path, ""));
        const { PATH, HOME } = process.env;
        const given = Object.entries({ server: at.url, permits: "1", ttl: "300", wait: "", key: "", latest: "", info: "", ...inputs });
        this.env = {
            PATH, HOME, ...files, GITHUB_ACTIONS: "true", GITHUB_REPOSITORY: "acme/shop", GITHUB_WORKFLOW: "Deploy", GITHUB_RUN_ID: "77", GITHUB_JOB: "ship",
            ...Object.fromEntries(given.map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
        };
    }

    /** What was written to one of the runner's files. */
    told(file) {
        const text = readFileSync(this.env[file], "utf8");
        return Object.fromEntries([...text.matchAll(/^(\S+?)<<(\w+)\n([^]*?)\n\2$/gm)].map(([, name, , value]) => [name, value]));
    }

    /** Starts a script of the action, with the state that the step has saved. */
    run(script) {
        const state = Object.fromEntries(Object.entries(this.told("GITHUB_STATE")).map(([name, value]) => [`STATE_${name}`, value]));
        const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
        const child = spawn(process.execPath, [path], { env: { ...this.env, ...state }, cwd: this.directory, stdio: ["ignore", "pipe", "pipe"] });
        let said = "";
        child.stdout.on("data", (part) => { said += part; });
        child.stderr.on("data", (part) => { said += part; });
        const end = new Promise((done) => child.on("close", (status) => done({ status, said })));
        return Object.assign(end, { child });
    }

    end() {
        rmSync(this.directory, { recursive: true });
    }
}

const alive = (pid) => {
    try {
        process.kill(pid, 0);
        // A zombie that nobody has waited for yet has ended.
        return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
        return false;
    }
};

test("the lock is held from the step to the post step, and renewed between", async () => {
    const job = new Job({ lock: "one", ttl: "2" });
    const main = await job.run("main.js");
    assert.equal(main.status, 0, main.said);
    const lock = await client.lock("one");
    assert.equal(lock.holders[0].info, "acme/shop Deploy ship run 77");
    const { ticket, renewing } = job.told("GITHUB_STATE");
    assert.ok(main.said.includes(`::add-mask::${ticket}`) && main.said.indexOf(ticket) === main.said.lastIndexOf(ticket), main.said);
    assert.deepEqual(job.told("GITHUB_OUTPUT"), { token: String(lock.holders[0].token), slot: "0", "slot-name": "" });
    assert.equal(job.told("GITHUB_ENV").LOCK_TOKEN, String(lock.holders[0].token));
    const first = lock.holders[0].expires_at;
    await until(async () => (await client.lock("one")).holders[0].expires_at > first, "it is renewed");
    const post = await job.run("post.js");
    assert.equal(post.status, 0, post.said);
    assert.equal((await client.lock("one")).in_use, 0);
    await until(() => !alive(Number(renewing)), "nothing is left of the job");
    job.end();
});

test("a second job waits for the first", async () => {
    const [first, second] = [new Job({ lock: "one" }), new Job({ lock: "one" })];
    assert.equal((await first.run("main.js")).status, 0);
    const waiting = second.run("main.js");
    await until(async () => (await client.lock("one")).queued === 1, "it waits");
    assert.equal((await first.run("post.js")).status, 0);
    const got = await waiting;
    assert.equal(got.status, 0, got.said);
    assert.equal((await second.run("post.js")).status, 0);
    first.end();
    second.end();
});

test("a job that is cancelled while it waits has nothing, and its post step is content", async () => {
    const [first, second] = [new Job({ lock: "one" }), new Job({ lock: "one" })];
    assert.equal((await first.run("main.js")).status, 0);
    const waiting = second.run("main.js");
    await until(async () => (await client.lock("one")).queued === 1, "it waits");
    waiting.child.kill("SIGKILL");
    await waiting;
    assert.deepEqual(await second.run("post.js"), { status: 0, said: "" });
    assert.equal((await client.lock("one")).queued, 0, "nothing is left of it, long before its lease ends");
    assert.equal((await first.run("post.js")).status, 0);
    assert.equal((await client.lock("one")).in_use, 0);
    first.end();
    second.end();
});

test("a job that is cancelled before it hears that it has the lock gives it back", async () => {
    const job = new Job({ lock: "one" });
    assert.equal((await job.run("main.js")).status, 0);
    const { renewing } = job.told("GITHUB_STATE");
    // As it is up to the grant: only the request is known.
    const state = readFileSync(job.env.GITHUB_STATE, "utf8");
    writeFileSync(job.env.GITHUB_STATE, state.slice(0, state.indexOf("ticket<<")));
    process.kill(Number(renewing));
    assert.deepEqual(Object.keys(job.told("GITHUB_STATE")), ["request"]);
    assert.equal((await job.run("post.js")).status, 0);
    assert.equal((await client.lock("one")).in_use, 0);
    job.end();
});

test("no permit in time, and inputs that make no sense, fail the step with an error", async () => {
    const holder = new Job({ lock: "one" });
    assert.equal((await holder.run("main.js")).status, 0);
    for (const [inputs, why] of [
        [{ lock: "one", wait: "0" }, /^::error::.*no permit/m],
        [{ lock: "one", wait: "0.2" }, /^::error::.*within 0\.2 s/m],
        [{ lock: "" }, /^::error::lock: the name/m],
        [{ lock: "one", server: "" }, /^::error::server:/m],
        [{ lock: "one", permits: "two" }, /^::error::permits:/m],
        [{ lock: "one", wait: "soon" }, /^::error::wait:/m],
        [{ lock: "nowhere" }, /^::error::/m],
    ]) {
        const job = new Job(inputs);
        const { status, said } = await job.run("main.js");
        assert.ok(status === 1 && why.test(said), `${JSON.stringify(inputs)}: ${said}`);
        assert.deepEqual(await job.run("post.js"), { status: 0, said: "" });
        job.end();
    }
    assert.equal((await holder.run("post.js")).status, 0);
    holder.end();
});

test("a lock that was lost fails the post step", async () => {
    const job = new Job({ lock: "one" });
    assert.equal((await job.run("main.js")).status, 0);
    const [holder] = (await client.lock("one")).holders;
    await new Client({ server: at.socket }).call("DELETE", `/v1/locks/one/tickets/${holder.number}`);
    const post = await job.run("post.js");
    assert.ok(post.status === 1 && /^::error::one was lost while the job ran/m.test(post.said), post.said);
    job.end();
});

test("the action names what is there", () => {
    const text = readFileSync(new URL("../action.yml", import.meta.url), "utf8");
    for (const script of ["main.js", "post.js"]) assert.ok(text.includes(script));
    const inputs = [...text.matchAll(/^ {2}([a-z-]+):$/gm)].map(([, name]) => name);
    const used = ["main.js", "post.js", "renew.js"].flatMap((script) =>
        [...readFileSync(new URL(`../${script}`, import.meta.url), "utf8").matchAll(/(?:input|number)\("([a-z-]+)"/g)].map(([, name]) => name));
    assert.deepEqual([...new Set(used)].filter((name) => !inputs.includes(name)), []);
});
