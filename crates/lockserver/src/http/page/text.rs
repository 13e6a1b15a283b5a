//! The text of the page: 0.36's labels and order, which people read and scripts look for.

use lock_core::limits::PAGE_BYTES_MAX;
use lock_core::{EndedAs, LockView, LocksPage, TicketView};
use std::fmt::Write as _;

const RULE: &str = "-------------------------";

/// Adds locks to the text as long as there is room, and then how many more there are.
pub(super) fn add(page: &mut String, locks: &LocksPage) {
    let mut more = locks.locks.len() as u64 + locks.more;
    for lock in &locks.locks {
        if page.len() >= PAGE_BYTES_MAX {
            break;
        }
        write_lock(page, lock).expect("a String takes everything");
        more -= 1;
    }
    if more > 0 && page.len() >= PAGE_BYTES_MAX {
        writeln!(page, "... and {more} more locks").expect("a String takes everything");
    }
}

pub(super) fn lock(lock: &LockView) -> String {
    let mut page = String::new();
    write_lock(&mut page, lock).expect("a String takes everything");
    page
}

fn write_lock(page: &mut String, lock: &LockView) -> std::fmt::Result {
    writeln!(page, "Lock \"{}\"", printable(lock.lock.name.as_str()))?;
    writeln!(page, "{RULE}\nLOCKS\n{RULE}")?;
    write_tickets(page, &lock.holders, lock.usage.holding)?;
    writeln!(page, "{RULE}\nQUEUE\n{RULE}")?;
    write_tickets(page, &lock.queue, lock.usage.queued)?;
    if let Some(pause) = &lock.lock.pause {
        writeln!(page, "\tNothing is granted: the lock is paused ({})", printable(&pause.reason))?;
    }
    writeln!(page, "{RULE}\nSTATS\n{RULE}")?;
    let statistics = &lock.statistics;
    writeln!(page, "Query locks: {}", statistics.queries)?;
    writeln!(page, "Locks got: {}", statistics.got)?;
    writeln!(page, "Locks released: {}", statistics.ended_as(EndedAs::Released))?;
    writeln!(page, "Locks expired: {}", statistics.ended_as(EndedAs::Expired))?;
    writeln!(page, "Locks forgotten: {}\n", statistics.ended_as(EndedAs::Lost))
}

fn write_tickets(page: &mut String, tickets: &[TicketView], all: u64) -> std::fmt::Result {
    let mut more = all;
    for view in tickets {
        if page.len() >= PAGE_BYTES_MAX {
            break;
        }
        // 8 of 32 digits are enough to recognise one's own ticket, and too few to release somebody else's.
        writeln!(page, "\t[Lock {:08x}] ({})", view.ticket.id.0 >> 96, printable(&view.ticket.info))?;
        more -= 1;
    }
    if more > 0 { writeln!(page, "\t... and {more} more") } else { Ok(()) }
}

/// What a client wrote, without what would move a terminal's cursor, forge a line, or turn the reading direction.
fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    lock_core::text::clean(text)
}

/// The text as a page that loads itself anew every 10 s, as 0.36's did.
pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    // Quotes stay: this is no attribute, and scripts look for `Lock "NAME"`.
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"10\">\
         <title>lockserver</title></head><body><pre>\n{escaped}</pre></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_wrote_stays_text() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}c"), "a\u{fffd}[2J\u{fffd}b\u{fffd}c");
        assert!(html("<script>alert(\"1\")</script>&'").contains("&lt;script&gt;alert(\"1\")&lt;/script&gt;&amp;'"));
    }
}
