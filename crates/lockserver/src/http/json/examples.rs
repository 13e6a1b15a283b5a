//! What the description shows as answers.

use serde_json::{Value, json};

/// A ticket that is held; with its id only where its maker asks.
pub(super) fn ticket(with_id: bool) -> Value {
    let mut ticket = json!({
        "number": 17, "locks": {"san-ssh": {"permits": 1, "slots": [0], "slot_ranges": "0", "slot_names": []}}, "lock": "san-ssh", "state": "held", "permits": 1, "slots": [0], "slot_ranges": "0", "slot_names": [],
        "token": 77, "ahead": 0, "dormant": false, "priority": 0, "info": "backup of db1", "owner": null, "from": "192.0.2.7",
        "created_at": "2026-05-04T03:02:01.5Z", "granted_at": "2026-05-04T03:02:01.5Z",
        "held_at": "2026-05-04T03:02:01.5Z", "ended_at": null, "expires_at": "2026-05-04T03:03:01.5Z",
        "expires_in_s": 60, "ttl_s": 60, "ended_as": null, "reason": null,
    });
    if with_id {
        ticket["id"] = "6f1c0b9e-6d0c-4b8e-9d6f-0d7b4f3a2c11".into();
    }
    ticket
}

/// One of several locks, for its maker.
pub(super) fn bundle() -> Value {
    let mut ticket = ticket(true);
    let fields = ticket.as_object_mut().expect("a ticket is an object");
    for name in ["lock", "permits", "slots", "slot_ranges", "slot_names"] {
        fields.remove(name);
    }
    ticket["locks"] = json!({
        "licence": {"permits": 2, "slots": [3, 4], "slot_ranges": "3-4", "slot_names": []},
        "san-ssh": {"permits": 1, "slots": [0], "slot_ranges": "0", "slot_names": []},
        "stage": {"permits": "all", "slots": [0], "slot_ranges": "0", "slot_names": ["eu-1"]},
    });
    ticket
}

/// The same while it waits.
pub(super) fn queued() -> Value {
    let mut ticket = ticket(true);
    for (name, value) in [
        ("state", json!("queued")),
        ("locks", json!({"san-ssh": {"permits": 1, "slots": [], "slot_ranges": "", "slot_names": []}})),
        ("slots", json!([])),
        ("slot_ranges", json!("")),
        ("token", Value::Null),
        ("ahead", json!(2)),
        ("granted_at", Value::Null),
        ("held_at", Value::Null),
    ] {
        ticket[name] = value;
    }
    ticket
}

/// The same at its end.
pub(super) fn released() -> Value {
    let mut ticket = ticket(true);
    for (name, value) in [
        ("state", json!("ended")),
        ("ended_as", json!("released")),
        ("ended_at", json!("2026-05-04T03:02:31.5Z")),
        ("expires_at", Value::Null),
        ("expires_in_s", Value::Null),
    ] {
        ticket[name] = value;
    }
    json!({"released": true, "ticket": ticket})
}

/// Settings of a lock.
pub(super) fn settings() -> Value {
    json!({
        "size": 7, "pick": "first", "grace_time_s": 10, "expiration_time_s": 1200, "max_lock_time_s": 1200, "max_hold_time_s": null,
        "max_ttl_s": null, "lock_delay_s": 0, "max_queue": 100_000, "max_per_owner": null, "min_hold_time_s": 0, "description": "SSH sessions of the SAN",
    })
}

/// A stretch of a lock's past.
fn past(step_s: u32) -> Value {
    let times = json!({"count": 40, "p50_s": 12.3, "p90_s": 61, "p99_s": 122});
    json!({
        "begin": "2026-05-04T03:00:00Z", "step_s": step_s, "size": [7, null, 7], "in_use": [6.5, null, 7],
        "in_use_max": [7, null, 7], "queued_max": [0, null, 2], "full": [0.5, null, 1], "waits": times, "holds": times,
    })
}

/// The past of a lock.
pub(super) fn history() -> Value {
    let event = json!({"kind": "held", "at": "2026-05-04T03:02:01.5Z", "lock": "san-ssh", "number": 17, "info": "backup of db1"});
    json!({
        "lock": "san-ssh", "since": "2026-05-04T03:00:00.5Z", "hour": past(10), "day": past(300), "events": [event], "as_of": "1777863721500000-42",
    })
}

/// A lock.
pub(super) fn lock() -> Value {
    json!({
        "name": "san-ssh", "size": 7, "free": 6, "in_use": 1, "granted": 0, "withheld": 0, "holding": 1, "queued": 0,
        "waiting_since": null, "holding_since": "2026-05-04T03:02:01.5Z", "expected_wait_s": 0,
        "why": "6 of 7 are free: the next one gets in at once.", "paused": false,
        "pause_reason": null, "paused_by": null, "pause_ends_in_s": null, "retiring": false, "template": null, "settings": settings(),
        "overridden": [], "configuration": [], "revision": 3, "holders": [ticket(false)], "queue": [], "withholdings": [],
        "statistics": {
            "queries": 1, "grants": 1, "got": 1, "lapsed": 0, "released": 0, "cancelled": 0, "expired": 0,
            "superseded": 0, "lost": 0, "overdue": 0, "revoked": 0, "oversized": 0, "lock_deleted": 0,
        },
        "as_of": "1777863721500000-42",
    })
}
