//! What a resource hears that asks whether a token is that of a holder.

use super::life::{Grant, Life, Lives};
use super::{Finding, Promise, seconds};
use crate::history::{Answer, Ask, Call, History};
use std::collections::{BTreeMap, HashMap};

/// Judges every such answer.
pub(super) fn are_those_of_holders(history: &History, lives: &Lives, findings: &mut Vec<Finding>) {
    let by_token: HashMap<u64, (&Life, &Grant)> =
        lives.grants().map(|(life, grant)| (grant.token, (life, grant))).collect();
    let mut of_slot: BTreeMap<(&str, u64), Vec<&Grant>> = BTreeMap::new();
    for (life, grant) in lives.grants() {
        for slot in &grant.slots {
            of_slot.entry((&life.lock, *slot)).or_default().push(grant);
        }
    }
    for call in &history.calls {
        let (Ask::Verify { lock, token }, Answer::Verified(holds)) = (&call.ask, &call.answer) else { continue };
        let Some((life, grant)) = by_token.get(token).filter(|(life, _)| life.lock == *lock) else { continue };
        let next = |slot: &u64| {
            let grants = of_slot.get(&(lock, *slot)).into_iter().flatten();
            grants.copied().any(|other| other.token > *token && other.told < call.sent)
        };
        let wrong = match holds {
            true if life.released.is_some_and(|at| at < call.sent) => {
                (Promise::Releases, "is said to hold after its release")
            }
            true if grant.slots.iter().any(next) => (Promise::Size, "is said to hold what another one has been given"),
            false if holds_all_the_while(grant, call) => (Promise::Grants, "is said not to hold"),
            _ => continue,
        };
        let (sent, answered) = (seconds(call.sent), seconds(call.answered));
        let what = format!(
            "{} {}: client {} asked server {} between {sent} and {answered}",
            life.name(),
            wrong.1,
            call.client,
            call.server
        );
        findings.push(Finding { promise: wrong.0, what });
    }
}

fn holds_all_the_while(grant: &Grant, call: &Call) -> bool {
    grant.told < call.sent && call.answered < grant.until
}
