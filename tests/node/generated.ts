// A client whose types come from /openapi-3.0.json: takes, renews, releases.

import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const client = createClient<paths>({ baseUrl: process.argv[2] });

function expect(condition: boolean, what: string): asserts condition {
    if (!condition) throw new Error(what);
}

const of = { path: { lock: "three" } };
const asked = await client.POST("/v1/locks/{lock}/tickets", { params: of, body: { exclusive: true, ttl_s: 30, wait_s: 5, info: "generated" } });
expect(asked.response.status === 201 && asked.data !== undefined, `not held: ${JSON.stringify(asked.error)}`);
const id: string | null | undefined = asked.data.id;
expect(typeof id === "string" && asked.data.state === "held" && asked.data.permits === "all", "a ticket that is held");
const token: number | null | undefined = asked.data.token;

const second = await client.POST("/v1/locks/{lock}/tickets", { params: of, body: { permits: 2 } });
expect(second.response.status === 409 && second.error?.code === "busy", "nobody beside");

const renewed = await client.POST("/v1/tickets/{id}/renew", { params: { path: { id } }, body: { ttl_s: 60 } });
expect(renewed.data?.ttl_s === 60, "a new lease");
const verified = await client.GET("/v1/locks/{lock}/verify", { params: { path: { lock: "three" }, query: { token: token ?? 0 } } });
expect(verified.response.status === 200, "its token is a holder's");
const released = await client.DELETE("/v1/tickets/{id}", { params: { path: { id } } });
expect(released.response.status === 200, "it is given back");
const lock = await client.GET("/v1/locks/{lock}", { params: of });
expect(lock.data?.in_use === 0, "nothing is left");
console.log("done");
