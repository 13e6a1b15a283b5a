// A clock that goes on while the machine sleeps: leases end by the server's clock, whether this machine is awake or not.

import { uptime } from "node:os";

/** Milliseconds since the machine was started. */
export function now_ms() {
    return uptime() * 1000;
}
