//! What the command is told about its locks.

use super::plan::Want;
use crate::exit::BUSY;
use crate::say::say;
use lock_client::api::{Part, Ticket};

/// Between the values of several locks, in the order of the command line.
pub(super) const BETWEEN_LOCKS: &str = ";";
/// More slots than that are told as ranges.
const LISTED: usize = 100;
/// The longest value in bytes: Linux takes 128 KiB for one variable, name and all.
pub(super) const VALUE_MAX: usize = 100 * 1024;
/// All that tells about a hold, but where its server is: that may be the user's own setting.
const OF_A_HOLD: [&str; 7] =
    ["LOCK_NAME", "LOCK_TOKEN", "LOCK_SLOT", "LOCK_SLOTS", "LOCK_SLOT_NAME", "LOCK_SLOT_NAMES", "LOCK_TICKET"];

/// Variables with their values; those without one are to be removed, for they would tell of another hold.
pub(super) type Variables = Vec<(&'static str, Option<String>)>;

/// What is held of one lock.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HeldLock {
    lock: String,
    token: Option<u64>,
    part: Part,
}

impl HeldLock {
    /// What a ticket has of this lock, if that is one of its locks.
    pub(super) fn of(ticket: &Ticket, lock: &str) -> Option<Self> {
        let part = ticket.locks.get(lock)?.clone();
        Some(Self { lock: lock.to_owned(), token: ticket.token, part })
    }

    pub(super) fn part(&self) -> &Part {
        &self.part
    }
}

/// For locks in the order of the command line. Of a ticket that others hold nobody knows the id.
pub(super) fn variables(locks: &[HeldLock], servers: &str, id: &str) -> Variables {
    let each = |value: &dyn Fn(&HeldLock) -> String| {
        let values: Vec<String> = locks.iter().map(value).collect();
        if values.iter().all(String::is_empty) { String::new() } else { values.join(BETWEEN_LOCKS) }
    };
    let values = [
        each(&|held| held.lock.clone()),
        each(&|held| held.token.map(|token| token.to_string()).unwrap_or_default()),
        each(&|held| held.part.slots.first().map(u32::to_string).unwrap_or_default()),
        each(&|held| match held.part.slot_ranges.as_str() {
            // The list has the first 1,000 only.
            ranges if held.part.slots.len() > LISTED && !ranges.is_empty() => ranges.to_owned(),
            _ => numbers(&held.part.slots),
        }),
        each(&|held| held.part.slot_names.first().cloned().unwrap_or_default()),
        each(&|held| held.part.slot_names.join(",")),
        id.to_owned(),
    ];
    let fitting = |(name, value): (&'static str, String)| {
        if value.len() > VALUE_MAX {
            say(&format!("{name} is left out: it would have {} bytes, and the system takes {VALUE_MAX}", value.len()));
        }
        (name, Some(value).filter(|value| !value.is_empty() && value.len() <= VALUE_MAX))
    };
    let server = [("LOCK_SERVER", Some(servers.to_owned()))];
    OF_A_HOLD.into_iter().zip(values).map(fitting).chain(server).collect()
}

/// Numbers with commas; if they are many, those that follow one another as `0-29999`.
fn numbers(slots: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &slot in slots {
        match ranges.last_mut() {
            Some((_, last)) if slots.len() > LISTED && last.checked_add(1) == Some(slot) => *last = slot,
            _ => ranges.push((slot, slot)),
        }
    }
    let words =
        ranges.iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    words.collect::<Vec<_>>().join(",")
}

/// For a shell that evaluates what `acquire` prints: nothing of an earlier hold is left, and the whole is a failure unless more
/// comes. `false && :` is one that does not end a shell with `set -e` as long as something follows.
pub(crate) fn before_exports() -> String {
    format!("unset {}; false && :\n", OF_A_HOLD.join(" "))
}

/// What comes if there is no hold. -E 0 is for those who start commands, not for those who go on without the lock.
pub(crate) fn instead_of_exports(code: u8) -> String {
    format!("(exit {})\n", if code == 0 { BUSY } else { code })
}

/// `export` lines for a POSIX shell, for locks in the order of the command line.
pub(crate) fn exports(ticket: &Ticket, wants: &[Want], servers: &str) -> String {
    let locks: Vec<HeldLock> = wants.iter().filter_map(|want| HeldLock::of(ticket, &want.lock)).collect();
    let variables = variables(&locks, servers, ticket.id.as_deref().unwrap_or_default());
    let lines =
        variables.iter().filter_map(|(name, value)| Some(format!("export {name}={}\n", quote(value.as_deref()?))));
    lines.collect()
}

/// One word of a shell, whatever is in it.
fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_slots_are_ranges() {
        assert_eq!(numbers(&[0, 1, 2, 7]), "0,1,2,7");
        assert_eq!(numbers(&[]), "");
        let all: Vec<u32> = (0..30_000).collect();
        assert_eq!(numbers(&all), "0-29999");
        let holes: Vec<u32> = (0..200).filter(|slot| ![5, 7].contains(slot)).collect();
        assert_eq!(numbers(&holes), "0-4,6,8-199");
    }

    #[test]
    fn words_of_a_shell() {
        for (value, word) in [("a-1", "a-1"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$(x)", "'$(x)'")]
        {
            assert_eq!(quote(value), word);
        }
    }
}
