// What a runner gives to an action, and takes from it: variables, files of `NAME=VALUE` lines, and commands on standard output.

import { randomBytes } from "node:crypto";
import { appendFileSync } from "node:fs";

/** An input of the step; empty is none. */
export function input(name) {
    const value = (process.env[`INPUT_${name.toUpperCase()}`] ?? "").trim();
    return value === "" ? undefined : value;
}

/** A number among the inputs. */
export function number(name, least) {
    const text = input(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!Number.isFinite(value) || value < least) throw new Error(`${name}: ${JSON.stringify(text)} is not a number from ${least}`);
    return value;
}

/** Adds to the outputs, the state of the step or the environment of the steps after it. */
export function tell(file, values) {
    const path = process.env[file];
    if (!path) throw new Error(`${file} is not set: this runs as a step of a job only`);
    for (const [name, value] of Object.entries(values)) {
        const mark = randomBytes(8).toString("hex");
        appendFileSync(path, `${name}<<${mark}\n${value}\n${mark}\n`);
    }
}

/** A command of the runner. A text cannot end it, nor begin another one. */
export function command(name, text) {
    const safe = String(text).replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
    console.log(`::${name}::${safe}`);
}

/** Ends the step as failed. */
export function fail(error) {
    command("error", error?.message ?? error);
    process.exitCode = 1;
}
