//! Events as lines of the log. Levels are those of 0.36: what its operators watch for at `warning` is still there. The JSON log has
//! the lock and the ticket as fields, too; in the classic log they stand in the text.

use crate::wall::rfc3339;
use lock_core::{EndedAs, Event, EventKind, LockChange, Pause, Transition, Until, Withheld, WithheldCause};
use std::fmt::Write as _;
use std::sync::Arc;

/// Writes the line of an event that is durable.
pub(super) fn write(event: &Event) {
    let (lock, by) = (event.lock.as_str(), by(event.by.as_ref()));
    match &event.kind {
        EventKind::LockCreated => tracing::info!(json.lock = lock, "lock created with name {lock}{by}"),
        EventKind::LockChanged { changes, pause } => {
            tracing::info!(json.lock = lock, "lock {lock} changed{by}: {}", what_changed(changes, pause.as_ref()));
        }
        EventKind::LockDeleted => tracing::info!(json.lock = lock, "lock {lock} deleted{by}"),
        EventKind::PermitsWithheld(one) => of_withheld(lock, one, "withheld", &by),
        EventKind::ReportStale => tracing::warn!(
            json.lock = lock,
            "the report of lock {lock} is too old: nothing is withheld for outside use now"
        ),
        EventKind::PermitsRestored(one) => of_withheld(lock, one, "restored", &by),
        EventKind::Ticket { number, info, transition, .. } => of_ticket(lock, *number, info, transition, &by),
    }
}

fn of_withheld(lock: &str, one: &Withheld, what: &str, by: &str) {
    let (permits, cause, why) = (one.permits, one.cause.as_str(), why(one.reason.as_ref()));
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(json.lock = lock, "{permits} permits of lock {lock} {what} ({cause}){by}{why}")
        };
    }
    // A lock with a rest has this after each of its tickets.
    if one.cause == WithheldCause::Cooldown { line!(debug) } else { line!(info) }
}

fn of_ticket(lock: &str, number: u64, info: &str, transition: &Transition, by: &str) {
    macro_rules! line {
        ($level:ident, $($words:tt)*) => {
            tracing::$level!(json.lock = lock, json.ticket = number, json.info = info, $($words)*)
        };
    }
    match transition {
        Transition::Queued => line!(debug, "ticket {number} of lock {lock} queried ({info})"),
        Transition::Granted { token, .. } => {
            line!(debug, "ticket {number} of lock {lock} granted, token {token} ({info})")
        }
        Transition::Held => line!(debug, "ticket {number} of lock {lock} got its lock ({info})"),
        Transition::Lapsed => line!(info, "ticket {number} of lock {lock} did not claim its grant ({info})"),
        Transition::Undelivered => {
            line!(info, "ticket {number} of lock {lock} was not told of its grant ({info})")
        }
        Transition::Ended { how: EndedAs::Released | EndedAs::Cancelled | EndedAs::Superseded, .. } => {
            line!(debug, "ticket {number} of lock {lock} ended ({info})");
        }
        Transition::Ended { how, reason, .. } => {
            let (how, why) = (how.as_str(), why(reason.as_ref()));
            line!(warn, "ticket {number} of lock {lock} ended as {how}{by}{why} ({info})");
        }
    }
}

fn by(name: Option<&Arc<str>>) -> String {
    name.map_or_else(String::new, |name| format!(" by {name}"))
}

fn why(reason: Option<&Arc<str>>) -> String {
    reason.filter(|reason| !reason.is_empty()).map_or_else(String::new, |reason| format!(", {reason}"))
}

fn what_changed(changes: &[LockChange], pause: Option<&Pause>) -> String {
    let mut words: Vec<String> = changes.iter().map(LockChange::to_string).collect();
    if words.is_empty() {
        words.push("set to what it was".to_owned());
    }
    let mut text = words.join(", ");
    if let Some(Pause { reason, until, .. }) = pause {
        if let Some(Until::Wall(until)) = until {
            let _ = write!(text, " until {}", rfc3339(*until));
        }
        if !reason.is_empty() {
            let _ = write!(text, ": {reason}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_core::SettingValue;

    #[test]
    fn what_changed_is_said_with_its_reason() {
        let change = |setting, from, to| LockChange { setting, from, to };
        let size = change("size", SettingValue::Count(2), SettingValue::Count(3));
        let time = change("max_hold_time", SettingValue::Time(None), SettingValue::Time(Some(1500)));
        let paused = change("paused", SettingValue::Flag(false), SettingValue::Flag(true));
        let pause = Pause {
            reason: Arc::from("orders DB failover"),
            by: Some(Arc::from("ops")),
            until: Some(Until::Wall(1_777_863_721_000)),
        };
        assert_eq!(what_changed(&[], None), "set to what it was");
        assert_eq!(what_changed(&[size, time], None), "size 2 -> 3, max_hold_time never -> 1.5 s");
        assert_eq!(what_changed(&[paused], Some(&pause)), "paused until 2026-05-04T03:02:01Z: orders DB failover");
        assert_eq!((by(Some(&Arc::from("ops"))), by(None)), (" by ops".to_owned(), String::new()));
    }
}
