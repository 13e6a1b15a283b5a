//! The reason why there is no permit, for clients with the right to observe: the holders, or a pause.

use crate::exit::{BUSY, Failure};
use crate::say::clean;
use crate::show::age;
use lock_client::api::{EndedAs, ErrorCode, Lock, Ticket};
use lock_client::{Client, Error};
use std::time::Duration;

/// Nobody waits long for an explanation.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// Holders that are named.
const NAMED: usize = 3;

/// The failure to get a lock, with what is in the way.
pub(super) async fn explained(client: &Client, lock: &str, error: Error) -> Failure {
    let is_busy = error.code() == Some(ErrorCode::Busy);
    let is_over = matches!(error, Error::TimedOut { .. }) || error.code() == Some(ErrorCode::TimedOut);
    // A newer one that takes our place is no loss of anything that we had.
    let superseded = error.problem().is_some_and(|problem| problem.ended_as == Some(EndedAs::Superseded));
    let failure = Failure::from(error);
    let failure = if superseded { failure.of_kind(BUSY) } else { failure };
    if failure.code != BUSY || !(is_busy || is_over) {
        return failure;
    }
    match tokio::time::timeout(ASK_WITHIN, client.lock(lock)).await {
        Ok(Ok(now)) => {
            let text = failure.text().to_owned();
            failure.with_text(if is_busy { busy(&now) } else { format!("{text}; {}", in_the_way(&now)) })
        }
        // Who may not look is told no more.
        Ok(Err(_)) | Err(_) => failure,
    }
}

fn busy(lock: &Lock) -> String {
    if lock.paused {
        return format!("no permit is given now, it is {}; -w TIME waits for one", paused(lock));
    }
    if lock.free > 0 {
        let (free, size) = (lock.free, lock.size);
        return format!("not enough is free now ({free} of {size}): {}; -w TIME waits for it", in_the_way(lock));
    }
    format!("no permit is free now: {}; -w TIME waits for one", in_the_way(lock))
}

/// What keeps others waiting: a pause, or those who hold.
pub(super) fn in_the_way(lock: &Lock) -> String {
    let held = match lock.holders.as_slice() {
        [] if lock.withheld > 0 => format!("{} withheld", lock.withheld),
        [] => "held by nobody".to_owned(),
        holders => {
            let names: Vec<String> = holders.iter().take(NAMED).map(who).collect();
            let more = usize::try_from(lock.holding).unwrap_or(usize::MAX).saturating_sub(names.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("held by {}{more}", names.join("; "))
        }
    };
    if lock.paused { format!("{}; {held}", paused(lock)) } else { held }
}

/// `paused for 20 min: firmware`
fn paused(lock: &Lock) -> String {
    let ends = lock.pause_ends_in_s.map(|left| format!(" for {}", crate::show::human(left.into()))).unwrap_or_default();
    let reason = lock.pause_reason.as_deref().filter(|reason| !reason.is_empty());
    let by = lock.paused_by.as_deref().map(|by| format!(" by {}", clean(by))).unwrap_or_default();
    format!("paused{by}{ends}{}", reason.map(|reason| format!(": {}", clean(reason))).unwrap_or_default())
}

fn who(ticket: &Ticket) -> String {
    let name = if ticket.info.is_empty() { &ticket.from } else { &ticket.info };
    let age = age(ticket.granted_at.as_deref());
    format!("#{} {}{}", ticket.number, clean(name), if age.is_empty() { age } else { format!(" for {age}") })
}
