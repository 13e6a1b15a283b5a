//! One lock and its tickets, for people.

use super::Style;
use super::table::{Cell, cell, plain, table};
use super::time::{age, brief, human};
use crate::say::clean;
use lock_client::api::{Lock, Part, Permits, Selection, Ticket, WithheldCause, Withholding};
use std::time::Duration;

/// What is unusual about a lock, in a few words.
pub(super) fn state(lock: &Lock) -> String {
    let mut words = Vec::new();
    if lock.paused {
        let ends = lock.pause_ends_in_s.map(|left| format!(" for {}", human(left.into()))).unwrap_or_default();
        let by = lock.paused_by.as_deref().map(|by| format!(" by {}", clean(by))).unwrap_or_default();
        let reason = lock.pause_reason.as_deref().filter(|reason| !reason.is_empty());
        words.push(format!(
            "paused{by}{ends}{}",
            reason.map(|reason| format!(": {}", clean(reason))).unwrap_or_default()
        ));
    }
    if lock.retiring {
        words.push("retiring".to_owned());
    }
    if lock.withheld > 0 {
        words.push(format!("{} withheld", lock.withheld));
    }
    words.join(", ")
}

/// One lock with its holders and its queue.
pub(crate) fn one_lock(style: Style, lock: &Lock) -> String {
    let free = format!("{} free", lock.free);
    let free = if lock.free > 0 { style.good(&free) } else { style.busy(&free) };
    let mut out = format!(
        "{}  {} permit{}, {free}, {} held, {} queued\n",
        style.bold(&clean(&lock.name)),
        lock.size,
        if lock.size == 1 { "" } else { "s" },
        lock.in_use,
        lock.queued
    );
    let state = state(lock);
    if !state.is_empty() {
        out.push_str(&format!("{}\n", style.bad(&state)));
    }
    if !lock.settings.description.is_empty() {
        out.push_str(&format!("{}\n", style.dim(&clean(&lock.settings.description))));
    }
    if let Some(template) = &lock.template {
        out.push_str(&format!("{}\n", style.dim(&format!("from the template {}", clean(template)))));
    }
    // A server of an earlier version tells the names alone.
    let told = lock.configuration.iter().flatten().map(|change| clean(&change.words())).collect::<Vec<_>>();
    let names = lock.overridden.iter().map(|name| clean(name)).collect();
    let changed = if told.is_empty() { names } else { told };
    if !changed.is_empty() {
        out.push_str(&format!("{}\n", style.dim(&format!("changed since the configuration: {}", changed.join(", ")))));
    }
    if let Some(wait) = lock.expected_wait_s.map(Duration::from).filter(|wait| !wait.is_zero()) {
        let wait =
            if wait < Duration::from_secs(1) { "less than 1 s".to_owned() } else { format!("about {}", human(wait)) };
        out.push_str(&format!("the expected wait is {wait}\n"));
    }
    if !lock.holders.is_empty() {
        let rows: Vec<Vec<Cell>> = lock
            .holders
            .iter()
            .map(|ticket| {
                vec![
                    cell(ticket.number.to_string(), plain),
                    cell(slots(&part(ticket, lock)), plain),
                    cell(ticket.token.map(|token| token.to_string()).unwrap_or_default(), plain),
                    cell(age(ticket.granted_at.as_deref()), plain),
                    cell(brief(ticket.granted_at.as_deref()), plain),
                    cell(left(ticket), plain),
                    cell(with(ticket, lock), plain),
                    cell(owner(ticket), plain),
                    cell(info(&ticket.info), Style::dim),
                ]
            })
            .collect();
        out.push_str("\nHolders\n");
        let headings = ["NUMBER", "SLOTS", "TOKEN", "HELD FOR", "SINCE", "LEASE", "WITH", "FROM", "INFO"];
        out.push_str(&table(style, &headings, &rows));
    }
    if !lock.queue.is_empty() {
        let rows: Vec<Vec<Cell>> = lock
            .queue
            .iter()
            .enumerate()
            .map(|(place, ticket)| {
                vec![
                    cell((place + 1).to_string(), plain),
                    cell(ticket.number.to_string(), plain),
                    cell(wants(ticket, part(ticket, lock).permits), plain),
                    cell(with(ticket, lock), plain),
                    cell(ticket.priority.to_string(), plain),
                    cell(age(Some(&ticket.created_at)), plain),
                    cell(brief(Some(&ticket.created_at)), plain),
                    cell(owner(ticket), plain),
                    cell(if ticket.dormant { "dormant".to_owned() } else { String::new() }, Style::busy),
                    cell(info(&ticket.info), Style::dim),
                ]
            })
            .collect();
        out.push_str("\nQueue\n");
        out.push_str(&table(
            style,
            &["PLACE", "NUMBER", "PERMITS", "WITH", "PRIORITY", "WAITING FOR", "SINCE", "FROM", "STATE", "INFO"],
            &rows,
        ));
    }
    if !lock.withholdings.is_empty() {
        out.push('\n');
    }
    for withholding in &lock.withholdings {
        out.push_str(&withheld(withholding));
    }
    out
}

/// A withholding on one line.
fn withheld(withholding: &Withholding) -> String {
    let names: Vec<String> =
        withholding.slot_names.iter().chain(&withholding.awaited_names).map(|name| clean(name)).collect();
    let count = withholding.slots.len() + withholding.awaited_names.len();
    let one = count == 1 && withholding.awaited == 0;
    let what = match (names.is_empty(), withholding.slot_ranges.is_empty()) {
        (false, _) => names.join(","),
        (true, false) => clean(&withholding.slot_ranges),
        (true, true) => withholding.awaited.to_string(),
    };
    let kind = match (names.is_empty() && withholding.slot_ranges.is_empty(), one || withholding.awaited == 1) {
        (true, true) => "permit",
        (true, false) => "permits",
        (false, _) => {
            if one {
                "slot"
            } else {
                "slots"
            }
        }
    };
    let of = match withholding.ended_as {
        Some(how) => format!("of ticket {}, which ended as {},", withholding.number, how.as_str()),
        None => format!("of no. {}", withholding.number),
    };
    let are = if one { "is" } else { "are" };
    let how_long = match withholding.ends_in_s {
        Some(left) => format!("for {}", human(left.into())),
        None => format!("until {} restored", if one { "it is" } else { "they are" }),
    };
    let why = match withholding.cause {
        WithheldCause::LostHolder => None,
        WithheldCause::Cooldown => Some("not given again so soon"),
        WithheldCause::Broken => Some("given back as broken"),
        WithheldCause::Admin => Some("by an administrator"),
        WithheldCause::Outside => Some("used by others"),
        WithheldCause::Unknown => Some("for a cause that is newer than this lockctl"),
    };
    let reason = withholding.reason.as_deref().filter(|reason| !reason.is_empty()).map(clean);
    let because: Vec<String> = why.map(str::to_owned).into_iter().chain(reason).collect();
    let because = if because.is_empty() { String::new() } else { format!(": {}", because.join(": ")) };
    let awaited = u64::from(withholding.awaited) + withholding.awaited_names.len() as u64;
    let awaited = if awaited > 0 { format!("; {awaited} of them when they come back") } else { String::new() };
    format!("{kind} {what} {of} {are} withheld {how_long}{because}{awaited}\n")
}

/// One ticket on one line.
pub(crate) fn ticket(ticket: &Ticket) -> String {
    format!(
        "ticket {} of `{}`: {}, lease {}\n",
        ticket.number,
        clean(&ticket.lock_names()),
        ticket.state.as_str(),
        left(ticket)
    )
}

/// What a ticket has of this lock.
fn part(ticket: &Ticket, lock: &Lock) -> Part {
    ticket.locks.get(&lock.name).cloned().unwrap_or_default()
}

/// The further locks of a bundle.
fn with(ticket: &Ticket, lock: &Lock) -> String {
    let others = ticket.locks.keys().filter(|name| **name != lock.name).map(|name| clean(name));
    let unseen = Some(ticket.locks_unseen).filter(|count| *count > 0).map(|count| format!("{count} unseen"));
    others.chain(unseen).collect::<Vec<_>>().join(", ")
}

fn slots(part: &Part) -> String {
    let numbers = part.slots.iter().map(u32::to_string);
    let names = part.slot_names.iter().map(|name| clean(name));
    let all: Vec<String> = if part.slot_names.is_empty() { numbers.collect() } else { names.collect() };
    let more = all.len().saturating_sub(8);
    let shown = all.iter().take(8).cloned().collect::<Vec<_>>().join(",");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn wants(ticket: &Ticket, permits: Permits) -> String {
    match &ticket.selection {
        Some(Selection::Slots(names)) => clean(&names.join(",")),
        Some(Selection::Tags(tags)) => format!("{permits} {{{}}}", clean(&tags.join(" "))),
        None => permits.to_string(),
    }
}

/// What a ticket says of itself. Terraform says it in JSON, of which people read a part.
pub(crate) fn info(said: &str) -> String {
    let of_terraform = || {
        let told = Some(said).filter(|said| said.starts_with("{\"ID\":"))?;
        let told: serde_json::Map<String, serde_json::Value> = serde_json::from_str(told).ok()?;
        let text = |name: &str| told.get(name)?.as_str().filter(|text| !text.is_empty());
        let operation = text("Operation")?.trim_start_matches("OperationType").to_lowercase();
        Some(format!("Terraform {operation} by {}", text("Who")?))
    };
    clean(&of_terraform().unwrap_or_else(|| said.to_owned()))
}

pub(super) fn owner(ticket: &Ticket) -> String {
    match &ticket.owner {
        Some(owner) => format!("{} {}", clean(owner), clean(&ticket.from)),
        None => clean(&ticket.from),
    }
}

fn left(ticket: &Ticket) -> String {
    match (ticket.expires_in_s, ticket.ttl_s) {
        (Some(left), _) => human(left.into()),
        (None, None) => "no end".to_owned(),
        (None, Some(_)) => "waits".to_owned(),
    }
}
