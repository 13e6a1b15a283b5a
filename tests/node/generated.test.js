// A client of TypeScript that a generator makes of the description as OpenAPI 3.0.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { server } from "../../clients/node/testing/harness.js";

const home = fileURLToPath(new URL("../../target/node/generated", import.meta.url));
const tool = (name) => fileURLToPath(new URL(`../../target/node/node_modules/.bin/${name}`, import.meta.url));

let at;
before(async () => { at = await server(); });
after(() => at.stop());

test("its types are those of the API, and it takes, renews and releases", async () => {
    mkdirSync(home, { recursive: true });
    const described = await (await fetch(`${at.url}/openapi-3.0.json`)).text();
    writeFileSync(join(home, "openapi-3.0.json"), described);
    execFileSync(tool("openapi-typescript"), ["openapi-3.0.json", "--output", "api.d.ts"], { cwd: home, stdio: "pipe" });
    copyFileSync(fileURLToPath(new URL("generated.ts", import.meta.url)), join(home, "generated.ts"));
    writeFileSync(join(home, "package.json"), '{"type": "module"}');
    const options = { module: "nodenext", moduleResolution: "nodenext", target: "es2022", strict: true, types: ["node"], lib: ["es2022", "dom", "dom.iterable"] };
    writeFileSync(join(home, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["generated.ts"] }));
    try {
        execFileSync(tool("tsc"), [], { cwd: home, encoding: "utf8" });
    } catch (error) {
        assert.fail(error.stdout);
    }
    assert.equal(execFileSync(process.execPath, ["generated.js", at.url], { cwd: home, encoding: "utf8" }), "done\n");
});
