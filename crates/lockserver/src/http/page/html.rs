//! Documents for browsers. They can be read without scripts; the scripts take over from there.

use super::super::app::App;
use super::super::json::{Sees, expected_wait, now_ms, time_left, why};
use super::super::service::told_warnings;
use super::assets;
use super::words::{leads, shown, since, slots};
use crate::wall::{rfc3339, span};
use askama::Template;
use lock_core::{
    Capacity, LockName, LockView, LocksPage, Ms, PartRef, Permits, SlotName, State, TicketView, Usage, WallMs,
    WithheldCause, Withholding,
};
use std::collections::HashSet;
use std::fmt::Write as _;

/// Slots drawn one by one; beyond that a bar has parts.
const SLOTS_DRAWN: u64 = 40;
/// Width of a bar in its own units.
const BAR: f64 = 100.0;

/// Between two slots in the bars of the list and of a lock, in the same units.
const GAP: f64 = 0.8;
const GAP_OF_ONE: f64 = 0.25;

/// What every document has.
struct Frame {
    version: &'static str,
    warnings: Vec<String>,
    trouble: Option<String>,
    /// The leader; nothing for a server alone.
    leads: String,
}

impl Frame {
    fn of(app: &App) -> Self {
        Self {
            version: assets::version(),
            warnings: told_warnings(&app.warnings()),
            trouble: app.engine.status().trouble().map(|reason| reason.to_string()),
            leads: app
                .service
                .cluster
                .as_ref()
                .map_or_else(String::new, |cluster| leads(cluster.seen().1.as_ref(), &cluster.standbys())),
        }
    }

    fn empty() -> Self {
        Self { version: assets::version(), warnings: Vec::new(), trouble: None, leads: String::new() }
    }

    fn scripts(&self) -> impl Iterator<Item = &'static str> + Clone {
        assets::scripts()
    }
}

/// A part of a bar.
struct Piece {
    x: String,
    width: String,
    kind: &'static str,
}

struct Row {
    name: String,
    href: String,
    description: String,
    usage: Usage,
    bar: Vec<Piece>,
    waiting: String,
    holding: String,
    expected: String,
}

#[derive(Template)]
#[template(path = "page/overview.html")]
struct Overview {
    frame: Frame,
    rows: Vec<Row>,
    in_use: u64,
    size: u64,
    queued: u64,
    more: u64,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "page/lock.html")]
struct OneLock<'a> {
    frame: Frame,
    row: Row,
    lock: &'a LockView,
    why: String,
    free: String,
    holders: Vec<Line<'a>>,
    queue: Vec<Line<'a>>,
    withholdings: Vec<(String, String, String)>,
}

/// A ticket in a table.
struct Line<'a> {
    number: u64,
    slots: String,
    info: &'a str,
    remarks: String,
    who: String,
    since: String,
    since_shown: String,
    lasted: String,
    left: String,
}

#[derive(Template)]
#[template(path = "page/message.html")]
struct Message<'a> {
    frame: Frame,
    text: &'a str,
    kind: &'static str,
}

fn render(template: &impl Template) -> String {
    template.render().expect("a String takes everything")
}

/// The parts of a bar: each slot if there are few, with such a gap between two at most.
fn bar(usage: &Usage, gap: f64) -> Vec<Piece> {
    let held = usage.in_use.saturating_sub(usage.granted);
    let total = u64::from(usage.size).max(usage.in_use + usage.withheld).max(1);
    let parts = [(held, "held"), (usage.granted, "granted"), (usage.withheld, "withheld")];
    let free = total - parts.iter().map(|(count, _)| count).sum::<u64>().min(total);
    let parts = parts.into_iter().chain([(free, "free")]);
    let number = |value: f64| format!("{value:.2}");
    if total <= SLOTS_DRAWN {
        let step = BAR / total as f64;
        let gap = (step * 0.12).min(gap);
        let kinds = parts.flat_map(|(count, kind)| std::iter::repeat_n(kind, usize::try_from(count).unwrap_or(0)));
        let piece = |(place, kind): (usize, &'static str)| Piece {
            x: number(place as f64 * step),
            width: number(if place as u64 + 1 == total { step } else { step - gap }),
            kind,
        };
        return kinds.enumerate().map(piece).collect();
    }
    let mut x = 0.0;
    let piece = |(count, kind): (u64, &'static str)| {
        let width = BAR * count as f64 / total as f64;
        x += width;
        Piece { x: number(x - width), width: number(width), kind }
    };
    parts.filter(|(count, _)| *count > 0).map(piece).collect()
}

/// A name as a part of a path.
fn href(name: &str) -> String {
    format!("/locks/{}", encoded(name))
}

fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            write!(path, "%{byte:02X}").expect("a String takes everything");
        }
        path
    })
}

/// How long one of its permits is held.
fn usual_hold(app: &App, lock: &LockView, now: WallMs) -> Option<Ms> {
    app.engine.metrics().history.usual_hold(&lock.lock.name, now)
}

fn row(lock: &LockView, usual_hold: Option<Ms>, now: WallMs) -> Row {
    let (usage, name) = (lock.usage, &lock.lock.name);
    let expected = expected_wait(&usage, usual_hold, now);
    Row {
        href: href(name.as_str()),
        name: name.to_string(),
        description: lock.lock.settings.description.to_string(),
        bar: bar(&usage, GAP),
        waiting: since(usage.waiting_since, now),
        holding: since(usage.holding_since, now),
        expected: match expected {
            None => "–".to_owned(),
            Some(0) => "none".to_owned(),
            Some(1..1000) => "less than 1\u{a0}s".to_owned(),
            Some(ms) => format!("about {}", span(ms)),
        },
        usage,
    }
}

pub(super) fn overview(app: &App, page: &LocksPage) -> String {
    let (now, locks) = (now_ms(), &page.locks);
    let sum = |of: fn(&Usage) -> u64| locks.iter().map(|lock| of(&lock.usage)).sum();
    render(&Overview {
        frame: Frame::of(app),
        rows: locks.iter().map(|lock| row(lock, usual_hold(app, lock, now), now)).collect(),
        in_use: sum(|usage| usage.in_use),
        size: sum(|usage| usage.size.into()),
        queued: sum(|usage| usage.queued - usage.queued_elsewhere),
        more: page.more,
        next: page.next().map(|name| format!("/?after={}", encoded(name.as_str()))),
    })
}

/// What is said of a ticket of this lock beside who has it.
fn remarks(view: &TicketView, part: PartRef<'_>, sees: Sees<'_>) -> String {
    let ticket = &view.ticket;
    let state = match ticket.state {
        State::Queued { dormant: true, .. } => ", dormant",
        State::Granted => ", granted, not claimed",
        _ => "",
    };
    let permits = match part.permits {
        Permits::Count(1) => String::new(),
        Permits::Count(count) => format!(", {count} permits"),
        Permits::All => ", all permits".to_owned(),
    };
    let priority = if ticket.priority == 0 { String::new() } else { format!(", priority {}", ticket.priority) };
    let others = ticket.parts().map(|other| other.lock).filter(|lock| *lock != part.lock);
    let (seen, unseen): (Vec<&LockName>, Vec<&LockName>) = others.partition(|lock| sees(lock));
    let mut with: Vec<String> = seen.into_iter().map(|lock| format!("\u{2068}{lock}\u{2069}")).collect();
    if !unseen.is_empty() {
        with.push(format!("{} more", unseen.len()));
    }
    let with = if with.is_empty() { String::new() } else { format!(", with: {}", with.join(", ")) };
    format!("{permits}{with}{priority}{state}")
}

/// Names of the slots that nobody has, where they have names and all holders are listed.
fn free_names(lock: &LockView) -> String {
    let Capacity::Named(names) = &lock.lock.settings.capacity else { return String::new() };
    if lock.usage.holding > lock.holders.len() as u64 {
        return String::new();
    }
    let held = lock.holders.iter().filter_map(|one| one.ticket.part(&lock.lock.name)).flat_map(|part| part.slot_names);
    let taken: HashSet<&SlotName> = held.chain(lock.withholdings.iter().flat_map(|one| &one.slot_names)).collect();
    let free: Vec<SlotName> = names.iter().filter(|name| !taken.contains(name)).cloned().collect();
    slots(&[], &free)
}

fn line<'v>(lock: &LockName, view: &'v TicketView, now: WallMs, sees: Sees<'_>) -> Line<'v> {
    let ticket = &view.ticket;
    let part = ticket.part(lock).expect("it is listed with its locks");
    let began = ticket.granted_at.filter(|_| !ticket.slots.is_empty()).unwrap_or(ticket.created_at);
    Line {
        number: ticket.number,
        slots: slots(part.slots, part.slot_names),
        info: &ticket.info,
        remarks: remarks(view, part, sees),
        who: match &ticket.owner {
            Some(owner) => format!("{owner}, {}", ticket.from),
            None => ticket.from.to_string(),
        },
        since: rfc3339(began),
        since_shown: shown(began),
        lasted: span(now.saturating_sub(began)),
        left: time_left(view).map_or_else(|| "–".to_owned(), span),
    }
}

/// Why permits are withheld, as a row says it.
fn withheld_because(withholding: &Withholding) -> String {
    let because = match (withholding.cause, withholding.how) {
        (WithheldCause::LostHolder, Some(how)) => format!("its last holder ended as {}", how.as_str()),
        (WithheldCause::LostHolder, None) => "its last holder may still be at work".to_owned(),
        (WithheldCause::Cooldown, _) => "it is not given again so soon".to_owned(),
        (WithheldCause::Broken, _) => "its last holder gave it back as broken".to_owned(),
        (WithheldCause::Admin, _) => "by an administrator".to_owned(),
        (WithheldCause::Outside, _) => "others use it, as was reported".to_owned(),
    };
    match &withholding.reason {
        Some(reason) if withholding.cause != WithheldCause::LostHolder => format!("{because}: {reason}"),
        _ => because,
    }
}

pub(super) fn lock(app: &App, lock: &LockView, sees: Sees<'_>) -> String {
    let now = now_ms();
    let usual_hold = usual_hold(app, lock, now);
    let row = Row { bar: bar(&lock.usage, GAP_OF_ONE), ..row(lock, usual_hold, now) };
    let withholding = |withholding: &Withholding| {
        let left = lock
            .restored_in(withholding)
            .map_or_else(|| "until it is restored".to_owned(), |left| format!("for another {}", span(left)));
        (slots(&withholding.slots, &withholding.slot_names), withheld_because(withholding), left)
    };
    render(&OneLock {
        frame: Frame::of(app),
        why: why(lock, usual_hold, now, sees),
        free: free_names(lock),
        row,
        lock,
        holders: lock.holders.iter().map(|view| line(&lock.lock.name, view, now, sees)).collect(),
        queue: lock.queue.iter().map(|view| line(&lock.lock.name, view, now, sees)).collect(),
        withholdings: lock.withholdings.iter().map(withholding).collect(),
    })
}

/// A document with nothing but a message.
pub(super) fn message(app: &App, text: &str) -> String {
    render(&Message { frame: Frame::of(app), text, kind: "message" })
}

/// A document that holds no data; its script asks for a key.
pub(super) fn sign_in(text: &str, of_lock: bool) -> String {
    let kind = if of_lock { "lock" } else { "overview" };
    render(&Message { frame: Frame::empty(), text, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_wide_as_its_lock() {
        let kinds = |usage: &Usage| bar(usage, GAP).iter().map(|piece| piece.kind).collect::<Vec<_>>();
        let usage = Usage { size: 5, in_use: 3, granted: 1, withheld: 1, ..Usage::default() };
        assert_eq!(kinds(&usage), ["held", "held", "granted", "withheld", "free"]);
        let shrunk = Usage { size: 1, in_use: 3, ..Usage::default() };
        assert_eq!(kinds(&shrunk), ["held", "held", "held"]);
        let large = Usage { size: 1_000_000, in_use: 250_000, ..Usage::default() };
        let widths: Vec<String> = bar(&large, GAP).into_iter().map(|piece| piece.width).collect();
        assert_eq!(widths, ["25.00", "75.00"]);
        assert_eq!(kinds(&Usage::default()), ["free"], "a lock has a bar whatever it has");
    }

    #[test]
    fn names_in_paths() {
        assert_eq!(href("san ssh/ö\"<"), "/locks/san%20ssh%2F%C3%B6%22%3C");
    }
}
