//! Every metric: its name, kind and meaning. docs/metrics.md has the same list.
//!
//! Names follow the conventions of Prometheus: base units at the end (`_seconds`, `_bytes`), from which the unit line is
//! made; a counter's name stands here without its `_total`, and an info's without its `_info`.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// A gauge that is always 1 and carries labels.
    Info,
}

/// A metric with all its series.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// One line, without quotes and backslashes, which the formats escape differently.
    pub(super) help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Histogram, help }
}

pub(super) const BUILD: Family =
    Family { name: "lockserver_build", kind: Kind::Info, help: "The version of this server." };
pub(super) const READY: Family = gauge("lockserver_ready", "1 if requests are served, as /readyz says.");
pub(super) const CONFIG_SUCCESSFUL: Family = gauge(
    "lockserver_config_last_reload_successful",
    "1 if the configuration was without error when it was last read.",
);
pub(super) const CONFIG_TIME: Family = gauge(
    "lockserver_config_last_reload_success_timestamp_seconds",
    "When the configuration was last applied, in Unix time.",
);

pub(super) const LOCK_INSTANCES: Family =
    gauge("lockserver_lock_instances", "Locks that this label stands for: 1, or the instances of a template.");
pub(super) const LOCK_PAUSED: Family = gauge("lockserver_lock_paused", "Locks of this label that are paused.");
pub(super) const LOCK_SIZE: Family = gauge("lockserver_lock_size", "Permits of the lock.");
pub(super) const PERMITS_HELD: Family = gauge("lockserver_lock_permits_held", "Permits that are held.");
pub(super) const PERMITS_GRANTED: Family =
    gauge("lockserver_lock_permits_granted", "Permits that are granted and not claimed yet.");
pub(super) const PERMITS_WITHHELD: Family =
    gauge("lockserver_lock_permits_withheld", "Permits that are withheld, whatever the cause.");
pub(super) const PERMITS_WITHHELD_BY: Family =
    gauge("lockserver_lock_permits_withheld_by_cause", "Permits that are withheld, by why.");
pub(super) const LOCK_QUEUED: Family = gauge("lockserver_lock_queued", "Tickets in the queue, dormant ones included.");
pub(super) const LOCK_DORMANT: Family = gauge(
    "lockserver_lock_dormant",
    "Tickets in the queue that are dormant: not served until their client sends a heartbeat.",
);
pub(super) const OLDEST_WAITER: Family = gauge(
    "lockserver_lock_oldest_waiter_seconds",
    "Age of the ticket that is in line longest, dormant ones left out; 0 if nobody is in line.",
);
pub(super) const OLDEST_HOLDER: Family = gauge(
    "lockserver_lock_oldest_holder_seconds",
    "Time since the first of the present holders got its permits; 0 if nobody holds.",
);
pub(super) const LAST_RELEASE: Family = gauge(
    "lockserver_lock_last_release_timestamp_seconds",
    "When a holder last gave permits back, in Unix time; absent before the first time since the server started.",
);
pub(super) const TICKETS: Family = counter("lockserver_tickets", "Tickets made.");
pub(super) const GRANTS: Family = counter("lockserver_grants", "Grants.");
pub(super) const LAPSED: Family = counter("lockserver_grants_lapsed", "Grants that nobody claimed in time.");
pub(super) const UNDELIVERED: Family =
    counter("lockserver_grants_undelivered", "Grants that could not be told to their client, and were offered again.");
pub(super) const RELEASES: Family =
    counter("lockserver_releases", "Tickets whose permits were given back by their client.");
pub(super) const ENDED: Family = counter("lockserver_tickets_ended", "Tickets that ended, by how they ended.");
pub(super) const WAIT: Family = histogram("lockserver_wait_seconds", "Time from the making of a ticket to its grant.");
pub(super) const HOLD: Family =
    histogram("lockserver_hold_seconds", "Time that a ticket was held, observed at its end.");

pub(super) const BATCH: Family = histogram(
    "lockserver_engine_batch_commands",
    "Commands that the engine took in one step; steps without any left out.",
);
pub(super) const BUSY: Family = counter(
    "lockserver_engine_busy_seconds",
    "Time that the engine spent in steps, commits included; it has one thread, so a rate of 1 is all there is.",
);
pub(super) const QUEUE: Family =
    gauge("lockserver_engine_queue_requests", "Requests that have not reached the engine yet, by queue.");
pub(super) const SHED: Family = counter(
    "lockserver_engine_shed_requests",
    "Requests that were turned away because their queue was full; nothing was done for them.",
);
pub(super) const TERMS: Family = counter(
    "lockserver_engine_terms",
    "Terms that began: 1 from the start, and 1 each time the store worked again or this server took the lead again.",
);
pub(super) const LEADER: Family =
    gauge("lockserver_leader", "1 if this server leads, as one that is alone always does; 0 if it stands by.");
pub(super) const LEADER_CHANGES: Family = counter(
    "lockserver_leader_changes",
    "Times that this server began to lead after it had stood by, or stopped to lead while it ran.",
);
pub(super) const COMMIT: Family =
    histogram("lockserver_store_commit_seconds", "Time that a commit took, failed ones included.");
pub(super) const COMMITS_FAILED: Family = counter("lockserver_store_commits_failed", "Commits that failed.");
pub(super) const LOADS_FAILED: Family = counter("lockserver_store_loads_failed", "Loads of the store that failed.");

pub(super) const REQUESTS: Family =
    counter("lockserver_http_requests", "HTTP requests that were answered, by route, method and status.");
pub(super) const REQUEST: Family = histogram(
    "lockserver_http_request_seconds",
    "Time from the head of a request to the head of its answer; requests that may wait for a grant are left out.",
);
pub(super) const FORWARDED: Family = counter(
    "lockserver_forwarded_requests",
    "Requests that this server gave to the leader while it stood by, each try, by what became of it.",
);
pub(super) const WRONG_KEYS: Family = counter("lockserver_wrong_keys", "Requests that came with a wrong key.");
pub(super) const IN_FLIGHT: Family =
    gauge("lockserver_http_requests_in_flight", "HTTP requests whose answer has not begun.");
pub(super) const WAITING: Family =
    gauge("lockserver_waiting_requests", "Requests that wait on the server for a grant.");
pub(super) const STREAMS: Family = gauge("lockserver_event_streams", "Event streams that are open.");
pub(super) const CONNECTIONS: Family =
    gauge("lockserver_connections", "Connections that are open, those of administrators included.");
pub(super) const ACCEPTED: Family = counter("lockserver_connections_accepted", "Connections that were accepted.");
pub(super) const TIMED_OUT: Family =
    counter("lockserver_connections_timed_out", "Connections that the server ended because a time was over, by which.");

pub(super) const AUDITED: Family = counter("lockserver_audit_lines", "Lines of the audit log that were written.");
pub(super) const AUDIT_LOST: Family =
    counter("lockserver_audit_lines_lost", "Lines of the audit log for which there was no room.");
pub(super) const AUDIT_WAITING: Family =
    gauge("lockserver_audit_lines_waiting", "Lines of the audit log that wait to be written.");

pub(super) const CPU: Family = counter("process_cpu_seconds", "Time that the process has used processors.");
pub(super) const OPEN_FDS: Family = gauge("process_open_fds", "Files and sockets that are open.");
pub(super) const MAX_FDS: Family = gauge("process_max_fds", "Files and sockets that may be open.");
pub(super) const RESIDENT: Family = gauge("process_resident_memory_bytes", "Memory that the process has in RAM.");
pub(super) const VIRTUAL: Family = gauge("process_virtual_memory_bytes", "Addresses that the process has mapped.");
pub(super) const THREADS: Family = gauge("process_threads", "Threads of the process.");
pub(super) const STARTED: Family = gauge("process_start_time_seconds", "When the server began, in Unix time.");
