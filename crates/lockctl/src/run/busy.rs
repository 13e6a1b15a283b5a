//! The reason why there is no permit, for clients with the right to observe: the holders, or a pause.

use super::plan::Want;
use crate::exit::{BUSY, Failure};
use crate::say::clean;
use crate::show::{age, info};
use lock_client::api::{EndedAs, ErrorCode, Lock, Permits, Ticket};
use lock_client::{Client, Error};
use std::time::Duration;

/// Nobody waits long for an explanation.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// Holders that are named.
const NAMED: usize = 3;

/// The failure to get the locks, with what is in the way.
pub(super) async fn explained(client: &Client, wants: &[Want], error: Error) -> Failure {
    let is_busy = error.code() == Some(ErrorCode::Busy);
    let is_over = matches!(error, Error::TimedOut { .. }) || error.code() == Some(ErrorCode::TimedOut);
    let problem = error.problem();
    // A newer one that takes our place is no loss of anything that we had.
    let superseded = problem.is_some_and(|problem| problem.ended_as == Some(EndedAs::Superseded));
    // Of several locks the server names the one that refused.
    let refused = problem.and_then(|problem| problem.lock.clone());
    let failure = Failure::from(error);
    let failure = if superseded { failure.of_kind(BUSY) } else { failure };
    let failure = if failure.code == BUSY && (is_busy || is_over) {
        match tokio::time::timeout(ASK_WITHIN, blocking(client, wants, None)).await {
            Ok((_, found)) if !found.is_empty() => with_reason(failure, wants, &found, is_busy),
            // A client that may not look is told no more.
            Ok(_) | Err(_) => failure,
        }
    } else {
        failure
    };
    match (wants, refused) {
        ([want], _) => failure.about(&want.lock),
        (_, Some(lock)) => failure.of_lock(&lock),
        (_, None) => failure,
    }
}

fn with_reason(failure: Failure, wants: &[Want], found: &[Lock], is_busy: bool) -> Failure {
    let text = match found {
        [lock] if is_busy && wants.len() == 1 => busy(lock),
        [lock] if is_busy => format!("`{}`: {}", clean(&lock.name), busy(lock)),
        _ => format!("{}; {}", failure.text(), in_their_way(wants, found)),
    };
    failure.with_text(text)
}

/// Those of the locks that may be seen, and those of them that let nobody in who asks for so much, or for whose place in the queue
/// others go first; all of them if nothing speaks against any.
pub(super) async fn blocking(client: &Client, wants: &[Want], number: Option<u64>) -> (Vec<Lock>, Vec<Lock>) {
    let looks = wants.iter().map(|want| client.lock(&want.lock));
    let found: Vec<Option<Lock>> = futures_util::future::join_all(looks).await.into_iter().map(Result::ok).collect();
    let all: Vec<Lock> = found.iter().flatten().cloned().collect();
    let some =
        wants.iter().zip(found).filter_map(|(want, lock)| lock.filter(|lock| blocks(lock, want.permits, number)));
    let some: Vec<Lock> = some.collect();
    let blocking = if some.is_empty() { all.clone() } else { some };
    (all, blocking)
}

fn blocks(lock: &Lock, permits: Permits, number: Option<u64>) -> bool {
    let is_full = match permits {
        Permits::Count(count) => lock.free < u64::from(count),
        Permits::All => lock.in_use + lock.withheld > 0,
    };
    let first = lock.queue.iter().find(|ticket| !ticket.dormant).map(|ticket| ticket.number);
    lock.paused || is_full || first.is_some_and(|first| Some(first) != number)
}

/// What keeps those waiting who want these locks; of one of several with its name.
pub(super) fn in_their_way(wants: &[Want], locks: &[Lock]) -> String {
    match (wants, locks) {
        ([_], [lock]) => in_the_way(lock),
        (_, locks) => {
            let each = locks.iter().map(|lock| format!("`{}` {}", clean(&lock.name), in_the_way(lock)));
            each.collect::<Vec<_>>().join("; ")
        }
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
fn in_the_way(lock: &Lock) -> String {
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
    let cap = lock.settings.max_per_owner.filter(|_| lock.free > 0);
    let held = cap.map_or_else(|| held.clone(), |max| format!("{held}; an owner may have {max} at a time"));
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
    let name = if ticket.info.is_empty() { clean(&ticket.from) } else { info(&ticket.info) };
    let age = age(ticket.granted_at.as_deref());
    format!("#{} {name}{}", ticket.number, if age.is_empty() { age } else { format!(" for {age}") })
}
