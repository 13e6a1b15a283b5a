// Types of lockserver-client.

/** What a client is made with. Without `server` LOCK_SERVER counts, else http://127.0.0.1:9090; without a key LOCK_KEY_FILE and LOCK_KEY. */
export interface ClientOptions {
    /** `https://HOST:PORT`, `http://HOST:PORT` or `unix:/PATH`; several are tried in turn. */
    server?: string | string[];
    /** The secret of a key. */
    key?: string;
    /** A file with the secret of a key, which not everybody may read. */
    key_file?: string;
    /** Certificates (PEM) that vouch for the server, in the place of those of Node. */
    ca?: string | Buffer;
    /** How long servers are tried that do not answer (30). */
    try_s?: number;
}

/** What is asked for. */
export interface AcquireOptions {
    /** How many permits (1), or all of them and nobody beside. */
    permits?: number | "all";
    /** The same as `permits: "all"`. */
    exclusive?: boolean;
    /** Exactly the slots of these names. */
    slots?: string[];
    /** Slots that have all of these tags. */
    tags?: string[];
    /** How long to wait: for ever without this, not at all with 0. */
    wait_s?: number;
    /** How long the server keeps the permits without a heartbeat (60). */
    ttl_s?: number;
    /** What others see beside the ticket; without it the host, the script and the process. */
    info?: string;
    /** -100 to 100; higher goes first. */
    priority?: number;
    /** The server ends the hold after that, whatever is renewed. */
    max_hold_s?: number;
    /** The latest only: ends what the same owner has queued for the lock with this word. */
    supersede?: string;
    /**
     * 16 to 128 random characters; the client makes some without this. Who saves them before asking can end the ticket with
     * `DELETE /v1/locks/{lock}/tickets?request_id=`, even when this process has died.
     */
    request_id?: string;
    /** Gives up waiting. Nothing is left behind. */
    signal?: AbortSignal;
}

/** The same, and what to ask for at the end. */
export interface HoldOptions extends AcquireOptions {
    /** If the work succeeds: for so long nobody is given the permits. */
    keep_s?: number;
}

/** A ticket, as the server tells it. A newer server may tell more. */
export interface Ticket {
    id: string;
    number: number;
    lock: string;
    state: "queued" | "granted" | "held" | "ended";
    permits: number | "all";
    slots: number[];
    slot_names: string[];
    token: number | null;
    ahead: number;
    info: string;
    owner: string | null;
    from: string;
    ttl_s: number | null;
    expires_in_s: number | null;
    [more: string]: unknown;
}

/** A refusal of the server (RFC 9457). */
export interface Problem {
    status: number;
    code: string;
    title?: string;
    detail?: string;
    retryable?: boolean;
    ended_as?: string;
    tickets?: Ticket[];
    [more: string]: unknown;
}

/** Permits that are held. They renew themselves until they are released or lost. */
export class Held {
    private constructor();
    /** The ticket as it was told last. */
    readonly ticket: Ticket;
    /** The secret id of the ticket. */
    readonly id: string;
    /** The fencing token. */
    readonly token: number;
    /** Numbers of the slots. */
    readonly slots: number[];
    /** Names of the slots, where they have some. */
    readonly slot_names: string[];
    /** Aborted when the permits are not surely ours any more; its reason is a `LeaseLost`. */
    readonly signal: AbortSignal;
    /** Gives the permits back. `keep_s`: nobody is given them for so long. `withhold`: they are broken, and why. */
    release(options?: { keep_s?: number; withhold?: string }): Promise<void>;
}

/** A client of one lockserver, or of several that serve the same locks. */
export class Client {
    constructor(options?: ClientOptions);
    /** Takes permits, runs `work` while they are held, and gives them back. */
    hold<T>(lock: string, work: (held: Held) => T | Promise<T>): Promise<T>;
    hold<T>(lock: string, options: HoldOptions, work: (held: Held) => T | Promise<T>): Promise<T>;
    /** Takes permits; `release` gives them back. */
    acquire(lock: string, options?: AcquireOptions): Promise<Held>;
    /** A lock with its holders and its queue. */
    lock(name: string): Promise<Record<string, unknown>>;
    /** Whether a holder has this fencing token now. */
    verify(lock: string, token: number): Promise<boolean>;
    /** Any call of the JSON API. */
    call(method: string, path: string, body?: unknown): Promise<unknown>;
}

/** Everything that this client throws. */
export class LockserverError extends Error {}

/** The server says no. */
export class Refused extends LockserverError {
    readonly problem: Problem;
    readonly status: number;
    readonly code: string;
    readonly retryable: boolean;
    readonly ended_as?: string;
}

/** No permit was free in time. Nothing is left of the request. */
export class TimedOut extends LockserverError {
    readonly lock: string;
}

/** No server answers. */
export class Unreachable extends LockserverError {}

/** The permits are not surely ours any more. */
export class LeaseLost extends LockserverError {}
