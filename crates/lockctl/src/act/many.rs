//! `revoke`: one ticket by its number, or all that fit, after a look at them.

use super::{changed, done};
use crate::cli::{Revoke, Which};
use crate::exit::{CONFLICT, Failure};
use crate::say;
use crate::show::{self, Style};
use lock_client::Client;
use lock_client::api::{ErrorCode, Ticket};
use serde_json::json;
use std::io::{BufRead as _, IsTerminal as _};

pub(super) async fn revoke(client: &Client, asked: Revoke, json: bool) -> Result<u8, Failure> {
    let reason = asked.reason.as_deref();
    if let Some(number) = asked.number {
        if let Err(error) = client.revoke(&asked.lock, number, reason).await {
            // The lock may be what is not there.
            if error.code() == Some(ErrorCode::UnknownTicket) {
                client.lock(&asked.lock).await?;
            }
            return Err(error.into());
        }
        return done(json, &format!("ticket {number} of `{}` has ended", asked.lock));
    }
    let found = fitting(client, &asked.lock, &asked.which).await?;
    if found.is_empty() {
        return Err(Failure::new(CONFLICT, format!("no ticket of `{}` fits; nothing was done", asked.lock)));
    }
    let tickets: Vec<&Ticket> = found.iter().collect();
    let preview = show::tickets(Style::of_stdout(), &tickets);
    if !asked.yes && !agreed(&asked.lock, &preview, found.len())? {
        return Err(Failure::new(CONFLICT, "nothing was done"));
    }
    let (mut ended, mut moved_on) = (Vec::new(), Vec::new());
    // The last in line first, holders at the end: else a permit that comes back would go to one that is to end.
    for ticket in found.iter().rev() {
        // In no other state than the one that was shown: a waiter may have begun its work since.
        match client.revoke_only(&asked.lock, ticket.number, Some(ticket.state), reason).await {
            Ok(()) => ended.push(ticket.number),
            Err(error) => match error.code() {
                Some(ErrorCode::TicketChanged | ErrorCode::UnknownTicket | ErrorCode::Gone) => {
                    moved_on.push(ticket.number);
                }
                _ => {
                    say::say(&format!("{} of {} tickets have ended before this:", ended.len(), found.len()));
                    return Err(error.into());
                }
            },
        }
    }
    changed(json, &json!({"ended": ended, "moved_on": moved_on}), || {
        let left = match moved_on.len() {
            0 => String::new(),
            count => format!("; {count} had moved on meanwhile and are left alone"),
        };
        format!("{} of `{}` ended{left}\n", count(ended.len()), say::clean(&asked.lock))
    })?;
    Ok(0)
}

fn count(tickets: usize) -> String {
    if tickets == 1 { "1 ticket".to_owned() } else { format!("{tickets} tickets") }
}

/// All of the lock's tickets that fit, on however many pages they are.
async fn fitting(client: &Client, lock: &str, which: &Which) -> Result<Vec<Ticket>, Failure> {
    let lock = client.whole_lock(lock).await?;
    let holders = lock.holders.into_iter().filter(|_| !which.queue);
    let queue = lock.queue.into_iter().filter(|_| !which.holders);
    Ok(holders.chain(queue).filter(|ticket| fits(ticket, which)).collect())
}

fn fits(ticket: &Ticket, which: &Which) -> bool {
    which.from.as_ref().is_none_or(|from| ticket.from == *from)
        && which.key_name.as_ref().is_none_or(|key| ticket.owner.as_ref() == Some(key))
        && which.words.as_ref().is_none_or(|words| ticket.info.contains(words.as_str()))
}

/// Shows what would end, and asks on a terminal. Without one nobody can say yes: then it is only shown.
fn agreed(lock: &str, preview: &str, tickets: usize) -> Result<bool, Failure> {
    show::out(preview)?;
    if !std::io::stdin().is_terminal() {
        say::say(&format!("{} of `{}` would end; --yes does it", count(tickets), say::clean(lock)));
        return Ok(false);
    }
    say::say_raw(format!(
        "lockctl: end {}? [y/N] ",
        if tickets == 1 { "it".to_owned() } else { format!("these {tickets}") }
    ));
    say::flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
