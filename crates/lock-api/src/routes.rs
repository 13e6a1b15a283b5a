//! Paths of the API. `{lock}`, `{id}` and `{number}` are to be filled in, percent-encoded.

/// All locks.
pub const LOCKS: &str = "/v1/locks";
/// One lock.
pub const LOCK: &str = "/v1/locks/{lock}";
/// Tickets of a lock: make one, end one by its `request_id`.
pub const LOCK_TICKETS: &str = "/v1/locks/{lock}/tickets";
/// A ticket by its public number: end it.
pub const LOCK_TICKET: &str = "/v1/locks/{lock}/tickets/{number}";
/// Withheld permits of a lock: withhold some, restore them. `?number=` for those of one withholding, `?slots=` for slots by name.
pub const LOCK_WITHHELD: &str = "/v1/locks/{lock}/withheld";
/// What others use of a lock: report it, take the report back.
pub const LOCK_OUTSIDE: &str = "/v1/locks/{lock}/outside";
/// The last hour and day of a lock.
pub const LOCK_HISTORY: &str = "/v1/locks/{lock}/history";
/// Is this token a holder's now?
pub const VERIFY: &str = "/v1/locks/{lock}/verify";
/// Tickets: make one for one lock or several, list the caller's, end one by its `request_id`.
pub const TICKETS: &str = "/v1/tickets";
/// One ticket by its id.
pub const TICKET: &str = "/v1/tickets/{id}";
/// A heartbeat.
pub const RENEW: &str = "/v1/tickets/{id}/renew";
/// Server-Sent Events.
pub const EVENTS: &str = "/v1/events";
/// The state of the server.
pub const STATUS: &str = "/v1/status";
/// Read the configuration again.
pub const RELOAD: &str = "/v1/reload";
/// This API, described.
pub const OPENAPI: &str = "/openapi.json";
/// The same for generators of clients that read OpenAPI 3.0 only.
pub const OPENAPI_3_0: &str = "/openapi-3.0.json";
/// Whether the process answers.
pub const HEALTHZ: &str = "/healthz";
/// Whether requests are served.
pub const READYZ: &str = "/readyz";
/// Metrics for Prometheus.
pub const METRICS: &str = "/metrics";
/// FleetLock: take.
pub const FLEETLOCK_LOCK: &str = "/v1/pre-reboot";
/// FleetLock: give back.
pub const FLEETLOCK_UNLOCK: &str = "/v1/steady-state";
/// Terraform and OpenTofu state locks.
pub const TERRAFORM: &str = "/v1/terraform/{lock}";
