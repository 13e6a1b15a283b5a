//! Documents for browsers. They can be read without scripts; the scripts take over from there.

use super::super::app::App;
use super::super::json::{expected_wait, now_ms};
use super::super::wall::rfc3339;
use super::assets;
use askama::Template;
use lock_core::{Closure, Load, LockView, Ms, TicketView, WallMs};
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
}

impl Frame {
    fn of(app: &App) -> Self {
        Self {
            version: assets::version(),
            warnings: app.service.configured.borrow().warnings.clone(),
            trouble: app.engine.status().trouble().map(|reason| reason.to_string()),
        }
    }

    fn empty() -> Self {
        Self { version: assets::version(), warnings: Vec::new(), trouble: None }
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
    load: Load,
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
}

#[derive(Template)]
#[template(path = "page/lock.html")]
struct OneLock<'a> {
    frame: Frame,
    row: Row,
    lock: &'a LockView,
    why: String,
    holders: Vec<Line<'a>>,
    queue: Vec<Line<'a>>,
    closures: Vec<(String, &'static str, String)>,
}

/// A ticket in a table.
struct Line<'a> {
    number: u64,
    slots: String,
    info: &'a str,
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

/// A time for people: its two largest units.
fn span(ms: Ms) -> String {
    let s = ms / 1000;
    let two = |a: u64, first: &str, b: u64, second: &str| match b {
        0 => format!("{a}\u{a0}{first}"),
        b => format!("{a}\u{a0}{first} {b}\u{a0}{second}"),
    };
    match s {
        0..60 => format!("{s}\u{a0}s"),
        60..3600 => two(s / 60, "min", s % 60, "s"),
        3600..86_400 => two(s / 3600, "h", s % 3600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

/// A moment for people, to the second.
fn shown(wall: WallMs) -> String {
    rfc3339(wall - wall % 1000).replace('T', " ").replace('Z', " UTC")
}

fn since(then: Option<WallMs>, now: WallMs) -> String {
    then.map_or_else(|| "–".to_owned(), |then| span(now.saturating_sub(then)))
}

/// The parts of a bar: each slot if there are few, with such a gap between two at most.
fn bar(load: &Load, gap: f64) -> Vec<Piece> {
    let held = load.in_use.saturating_sub(load.granted);
    let total = u64::from(load.size).max(load.in_use + load.closed).max(1);
    let parts = [(held, "held"), (load.granted, "granted"), (load.closed, "closed")];
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
    name.bytes().fold("/locks/".to_owned(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            write!(path, "%{byte:02X}").expect("a String takes everything");
        }
        path
    })
}

fn row(app: &App, lock: &LockView, now: WallMs) -> Row {
    let (load, name) = (lock.load, &lock.lock.name);
    let expected = expected_wait(&load, app.engine.metrics().history.usual_hold(name, now));
    Row {
        href: href(name.as_str()),
        name: name.to_string(),
        description: lock.lock.settings.description.to_string(),
        bar: bar(&load, GAP),
        waiting: since(load.waiting_since, now),
        holding: since(load.holding_since, now),
        expected: match expected {
            None => "–".to_owned(),
            Some(0) => "none".to_owned(),
            Some(ms) => format!("about {}", span(ms)),
        },
        load,
    }
}

/// All locks.
pub(super) fn overview(app: &App, locks: &[LockView]) -> String {
    let now = now_ms();
    let sum = |of: fn(&Load) -> u64| locks.iter().map(|lock| of(&lock.load)).sum();
    render(&Overview {
        frame: Frame::of(app),
        rows: locks.iter().map(|lock| row(app, lock, now)).collect(),
        in_use: sum(|load| load.in_use),
        size: sum(|load| load.size.into()),
        queued: sum(|load| load.queued),
    })
}

fn slots(ranges: &[(u32, u32)], names: &[lock_core::SlotName]) -> String {
    if !names.is_empty() {
        return names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    let range = |&(first, last): &(u32, u32)| match last == first {
        true => first.to_string(),
        false => format!("{first}–{last}"),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(", ")
}

fn line(view: &TicketView, now: WallMs) -> Line<'_> {
    let ticket = &view.ticket;
    let began = ticket.granted_at.filter(|_| !ticket.slots.is_empty()).unwrap_or(ticket.created_at);
    Line {
        number: ticket.number,
        slots: slots(&ticket.slots, &ticket.slot_names),
        info: &ticket.info,
        who: match &ticket.owner {
            Some(owner) => format!("{owner}, {}", ticket.from),
            None => ticket.from.to_string(),
        },
        since: rfc3339(began),
        since_shown: shown(began),
        lasted: span(now.saturating_sub(began)),
        left: view.ends_in().map_or_else(|| "–".to_owned(), span),
    }
}

/// Why somebody who waits has to.
fn why(load: &Load, expected: &str, waiting: &str) -> String {
    let Load { size, free, queued, .. } = load;
    let wait = |count: u64| if count == 1 { "1 waits".to_owned() } else { format!("{count} wait") };
    if load.paused {
        return format!("Paused: nobody is let in. {}.", wait(*queued));
    }
    let newcomer = if expected.starts_with("about") { format!(" A newcomer waits {expected}.") } else { String::new() };
    match (free, queued) {
        (0, 0) => format!("All {size} are taken, nobody waits."),
        (0, _) => {
            format!("All {size} are taken. {}, one of them for {waiting}.{newcomer}", wait(*queued))
        }
        (_, 0) => format!("{free} of {size} are free: the next one gets in at once."),
        _ => {
            format!("{free} of {size} are free, and {}: for more than that, or without a sign of life.", wait(*queued))
        }
    }
}

/// One lock.
pub(super) fn lock(app: &App, lock: &LockView) -> String {
    let now = now_ms();
    let row = Row { bar: bar(&lock.load, GAP_OF_ONE), ..row(app, lock, now) };
    let closure = |closure: &Closure| {
        let left = closure.until.saturating_sub(lock.now);
        (slots(&closure.slots, &closure.slot_names), closure.how.as_str(), span(left))
    };
    render(&OneLock {
        frame: Frame::of(app),
        why: why(&lock.load, &row.expected, &row.waiting),
        row,
        lock,
        holders: lock.holders.iter().map(|view| line(view, now)).collect(),
        queue: lock.queue.iter().map(|view| line(view, now)).collect(),
        closures: lock.closures.iter().map(closure).collect(),
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
    fn times_for_people() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (90_000, "1 d 1 h")]
        {
            assert_eq!(span(seconds * 1000).replace('\u{a0}', " "), text);
        }
    }

    #[test]
    fn a_bar_is_as_wide_as_its_lock() {
        let kinds = |load: &Load| bar(load, GAP).iter().map(|piece| piece.kind).collect::<Vec<_>>();
        let load = Load { size: 5, in_use: 3, granted: 1, closed: 1, ..Load::default() };
        assert_eq!(kinds(&load), ["held", "held", "granted", "closed", "free"]);
        let shrunk = Load { size: 1, in_use: 3, ..Load::default() };
        assert_eq!(kinds(&shrunk), ["held", "held", "held"]);
        let large = Load { size: 1_000_000, in_use: 250_000, ..Load::default() };
        let widths: Vec<String> = bar(&large, GAP).into_iter().map(|piece| piece.width).collect();
        assert_eq!(widths, ["25.00", "75.00"]);
        assert_eq!(kinds(&Load::default()), ["free"], "a lock has a bar whatever it has");
    }

    #[test]
    fn names_in_paths() {
        assert_eq!(href("san ssh/ö\"<"), "/locks/san%20ssh%2F%C3%B6%22%3C");
    }
}
