//! Rules as scripts: a line is a step, `left -> right` says what is done and all that must come of it.
//!
//! ```text
//! lock san size=2 grace=10            # makes a lock; what a line is not asked about is not checked
//!      a asks san          -> granted 0
//!      b asks san permits=2 -> queued ahead 0
//! +5   a gets              -> held 0
//! +1   a releases          -> released; b granted 0-1
//! ```
//!
//! A bundle names its locks with what it asks for: `a asks san=1,tape=2`; its slots are told for each: `held san:0 tape:0-1`.
//!
//! `+5` lets 5 s of service time pass before the step, ` & ` puts several commands into one batch (their results are
//! separated by ` & ` too), and after `;` stands everything else that happened, in its order. A line without commands only
//! lets time pass. After every line the invariants hold and a table loaded from the store equals this one.

mod parse;
mod words;

use crate::mirror::Mirror;
use lock_core::{
    Caller, Command, Continuity, EventKind, LockName, Ms, Outcome, Rejection, Snapshot, StepContext, Table, Target,
    TicketId, TicketsAfter, Transition,
};
use std::collections::{BTreeMap, BTreeSet};

/// Wall time of service time 0, so that the two cannot be confused.
const WALL: u64 = 1_700_000_000_000;

/// A client and its last ticket.
struct Actor {
    caller: Caller,
    id: TicketId,
    /// Of the last answer about it.
    activity_seq: u64,
}

struct Stage {
    table: Table,
    store: Mirror,
    now: Ms,
    actors: BTreeMap<String, Actor>,
    /// Names of tickets by their number.
    names: BTreeMap<u64, String>,
    ids: u128,
    /// Tickets whose waiting requests have lost their connection.
    absent: BTreeSet<TicketId>,
    waits: BTreeMap<TicketId, u32>,
}

/// What a script line asks for.
enum Act {
    /// A command, its caller, and the name of that client.
    Tell(String, Caller, Box<Command>),
    /// The client's connection is gone, and nobody has noticed yet.
    HangUp(String),
    /// The process stops after a commit and starts again from its store; a copy begins its counters at this Unix time in
    /// microseconds.
    Restart(Option<u64>),
    /// The process is killed after a commit, with deferred changes unwritten, and starts again.
    Crash,
    /// The process stood still before this step.
    Gap,
    /// Some facts about a ticket, looked at from outside.
    Show(String, Vec<String>),
    /// The numbers of a lock, or of a template by its pattern.
    Measure(String),
}

/// Runs a script.
///
/// # Panics
/// At the first line that does not come true, with what happened instead.
pub(crate) fn play(script: &str) {
    let mut stage = Stage {
        table: Table::load(Snapshot::default(), 0, &Continuity::None).expect("an empty store"),
        store: Mirror::default(),
        now: 0,
        actors: BTreeMap::new(),
        names: BTreeMap::new(),
        ids: 0,
        absent: BTreeSet::new(),
        waits: BTreeMap::new(),
    };
    for (number, line) in script.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (left, right) = line.split_once("->").map_or((line, None), |(left, right)| (left, Some(tidy(right))));
        let got = stage.step(left.trim());
        match right {
            Some(right) => assert_eq!(got, right, "\nline {number}: {line}\n"),
            None => assert!(!got.contains("refused"), "\nline {number}: {line}\n{got}\n"),
        }
        if let Err(why) = stage.store.commit_step(&mut stage.table) {
            panic!("\nline {number}: {line}\n{why}\n");
        }
    }
}

fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Stage {
    fn step(&mut self, left: &str) -> String {
        let (pause, rest) = match left.strip_prefix('+') {
            Some(timed) => timed.split_once(char::is_whitespace).unwrap_or((timed, "")),
            None => ("0", left),
        };
        self.now += parse::millis(pause);
        let acts: Vec<Act> =
            rest.split(" & ").map(str::trim).filter(|text| !text.is_empty()).map(|text| self.parse(text)).collect();

        self.table.begin_step(self.now);
        if acts.iter().any(|act| matches!(act, Act::Gap)) {
            self.table.after_gap();
        }
        for act in &acts {
            if let Act::Tell(_, caller, command) = act {
                self.table.heartbeat(caller, command);
            }
        }
        let absent = self.absent.clone();
        let at = StepContext { now: self.now, wall: WALL + self.now, is_connected: &|id| !absent.contains(&id) };
        self.table.expire(at);
        let mut happened = self.happened(None);
        let mut results = Vec::new();
        for act in acts {
            match act {
                Act::Tell(name, caller, command) => {
                    let outcome = self.table.apply(at, &caller, &command);
                    results.push(self.result(&name, &caller, &command, outcome));
                    happened.extend(self.happened(Some(&name)));
                }
                Act::HangUp(name) => {
                    self.absent.insert(self.actors[&name].id);
                }
                Act::Restart(copy) => {
                    self.store.write_deferred(&mut self.table).expect("the table is sound");
                    self.restart(copy);
                }
                Act::Crash => {
                    self.store.commit_step(&mut self.table).expect("the table is sound");
                    self.restart(None);
                }
                Act::Gap => {}
                Act::Show(name, facts) => results.push(self.show(&name, &facts)),
                Act::Measure(label) => results.push(self.measure(&label)),
            }
        }
        let mut served = BTreeSet::new();
        for id in self.table.take_served() {
            assert!(served.insert(id), "a ticket is served twice in a step");
            let activity_seq = self.table.answer_waiting(id).activity_seq;
            self.waits.remove(&id);
            if let Some(actor) = self.actors.values_mut().find(|actor| actor.id == id) {
                actor.activity_seq = activity_seq;
            }
        }
        let mut parts = vec![results.join(" & ")];
        parts.extend(happened);
        parts.retain(|part| !part.is_empty());
        parts.join("; ")
    }

    fn restart(&mut self, copy: Option<u64>) {
        let mut snapshot = self.store.snapshot();
        snapshot.restart_counters = copy.is_some();
        let loaded = Table::load(snapshot, copy.unwrap_or(0), &Continuity::NewLife);
        self.table = loaded.expect("the store is sound");
        self.waits.clear();
        self.absent.clear();
        self.table.begin_step(self.now);
    }

    /// The result of a command in words; keeps what later lines need.
    fn result(
        &mut self,
        name: &str,
        caller: &Caller,
        command: &Command,
        outcome: Result<Outcome, Rejection>,
    ) -> String {
        let view = match &outcome {
            Ok(Outcome::Ticket(view) | Outcome::Waiting(view)) => Some(view.as_ref()),
            Err(Rejection::Gone(view)) => Some(view.as_ref()),
            _ => None,
        };
        if let Some(view) = view {
            let id = view.ticket.id;
            if let Command::Acquire(_) = command {
                let caller = caller.clone();
                let activity_seq = view.activity_seq;
                self.actors.insert(name.to_owned(), Actor { caller, id, activity_seq });
                self.names.entry(view.ticket.number).or_insert_with(|| name.to_owned());
            }
            if let Some(actor) = self.actors.get_mut(name) {
                actor.activity_seq = view.activity_seq;
            }
            if matches!(outcome, Ok(Outcome::Waiting(_))) {
                *self.waits.entry(id).or_default() += 1;
                self.absent.remove(&id);
            }
        }
        if let Command::EndWait { id, .. } = command {
            *self.waits.get_mut(id).expect("a request waits") -= 1;
        }
        words::result(outcome)
    }

    /// Everything that happened since, but for what the acting client's result says anyway.
    fn happened(&mut self, actor: Option<&str>) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        let mut last: Option<EventKind> = None;
        for event in self.table.take_events() {
            // Of a bundle each of its locks tells the same.
            if last.replace(event.kind.clone()).as_ref() == Some(&event.kind)
                && matches!(event.kind, EventKind::Ticket { .. })
            {
                continue;
            }
            match event.kind {
                EventKind::LockCreated if actor.is_none() => told.push(format!("{} created", event.lock)),
                EventKind::LockDeleted => told.push(format!("{} deleted", event.lock)),
                EventKind::ReportStale => told.push(format!("{} stale", event.lock)),
                EventKind::PermitsRestored(_) if actor.is_none() => told.push(format!("{} restored", event.lock)),
                EventKind::Ticket { number, transition, .. } => {
                    let name = self.names.get(&number).cloned().unwrap_or_default();
                    if actor.is_some_and(|actor| name.is_empty() || actor == name) {
                        continue;
                    }
                    let granted = format!("{name} granted");
                    match transition {
                        Transition::Queued => {}
                        Transition::Granted { .. } => told.push(granted),
                        Transition::Held => match told.iter_mut().rfind(|text| **text == granted) {
                            Some(text) => *text = format!("{name} served"),
                            None => told.push(format!("{name} held")),
                        },
                        Transition::Lapsed => told.push(format!("{name} lapsed")),
                        Transition::Undelivered => told.push(format!("{name} undelivered")),
                        Transition::Ended { how, .. } => told.push(format!("{name} {}", how.as_str())),
                    }
                }
                _ => {}
            }
        }
        // A grant is told with its slots.
        let with_slots = |text: String| match text.split_once(' ') {
            Some((name, "granted" | "served")) => format!("{text} {}", self.slots_of(name)),
            _ => text,
        };
        told.into_iter().map(with_slots).collect()
    }

    fn record(&self, name: &str) -> lock_core::TicketRecord {
        let id = self.actors[name].id;
        let all = self.table.snapshot().tickets;
        all.into_iter().find(|ticket| ticket.id == id).expect("is remembered")
    }

    fn slots_of(&self, name: &str) -> String {
        words::slots(&self.record(name))
    }

    /// Looks at a ticket as a list does: that claims nothing.
    fn show(&mut self, name: &str, facts: &[String]) -> String {
        let record = self.record(name);
        let view = self.listed(&record.lock, record.id);
        let left = |time: Option<Ms>| time.map_or_else(|| "never".to_owned(), words::seconds);
        let fact = |fact: &String| match fact.as_str() {
            "state" => words::state(&record, &words::ahead(self.table.look(record.id).as_ref())),
            "token" => format!("token {}", record.token.unwrap_or(0)),
            "number" => format!("number {}", record.number),
            "seq" => format!("seq {}", record.seq),
            "known" => if record.acknowledged { "known" } else { "unknown" }.to_owned(),
            "by" => format!("by {}", record.more().superseded_by.map_or("nobody", |by| &self.names[&by])),
            "reason" => match &record.state {
                lock_core::State::Ended { reason: Some(reason), .. } => format!("reason {reason}"),
                _ => "no reason".to_owned(),
            },
            "ttl" => format!("ttl {}", left(view.as_ref().and_then(|view| view.ttl))),
            "left" => format!("left {}", left(view.as_ref().and_then(|view| view.expires_in))),
            other => panic!("no fact {other}"),
        };
        facts.iter().map(fact).collect::<Vec<_>>().join(" ")
    }

    fn measure(&self, label: &str) -> String {
        let mut found = "not measured".to_owned();
        self.table.measure(
            WALL + self.now,
            |_| false,
            |of, numbers| {
                let name = match of {
                    Target::Lock(name) => name.to_string(),
                    Target::Template(prefix) => prefix.pattern(),
                };
                if name == label {
                    found = words::usage_totals(&numbers);
                }
            },
        );
        found
    }

    fn listed(&mut self, lock: &LockName, id: TicketId) -> Option<lock_core::TicketView> {
        let at = StepContext { now: self.now, wall: WALL, is_connected: &|_| false };
        let command = Command::ViewLock { name: lock.clone(), tickets: 1000, after: TicketsAfter::default() };
        match self.table.apply(at, Caller::server(), &command) {
            Ok(Outcome::Lock(view)) => {
                view.holders.iter().chain(&view.queue).find(|ticket| ticket.ticket.id == id).cloned()
            }
            _ => None,
        }
    }
}
