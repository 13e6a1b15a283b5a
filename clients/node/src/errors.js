// What may go wrong.

/** Everything that this client throws. */
export class LockserverError extends Error {
    constructor(message, options) {
        super(message, options);
        this.name = new.target.name;
    }
}

/** The server says no: a problem of RFC 9457. */
export class Refused extends LockserverError {
    constructor(problem) {
        super(problem.detail ?? problem.title ?? problem.code);
        this.problem = problem;
        this.status = problem.status;
        this.code = problem.code;
        this.retryable = problem.retryable === true;
        this.ended_as = problem.ended_as;
    }
}

/** No permit was free in time. Nothing is left of the request. */
export class TimedOut extends LockserverError {
    constructor(lock, wait_s) {
        super(`no permit of ${JSON.stringify(lock)} was free within ${wait_s} s`);
        this.lock = lock;
    }
}

/** No server answers. */
export class Unreachable extends LockserverError {}

/** The permits are not surely ours any more. */
export class LeaseLost extends LockserverError {}
