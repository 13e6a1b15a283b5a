//! Locks, tickets, events and the server, for people.

use super::Style;
use super::table::{Cell, Paint, cell, plain, table};
use crate::say::clean;
use lock_client::api::{Event, Leader, Lock, Permits, Reloaded, Standby, Status, Ticket};
use std::time::Duration;

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
                cell(state(lock), Style::bad),
                cell(clean(&lock.settings.description), Style::dim),
            ]
        })
        .collect();
    table(style, &["LOCK", "SIZE", "FREE", "HELD", "QUEUED", "STATE", "DESCRIPTION"], &rows)
}

/// What is unusual about a lock, in a few words.
fn state(lock: &Lock) -> String {
    let mut words = Vec::new();
    if lock.paused {
        let ends = lock.pause_ends_in_s.map(|left| format!(" for {}", human(left.into()))).unwrap_or_default();
        let reason = lock.pause_reason.as_deref().filter(|reason| !reason.is_empty());
        words.push(format!("paused{ends}{}", reason.map(|reason| format!(": {}", clean(reason))).unwrap_or_default()));
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
    if let Some(wait) = lock.expected_wait_s.map(Duration::from).filter(|wait| !wait.is_zero()) {
        let wait =
            if wait < Duration::from_secs(1) { "less than 1 s".to_owned() } else { format!("about {}", human(wait)) };
        out.push_str(&format!("a newcomer waits {wait}, by what has been usual\n"));
    }
    if !lock.holders.is_empty() {
        let rows: Vec<Vec<Cell>> = lock
            .holders
            .iter()
            .map(|ticket| {
                vec![
                    cell(ticket.number.to_string(), plain),
                    cell(slots(ticket), plain),
                    cell(ticket.token.map(|token| token.to_string()).unwrap_or_default(), plain),
                    cell(short(ticket.held_at.as_deref().or(ticket.granted_at.as_deref())), plain),
                    cell(left(ticket), plain),
                    cell(owner(ticket), plain),
                    cell(clean(&ticket.info), Style::dim),
                ]
            })
            .collect();
        out.push_str("\nHolders\n");
        out.push_str(&table(style, &["NUMBER", "SLOTS", "TOKEN", "SINCE", "LEASE", "FROM", "INFO"], &rows));
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
                    cell(wants(ticket), plain),
                    cell(ticket.priority.to_string(), plain),
                    cell(short(Some(&ticket.created_at)), plain),
                    cell(owner(ticket), plain),
                    cell(if ticket.dormant { "dormant".to_owned() } else { String::new() }, Style::busy),
                    cell(clean(&ticket.info), Style::dim),
                ]
            })
            .collect();
        out.push_str("\nQueue\n");
        out.push_str(&table(
            style,
            &["PLACE", "NUMBER", "PERMITS", "PRIORITY", "SINCE", "FROM", "STATE", "INFO"],
            &rows,
        ));
    }
    for withholding in &lock.withholdings {
        out.push_str(&format!(
            "\nslots {} of ticket {} are withheld for {}\n",
            clean(&withholding.slot_ranges),
            withholding.number,
            human(withholding.ends_in_s.into())
        ));
    }
    out
}

/// One ticket on one line.
pub(crate) fn ticket(ticket: &Ticket) -> String {
    format!(
        "ticket {} of `{}`: {}, lease {}\n",
        ticket.number,
        clean(&ticket.lock),
        ticket.state.as_str(),
        left(ticket)
    )
}

/// One event on one line.
pub(crate) fn event(style: Style, event: &Event) -> String {
    let kind = event.kind.as_str();
    let mut line = format!("{}  {:<14} {}", style.dim(&short(Some(&event.at))), kind, style.bold(&clean(&event.lock)));
    if let Some(number) = event.number {
        line.push_str(&format!("  #{number}"));
    }
    if let Some(ended_as) = event.ended_as {
        line.push_str(&format!("  {}", ended_as.as_str()));
    }
    for (what, duration) in [("waited", event.waited_s), ("held", event.held_s)] {
        if let Some(duration) = duration {
            line.push_str(&format!("  {what} {}", human(duration.into())));
        }
    }
    if let Some(token) = event.token {
        line.push_str(&format!("  token {token}"));
    }
    for text in [&event.owner, &event.info, &event.reason].into_iter().flatten().filter(|text| !text.is_empty()) {
        line.push_str(&format!("  {}", style.dim(&clean(text))));
    }
    line.push('\n');
    line
}

pub(crate) fn server(style: Style, status: &Status) -> String {
    let ready = match &status.trouble {
        Some(trouble) => style.bad(&format!("does not serve: {}", clean(trouble))),
        None if status.ready => style.good("serves"),
        None => style.bad("does not serve"),
    };
    let mut out = format!(
        "lockserver {}  {ready}, up {}, {}, store {}\n",
        clean(&status.version),
        human(status.uptime_s.into()),
        clean(&status.role),
        clean(&status.store)
    );
    match &status.leader {
        Some(Leader { name, url, since }) => {
            let url = url.as_ref().map(|url| format!(" at {}", clean(url))).unwrap_or_default();
            out.push_str(&format!("{}{url} leads since {}\n", clean(name), short(Some(since))));
        }
        // A server alone is its own leader, and says nothing of others.
        None if status.role != "leader" => out.push_str(&format!("{}\n", style.bad("no leader is known"))),
        None => {}
    }
    for Standby { name, url, clock_ahead_s } in &status.standbys {
        let url = url.as_ref().map(|url| format!(" at {}", clean(url))).unwrap_or_default();
        let way = if *clock_ahead_s < 0.0 { "behind" } else { "ahead" };
        out.push_str(&format!("{}{url} stands by, its clock {:.2} s {way}\n", clean(name), clock_ahead_s.abs()));
    }
    let files = status.configuration.files.iter().map(|file| clean(file)).collect::<Vec<_>>().join(", ");
    let files = if files.is_empty() { "no file".to_owned() } else { files };
    out.push_str(&format!("configuration: {files}, applied {}\n", short(Some(&status.configuration.loaded_at))));
    if let Some(refused) = &status.configuration.refused {
        out.push_str(&format!("{}\n", style.bad(&format!("the last reload was refused: {}", clean(refused)))));
    }
    for warning in &status.warnings {
        out.push_str(&format!("{}\n", style.busy(&format!("warning: {}", clean(warning)))));
    }
    out
}

/// What a reload changed; what it refused and warned of goes elsewhere.
pub(crate) fn reloaded(reloaded: &Reloaded) -> String {
    let mut out = "the configuration was read again and is in force\n".to_owned();
    let lists = [("made", &reloaded.created), ("changed", &reloaded.changed), ("retired", &reloaded.retired)];
    for (what, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        let names: Vec<String> = names.iter().map(|name| clean(name)).collect();
        out.push_str(&format!("{what}: {}\n", names.join(", ")));
    }
    if lists.iter().all(|(_, names)| names.is_empty()) {
        out.push_str("no lock has changed\n");
    }
    out
}

fn slots(ticket: &Ticket) -> String {
    let numbers = ticket.slots.iter().map(u32::to_string);
    let names = ticket.slot_names.iter().map(|name| clean(name));
    let all: Vec<String> = if ticket.slot_names.is_empty() { numbers.collect() } else { names.collect() };
    let more = all.len().saturating_sub(8);
    let shown = all.iter().take(8).cloned().collect::<Vec<_>>().join(",");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn wants(ticket: &Ticket) -> String {
    match ticket.permits {
        Permits::Count(count) => count.to_string(),
        Permits::All => "all".to_owned(),
    }
}

fn owner(ticket: &Ticket) -> String {
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

/// Day and time of an RFC 3339 time, to the second.
fn short(time: Option<&str>) -> String {
    let time = time.unwrap_or_default();
    let cut: String = time.chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect();
    clean(&cut)
}

/// A duration as people say it.
fn human(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0 => format!("{:.1} s", duration.as_secs_f64()),
        1..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_for_people() {
        for (ms, text) in
            [(250, "0.2 s"), (59_999, "59 s"), (61_000, "1 min 1 s"), (3_661_000, "1 h 1 min"), (90_061_000, "1 d 1 h")]
        {
            assert_eq!(human(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn what_clients_wrote_cannot_steer_a_terminal() {
        assert_eq!(clean("a\x1b[2Jb\u{9b}c\nd"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        for turn in "\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".chars() {
            assert_eq!(clean(&format!("a{turn}b")), "a\u{fffd}b", "{turn:?}");
        }
        assert_eq!(clean("\u{5d0}\u{200d}\u{e9}"), "\u{5d0}\u{200d}\u{e9}", "letters of all scripts stay");
    }
}
