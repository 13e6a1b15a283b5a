//! `run --inherit`, for locked scripts that call locked scripts. What a run around this one holds is not asked for again: the command
//! is executed in our place, in the process group that the outer run ends when it has to.
//!
//! There are two conditions. The environment names this very lock, and the server says that a holder has the token now: a child that
//! has outlived its parent does not pass the next holder.

use super::child;
use super::environment::{BETWEEN_LOCKS, HeldLock, VALUE_MAX, Variables};
use super::plan::{Plan, Want, Wish};
use crate::exit::{Failure, NO_SERVER};
use crate::say::{clean, say};
use lock_client::Client;
use lock_client::api::{Part, Permits};
use std::time::Duration;

/// The variable that passes on what runs further out hold: `TOKEN LOCK`, with tabs between, which no name has in it.
pub(super) const VARIABLE: &str = "LOCK_OUTER_TOKENS";

/// A lock with the token of a hold, as the environment tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    lock: String,
    token: u64,
}

/// What the environment tells of holds on these servers; the run right around us comes first. Tokens of other servers say nothing here.
pub(super) fn marks(servers: &str) -> Vec<Mark> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    if variable("LOCK_SERVER") != servers {
        return Vec::new();
    }
    read(&variable("LOCK_NAME"), &variable("LOCK_TOKEN"), &variable(VARIABLE))
}

fn read(names: &str, tokens: &str, outer: &str) -> Vec<Mark> {
    let tokens: Vec<&str> = tokens.split(BETWEEN_LOCKS).collect();
    // One token is that of one lock, whatever is in its name.
    let names: Vec<&str> = if tokens.len() == 1 { vec![names] } else { names.split(BETWEEN_LOCKS).collect() };
    let own = if names.len() == tokens.len() { names.into_iter().zip(tokens).collect() } else { Vec::new() };
    let outer = outer.split('\t').filter_map(|one| one.split_once(' ').map(|(token, lock)| (lock, token)));
    let mark = |(lock, token): (&str, &str)| {
        Some(Mark { lock: Some(lock).filter(|lock| !lock.is_empty())?.to_owned(), token: token.parse().ok()? })
    };
    own.into_iter().chain(outer).filter_map(mark).collect()
}

/// The variable for runs inside of ours, which know our own hold by the others. What they have to know is cut, if need be.
pub(super) fn passed_on(marks: &[Mark]) -> Option<String> {
    let words = marks.iter().map(|mark| format!("{} {}", mark.token, mark.lock));
    let text = words.fold(String::new(), |text, word| match text.as_str() {
        "" => word,
        _ if text.len() + word.len() >= VALUE_MAX => text,
        _ => format!("{text}\t{word}"),
    });
    Some(text).filter(|text| !text.is_empty())
}

/// For each lock that is wanted what somebody around us holds of it already. Nothing of a bundle is needed twice: what they do not
/// hold is taken as one ticket.
pub(super) async fn holds(client: &Client, plan: &Plan, marks: &[Mark]) -> Result<Vec<Option<HeldLock>>, Failure> {
    let look = async {
        let mut found = Vec::new();
        for want in &plan.wants {
            found.push(hold_of(client, want, marks, plan).await?);
        }
        Ok(found)
    };
    let Some(limit) = plan.wish.options.wait else { return look.await };
    let within = limit + plan.wish.options.patience.unwrap_or(Duration::MAX / 2);
    let late = |_| Failure::new(NO_SERVER, "no server answered in time whether the outer hold is live");
    tokio::time::timeout(within, look).await.map_err(late)?
}

async fn hold_of(client: &Client, want: &Want, marks: &[Mark], plan: &Plan) -> Result<Option<HeldLock>, Failure> {
    let (lock, verbose) = (clean(&want.lock), plan.verbose);
    for mark in marks.iter().filter(|mark| mark.lock == want.lock) {
        let held = match client.holder(&want.lock, mark.token).await {
            Ok(ticket) => ticket.and_then(|ticket| HeldLock::of(&ticket, &want.lock)),
            // What speaks against it speaks against another ticket too, and is said then.
            Err(error) if error.problem().is_some() => continue,
            Err(error) => return Err(error.into()),
        };
        match held {
            Some(held)
                if is_enough(held.part(), want.permits)
                    && has_selected(client, &want.lock, held.part(), &plan.wish).await? =>
            {
                return Ok(Some(held));
            }
            Some(_) if verbose => say(&format!("the outer hold of `{lock}` has fewer permits, or other slots")),
            None if verbose => say(&format!("the outer hold of `{lock}` in the environment is over")),
            Some(_) | None => {}
        }
    }
    Ok(None)
}

fn is_enough(part: &Part, wanted: Permits) -> bool {
    match (part.permits, wanted) {
        (Permits::All, _) => true,
        (Permits::Count(_), Permits::All) => false,
        (Permits::Count(has), Permits::Count(wanted)) => has >= wanted,
    }
}

/// Whether its slots are those that are asked for.
async fn has_selected(client: &Client, lock: &str, part: &Part, wish: &Wish) -> Result<bool, Failure> {
    let (slots, tags) = (&wish.options.slots, &wish.options.tags);
    if !slots.iter().all(|slot| part.slot_names.contains(slot)) {
        return Ok(false);
    }
    if tags.is_empty() {
        return Ok(true);
    }
    // A client that may not look takes a ticket.
    let tagged = match client.lock(lock).await {
        Ok(lock) => lock.settings.tags,
        Err(error) if error.problem().is_some() => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let has = |name: &String| tagged.get(name).is_some_and(|own| tags.iter().all(|tag| own.contains(tag)));
    Ok(!part.slot_names.is_empty() && part.slot_names.iter().all(has))
}

/// Becomes the command. Returns only if that cannot be.
pub(super) fn become_command(plan: &Plan, environment: Variables) -> Failure {
    if plan.verbose {
        say("an outer run holds it: the command runs under that hold");
    }
    child::execute(&plan.command, environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(names: &str, tokens: &str, outer: &str) -> Vec<(String, u64)> {
        read(names, tokens, outer).into_iter().map(|mark| (mark.lock, mark.token)).collect()
    }

    #[test]
    fn what_the_environment_tells_of() {
        let expected = |pairs: &[(&str, u64)]| pairs.iter().map(|(lock, token)| ((*lock).to_owned(), *token)).collect();
        type Case = (&'static str, &'static str, &'static str, &'static [(&'static str, u64)]);
        let cases: [Case; 8] = [
            ("", "", "", &[]),
            ("a", "7", "", &[("a", 7)]),
            ("a;b", "7;9", "", &[("a", 7), ("b", 9)]),
            ("a;b", "7", "", &[("a;b", 7)]),
            ("a;b;c", "7;9", "", &[]),
            ("a", "x", "5 b", &[("b", 5)]),
            ("a", "7", "5 b lock\t4 c", &[("a", 7), ("b lock", 5), ("c", 4)]),
            ("a", "-7", "5b", &[]),
        ];
        for (names, tokens, outer, pairs) in cases {
            let pairs: Vec<(String, u64)> = expected(pairs);
            assert_eq!(marks(names, tokens, outer), pairs, "{names} {tokens} {outer}");
        }
    }

    #[test]
    fn what_is_passed_on_is_read_again() {
        assert_eq!(passed_on(&[]), None);
        let all = read("a", "7", "5 b lock\t4 c;d");
        assert_eq!(read("", "", &passed_on(&all).unwrap()), all);
        let many: Vec<Mark> = (0..20_000).map(|token| Mark { lock: "x".repeat(20), token }).collect();
        let text = passed_on(&many).unwrap();
        assert!(text.len() <= VALUE_MAX);
        assert!(read("", "", &text).len() > 3000);
    }
}
