// A real server for each test file, and a proxy that can be told to answer nothing.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LOCKS = "[lock one]\nSIZE=1\n[lock three]\nSIZE=3\n[lock named]\nSLOTS=a {fast}, b\n";

export async function server(sections = LOCKS) {
    const program = process.env.LOCKSERVER_BIN;
    if (!program) throw new Error("LOCKSERVER_BIN names the server to test");
    const directory = mkdtempSync(join(tmpdir(), "lockserver-node-"));
    writeFileSync(join(directory, "lockserver.conf"), `[general]\nSERVER=127.0.0.1\n${sections}`);
    const words = ["--config", "lockserver.conf", "--port", "0", "--store", "memory", "--admin-socket", "admin.sock"];
    const child = spawn(program, words, { cwd: directory, stdio: ["ignore", "pipe", "ignore"] });
    const url = await new Promise((done, failed) => {
        let said = "";
        child.stdout.on("data", (part) => {
            said += part;
            const found = /^lockserver ready on (\S+)$/m.exec(said);
            if (found) done(found[1]);
        });
        child.on("exit", (code) => failed(new Error(`the server ended with ${code}`)));
    });
    const stop = async () => {
        const gone = new Promise((done) => child.once("exit", done));
        child.removeAllListeners("exit");
        child.once("exit", () => {});
        const end = new Promise((done) => child.once("exit", done));
        child.kill("SIGTERM");
        await Promise.race([gone, end]);
        rmSync(directory, { recursive: true });
    };
    return { url, socket: `unix:${join(directory, "admin.sock")}`, directory, stop, child };
}

/** Passes connections on until it is told to cut them. */
export async function proxy(url) {
    const { hostname, port } = new URL(url);
    const sockets = new Set();
    let deaf = false;
    const listener = net.createServer((from) => {
        sockets.add(from);
        from.on("error", () => {}).on("close", () => sockets.delete(from));
        if (deaf) return;
        const to = net.connect(port, hostname);
        sockets.add(to);
        to.on("error", () => from.destroy()).on("close", () => sockets.delete(to));
        from.pipe(to).pipe(from);
    });
    await new Promise((done) => listener.listen(0, "127.0.0.1", done));
    return {
        url: `http://127.0.0.1:${listener.address().port}`,
        /** From now on nothing is answered. */
        cut() {
            deaf = true;
            for (const socket of sockets) socket.destroy();
        },
        close() {
            this.cut();
            listener.close();
        },
    };
}

/** Asks again and again until it is true. */
export async function until(condition, what) {
    const end = Date.now() + 20_000;
    for (;;) {
        const found = await condition();
        if (found) return found;
        if (Date.now() > end) throw new Error(`not within 20 s: ${what}`);
        await new Promise((wake) => setTimeout(wake, 10));
    }
}
