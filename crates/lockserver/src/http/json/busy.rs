//! The reason why nobody was given a permit, for callers who may see it: those who hold, or a pause.

use super::asked::Asked;
use super::problem::Refusal;
use crate::engine::CommandResult;
use crate::wall::span;
use lock_api::ErrorCode;
use lock_core::{Command, LockName, LockView, Ms, Outcome, TicketView, TicketsAfter, text};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Holders that are named.
const NAMED: usize = 3;
/// The most of what a holder says of itself.
const INFO_BYTES: usize = 80;
/// An answer waits no longer for its explanation.
const WITHIN: Duration = Duration::from_millis(250);

/// The same refusal; one for want of permits says what is in the way now. Of several locks that is told of the one that refused, or of
/// one that is paused.
pub(super) async fn explained(asked: &Asked, locks: &[LockName], refusal: Refusal) -> Refusal {
    let problem = refusal.problem();
    let code = problem.code;
    if !matches!(code, ErrorCode::Busy | ErrorCode::TimedOut) {
        return refusal;
    }
    let is_named = problem.detail.starts_with("lock ");
    let refused = match locks {
        [lock] => Some(lock),
        several => several.iter().find(|lock| problem.lock.as_deref() == Some(lock.as_str())),
    };
    // A pause is told to everybody who may use the lock. When nobody waits, the core has told of it already.
    let may_know = |lock: &&LockName| code == ErrorCode::TimedOut || asked.who.sees(lock);
    let candidates = refused.map_or(locks, std::slice::from_ref).iter().filter(may_know);
    let tells =
        |view: &LockView, lock: &LockName| view.lock.pause.is_some() || (refused.is_some() && asked.who.sees(lock));
    let until = Instant::now() + WITHIN;
    for lock in candidates {
        let look = Command::ViewLock { name: lock.clone(), tickets: NAMED, after: TicketsAfter::default() };
        let look = asked.app.engine.look(&asked.caller, look, asked.connection.clone());
        // A refusal without its reason is better than none.
        let Ok(Ok(CommandResult { outcome: Outcome::Lock(view), .. })) = timeout_at(until, look).await else { break };
        if tells(&view, lock) {
            let why = in_the_way(&view);
            // Permits are free, but they are not for this one: they are too few, others than it wants, or above its owner's cap.
            let refusal = if view.usage.free > 0 { refusal.reworded("no permit is", "not enough is") } else { refusal };
            return refusal.because(&if locks.len() == 1 || is_named { why } else { format!("{lock:?}: {why}") });
        }
    }
    refusal
}

fn in_the_way(lock: &LockView) -> String {
    if let Some(pause) = &lock.lock.pause {
        let by = pause.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let left = lock.pause_ends_in.map(|left| format!(" for another {}", time(left))).unwrap_or_default();
        let reason = Some(&*pause.reason).filter(|reason| !reason.is_empty());
        return format!(
            "the lock is paused{by}{left}{}",
            reason.map(|reason| format!(": {reason}")).unwrap_or_default()
        );
    }
    let names: Vec<String> = lock.holders.iter().map(|holder| name(holder, lock)).collect();
    let more = lock.usage.holding.saturating_sub(names.len() as u64);
    let held = match names.as_slice() {
        [] => None,
        names if more > 0 => Some(format!("held by {} and {more} more", names.join(", "))),
        names => Some(format!("held by {}", names.join(", "))),
    };
    let usage = &lock.usage;
    let withheld = (usage.withheld > 0).then(|| format!("{} of {} withheld", usage.withheld, usage.size));
    let free = (usage.free > 0).then(|| format!("{} of {} free", usage.free, usage.size));
    let cap = lock.lock.settings.max_per_owner.filter(|_| usage.free > 0);
    let cap = cap.map(|max| format!("an owner may have {max} at a time"));
    let waiting = (usage.queued > 0).then(|| format!("{} waiting", usage.queued));
    [held, withheld, free, cap, waiting].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `#145 release 7.1 by ada (4 min)`
fn name(holder: &TicketView, lock: &LockView) -> String {
    let ticket = &holder.ticket;
    let info = text::cut(&ticket.info, INFO_BYTES);
    let whose = match (&*info, ticket.owner.as_deref()) {
        ("", None) => ticket.from.to_string(),
        ("", Some(owner)) => owner.to_owned(),
        (info, None) => info.to_owned(),
        (info, Some(owner)) => format!("{info} by {owner}"),
    };
    let since = ticket.granted_at.map(|at| format!(" ({})", time(lock.wall.saturating_sub(at))));
    format!("#{} {whose}{}", ticket.number, since.unwrap_or_default())
}

fn time(ms: Ms) -> String {
    span(ms).replace('\u{a0}', " ")
}
