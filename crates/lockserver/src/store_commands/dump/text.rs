//! The dump for people: a paragraph for each lock, with those who hold and those who wait, in the order of the queue.

use super::{Dump, OfLock};
use crate::store::codec::Scalar;
use crate::wall::rfc3339;
use lock_core::text::is_unsafe;
use lock_core::{EndedAs, LockName, Permits, SlotName, State, TicketRecord, Until, WallMs, Withholding};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Characters of an info that are shown.
const INFO_SHOWN: usize = 60;

pub(super) fn print(out: &mut impl Write, dump: &Dump, with_ids: bool) -> io::Result<()> {
    let Dump { store, schema, at, meta, counts_as_copy, locks, ended, templates, withheld_names, withdrawn } = dump;
    let schema = schema.map(|schema| format!(", schema {schema}")).unwrap_or_default();
    writeln!(out, "{store}{schema}, as of {at}")?;
    let copy = if *counts_as_copy { "; a copy: they begin at the clock when a server starts on it" } else { "" };
    writeln!(out, "last token {}, last ticket number {}{copy}", meta.last_token, meta.last_number)?;
    for (name, of) in locks {
        // Of one that is gone only tickets are left that are remembered.
        if of.lock.is_some() || !of.holders.is_empty() || !of.queue.is_empty() || !of.withheld.is_empty() {
            lock(out, name, of, with_ids)?;
        }
    }
    writeln!(
        out,
        "\n{} templates, {} withheld names of deleted locks, {ended} ended tickets and {} withdrawn requests remembered{}",
        templates.len(),
        withheld_names.len(),
        withdrawn.len(),
        if with_ids { "" } else { "; ids are left out, --with-ids shows them" }
    )
}

fn lock(out: &mut impl Write, name: &LockName, of: &OfLock, with_ids: bool) -> io::Result<()> {
    write!(out, "\nlock {name}: ")?;
    match &of.lock {
        Some(lock) => {
            write!(out, "size {}", lock.settings.size())?;
            if let Some(pause) = &lock.pause {
                write!(out, ", paused ({})", clean(&pause.reason))?;
            }
            if lock.retiring {
                write!(out, ", retiring")?;
            }
        }
        None => write!(out, "gone")?,
    }
    writeln!(out, ", {} hold, {} wait", of.holders.len(), of.queue.len())?;
    let mut rows = Vec::new();
    rows.extend(of.holders.iter().chain(&of.queue).map(|ticket| row(ticket, with_ids)));
    rows.extend(of.withheld.iter().map(|withholding| withheld_row(withholding, with_ids)));
    if rows.is_empty() {
        return Ok(());
    }
    let mut head: Vec<String> =
        ["STATE", "NUMBER", "TOKEN", "PERMITS", "SLOTS", "PRIO", "OWNER", "FROM", "SINCE"].map(str::to_owned).to_vec();
    if with_ids {
        head.push("ID".to_owned());
    }
    head.push("INFO".to_owned());
    rows.insert(0, head);
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing into a string does not fail.
            let _ = write!(line, "  {cell:width$}");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn row(ticket: &TicketRecord, with_ids: bool) -> Vec<String> {
    // A ticket that lapsed has nothing any more of what its record still names.
    let active = ticket.is_active();
    let (state, since): (&str, Option<WallMs>) = match ticket.state {
        State::Queued { dormant: true } => ("dormant", Some(ticket.created_at)),
        State::Queued { dormant: false } => ("queued", Some(ticket.created_at)),
        State::Granted => ("granted", ticket.granted_at),
        State::Held => ("held", ticket.held_at),
        State::Ended { .. } => ("ended", ticket.ended_at),
    };
    let mut row = vec![
        state.to_owned(),
        ticket.number.to_string(),
        ticket.token.filter(|_| active).map_or_else(|| "-".to_owned(), |token| token.to_string()),
        match ticket.permits {
            Permits::Count(count) => count.to_string(),
            Permits::All => "all".to_owned(),
        },
        if active { slots(&ticket.slots, &ticket.slot_names) } else { "-".to_owned() },
        ticket.priority.to_string(),
        clean(ticket.owner.as_deref().unwrap_or("-")),
        clean(&ticket.from),
        since.map_or_else(|| "-".to_owned(), rfc3339),
    ];
    if with_ids {
        row.push(ticket.id.to_text().into_owned());
    }
    row.push(clean(&info(ticket)));
    row
}

/// The client's words, of a bundle behind the names of its other locks.
fn info(ticket: &TicketRecord) -> String {
    let others: Vec<&str> = ticket.more().parts.iter().map(|part| part.lock.as_str()).collect();
    match others.is_empty() {
        true => ticket.info.to_string(),
        false => format!("with {}: {}", others.join(", "), ticket.info),
    }
}

fn withheld_row(withholding: &Withholding, with_ids: bool) -> Vec<String> {
    let permits = if withholding.all { "all".to_owned() } else { "-".to_owned() };
    let mut row = vec!["withheld".to_owned(), withholding.number.to_string(), "-".to_owned(), permits];
    row.push(slots(&withholding.slots, &withholding.slot_names));
    row.resize(if with_ids { 10 } else { 9 }, "-".to_owned());
    let until = match withholding.ends() {
        Some(Until::Service(until)) => format!("until {until} ms of service time"),
        Some(Until::Wall(until)) => format!("until {}", rfc3339(until)),
        None => "until it is restored".to_owned(),
    };
    let why = withholding.how.map_or(withholding.cause.as_str(), EndedAs::as_str);
    let awaited = withholding.wanted() - count(&withholding.slots);
    let awaited = if awaited == 0 { String::new() } else { format!(", {awaited} more as they come back") };
    row.push(format!("{why}, {until}{awaited}"));
    row
}

fn count(slots: &[(u32, u32)]) -> u64 {
    slots.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
}

/// `0-3,7`, with the names if there are any.
fn slots(slots: &[(u32, u32)], names: &[SlotName]) -> String {
    let ranges = slots.iter().map(|(first, last)| match last {
        last if last == first => first.to_string(),
        last => format!("{first}-{last}"),
    });
    let mut text = ranges.collect::<Vec<_>>().join(",");
    if !names.is_empty() {
        let names: Vec<&str> = names.iter().map(SlotName::as_str).collect();
        let _ = write!(text, " ({})", clean(&names.join(",")));
    }
    text
}

/// On one line, and nothing that a terminal would obey: clients wrote it.
fn clean(text: &str) -> String {
    let mut shown = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == INFO_SHOWN {
            shown.push('…');
            break;
        }
        if is_unsafe(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_wrote_does_not_reach_the_terminal() {
        assert_eq!(clean("a\nb\u{1b}[31m größe"), "a\\nb\\u{1b}[31m größe");
        assert_eq!(clean("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(clean("\u{61c}\u{e0041}"), "\\u{61c}\\u{e0041}");
        assert_eq!(clean(&"x".repeat(INFO_SHOWN)), "x".repeat(INFO_SHOWN));
        assert_eq!(clean(&"x".repeat(INFO_SHOWN + 1)), format!("{}…", "x".repeat(INFO_SHOWN)));
    }

    #[test]
    fn slots_and_their_names() {
        let name = |text| SlotName::new(text).unwrap();
        assert_eq!(slots(&[(0, 3), (7, 7)], &[]), "0-3,7");
        assert_eq!(slots(&[(0, 1)], &[name("a"), name("b")]), "0-1 (a,b)");
    }
}
