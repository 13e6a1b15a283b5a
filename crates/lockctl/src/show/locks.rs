//! All locks at a glance, and tickets that were looked for in all of them.

use super::Style;
use super::lock::{info, owner, state};
use super::table::{Cell, Paint, cell, plain, table};
use super::time::age;
use crate::say::clean;
use lock_client::api::{Lock, Ticket};

/// A lock of that size or smaller is shown with its holders.
const HOLDERS_SHOWN: u32 = 3;
/// More of somebody's words than that are cut off in a list.
const WORDS_SHOWN: usize = 40;

pub(crate) fn all_locks(style: Style, locks: &[Lock]) -> String {
    if locks.is_empty() {
        return "there is no lock\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = locks
        .iter()
        .map(|lock| {
            let free: Paint = if lock.free > 0 { Style::good } else { Style::busy };
            let queued: Paint = if lock.queued > 0 { Style::busy } else { plain };
            vec![
                cell(clean(&lock.name), plain),
                cell(lock.size.to_string(), plain),
                cell(lock.free.to_string(), free),
                cell(lock.in_use.to_string(), plain),
                cell(lock.queued.to_string(), queued),
                cell(age(lock.waiting_since.as_deref()), queued),
                cell(age(lock.holding_since.as_deref()), plain),
                cell(state(lock), Style::bad),
                cell(holders(lock), plain),
                cell(clean(&lock.settings.description), Style::dim),
            ]
        })
        .collect();
    let headings =
        ["LOCK", "SIZE", "FREE", "HELD", "QUEUED", "WAITING FOR", "HELD FOR", "STATE", "HOLDERS", "DESCRIPTION"];
    table(style, &headings, &rows)
}

/// The holders of a small lock.
fn holders(lock: &Lock) -> String {
    if lock.size > HOLDERS_SHOWN {
        return String::new();
    }
    let names: Vec<String> = lock.holders.iter().map(name).collect();
    names.join("; ")
}

/// A ticket's number, and as much of its client's words as a list has room for.
fn name(ticket: &Ticket) -> String {
    let words = if ticket.info.is_empty() { clean(&ticket.from) } else { info(&ticket.info) };
    match words.char_indices().nth(WORDS_SHOWN) {
        Some((end, _)) => format!("#{} {}…", ticket.number, &words[..end]),
        None => format!("#{} {words}", ticket.number),
    }
}

/// Tickets of several locks, each with what it is and for how long.
pub(crate) fn tickets(style: Style, tickets: &[&Ticket]) -> String {
    let rows: Vec<Vec<Cell>> = tickets
        .iter()
        .map(|ticket| {
            let began = ticket.granted_at.as_deref().unwrap_or(&ticket.created_at);
            vec![
                cell(clean(&ticket.lock_names()), plain),
                cell(ticket.number.to_string(), plain),
                cell(ticket.state.as_str().to_owned(), plain),
                cell(age(Some(began)), plain),
                cell(owner(ticket), plain),
                cell(info(&ticket.info), Style::dim),
            ]
        })
        .collect();
    table(style, &["LOCK", "NUMBER", "STATE", "FOR", "FROM", "INFO"], &rows)
}
