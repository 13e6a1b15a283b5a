//! Clients: each is a small program with a memory of its own, which knows nothing but what it was told.

use crate::dice::Dice;
use lock_core::{
    Asked, Caller, Command, IfBusy, Lease, LockName, NewTicket, Outcome, Permits, QueueLease, Rejection, ReleaseTarget,
    Selection, SlotName, State, Tag, TicketId,
};
use lockserver::engine::{Answer, EngineError};
use std::sync::Arc;

/// Locks that clients use: two of the file, two that fit its template, and one that administrators make.
pub(crate) const LOCKS: [&str; 5] = ["plain", "named", "job-1", "job-2", "adhoc"];

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Query, then get_lock until it has it, as over XML-RPC.
    Classic,
    /// Acquire, with all that the JSON interface offers.
    Modern,
    /// As FleetLock: named holder, no lease.
    Named,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    Asking,
    Queued,
    Holding,
    Ending,
}

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Make,
    Look,
    End,
    Other,
}

/// What reached the client.
pub(crate) enum Heard<'a> {
    Answer(&'a Answer),
    /// The connection broke: nobody knows.
    Nothing,
}

/// A request that a client wants to send.
pub(crate) struct Send {
    pub(crate) command: Command,
    pub(crate) ask: Ask,
    /// It may wait so long on the server.
    pub(crate) wait: Option<u64>,
}

pub(crate) struct Client {
    pub(crate) style: Style,
    pub(crate) phase: Phase,
    /// Rises with each thing the client wants; what is heard about an earlier one means nothing to it.
    pub(crate) job: u64,
    pub(crate) served: u64,
    pub(crate) ticket: Option<TicketId>,
    pub(crate) caller: Caller,
    /// The request to repeat, if it can be.
    new: Option<NewTicket>,
    /// A place in the queue is kept when the wait is over.
    keep: bool,
    /// The last answer did not come: the next request may be the cheapest there is.
    unsure: bool,
    next_at: u64,
    hold_until: u64,
    name: String,
}

fn lock(name: &str) -> LockName {
    LockName::new(name).expect("a good name")
}

impl Client {
    pub(crate) fn new(number: usize) -> Self {
        let (style, owner) = match number % 5 {
            0 | 1 => (Style::Classic, None),
            2 => (Style::Modern, None),
            3 => (Style::Modern, Some("ci")),
            _ => (Style::Named, None),
        };
        let caller = Caller { owner: owner.map(Arc::from), ..Caller::anonymous(&format!("192.0.2.{number}")) };
        Self {
            style,
            phase: Phase::Idle,
            job: 0,
            served: 0,
            ticket: None,
            caller,
            new: None,
            keep: false,
            unsure: false,
            next_at: 0,
            hold_until: 0,
            name: format!("c{number}"),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Wants nothing any more, and tells nobody.
    pub(crate) fn forget(&mut self) {
        self.job += 1;
        self.phase = Phase::Idle;
        self.ticket = None;
        self.new = None;
    }

    /// What the client does now, if anything. `drain`: it ends what it has and begins nothing.
    pub(crate) fn act(&mut self, dice: &mut Dice, mono: u64, drain: bool) -> Option<Send> {
        if mono < self.next_at {
            return None;
        }
        self.next_at = mono + dice.from(100..=2500);
        match self.phase {
            Phase::Idle if drain => None,
            Phase::Idle => Some(self.make(dice)),
            // A named request can be repeated when its outcome is unknown, or withdrawn.
            Phase::Asking => {
                let new = self.new.clone()?;
                if dice.permille(200) && self.style == Style::Modern {
                    self.phase = Phase::Ending;
                    return self.end(drain);
                }
                let new = NewTicket { id: TicketId(dice.id()), ..new };
                Some(asking(new, dice))
            }
            Phase::Queued => Some(self.look(dice)),
            Phase::Holding if drain || mono >= self.hold_until => {
                self.phase = Phase::Ending;
                self.end(drain)
            }
            Phase::Holding => Some(self.renew(dice)),
            Phase::Ending => self.end(drain),
        }
    }

    fn make(&mut self, dice: &mut Dice) -> Send {
        self.job += 1;
        self.phase = Phase::Asking;
        let modern = self.style == Style::Modern;
        let permits = match dice.from(0..=9) {
            9 if modern => Permits::All,
            7 | 8 if modern => Permits::Count(2 + u32::try_from(dice.from(0..=1)).expect("small")),
            _ => Permits::Count(1),
        };
        let lease = match self.style {
            Style::Classic => Lease::OfLock,
            Style::Named => Lease::Never,
            Style::Modern if dice.permille(300) => Lease::OfLock,
            Style::Modern => Lease::Given(dice.from(1500..=20_000)),
        };
        let id = TicketId(dice.id());
        let (of, others) = match modern && dice.permille(250) {
            true => bundle(dice),
            false => (lock(dice.pick(&LOCKS)), Vec::new()),
        };
        let (selection, permits) = match dice.from(0..=3) {
            0 if modern && of.as_str() == "named" && others.is_empty() => select(dice),
            _ => (None, permits),
        };
        let named = modern && dice.permille(600);
        let new = NewTicket {
            lock: of,
            others,
            id,
            selection,
            permits,
            priority: if modern { dice.pick(&[-1, 0, 0, 0, 5]) } else { 0 },
            info: Arc::from(self.name.as_str()),
            lease,
            queue_lease: if self.style == Style::Classic { QueueLease::Expiration } else { QueueLease::Minute },
            max_hold: (modern && dice.permille(100)).then_some(5000),
            request_id: named.then(|| Arc::from(format!("{:032x}", dice.id()))),
            holder: (self.style == Style::Named).then(|| Arc::from(self.name.as_str())),
            supersede: (modern && dice.permille(150)).then(|| Arc::from(dice.pick(&["main", "next"]))),
            if_busy: match self.style {
                Style::Classic => IfBusy::Queue,
                Style::Named => IfBusy::Refuse,
                Style::Modern => dice.pick(&[IfBusy::Refuse, IfBusy::Queue, IfBusy::Wait, IfBusy::Wait]),
            },
            claim: self.style != Style::Classic,
        };
        self.keep = dice.permille(500) || new.if_busy == IfBusy::Queue;
        self.new = (named || self.style == Style::Named).then(|| new.clone());
        asking(new, dice)
    }

    fn look(&mut self, dice: &mut Dice) -> Send {
        let id = self.ticket.expect("a queued client knows its ticket");
        let classic = self.style == Style::Classic;
        let plain = std::mem::take(&mut self.unsure) && !classic && dice.permille(500);
        let wait = (!plain && dice.permille(400)).then(|| dice.from(500..=15_000));
        let command = if !classic && !plain && wait.is_none() && dice.permille(500) {
            self.renewal(id, dice)
        } else {
            Command::Get { lock: None, id, renew: classic, wait: wait.is_some() }
        };
        Send { wait: wait.filter(|_| matches!(command, Command::Get { .. })), command, ask: Ask::Look }
    }

    fn renew(&mut self, dice: &mut Dice) -> Send {
        let id = self.ticket.expect("a holder knows its ticket");
        let command = if self.style == Style::Classic || dice.permille(300) {
            Command::Get { lock: None, id, renew: self.style == Style::Classic, wait: false }
        } else {
            self.renewal(id, dice)
        };
        Send { command, ask: Ask::Look, wait: None }
    }

    fn renewal(&self, id: TicketId, dice: &mut Dice) -> Command {
        let ttl = (self.style == Style::Modern && dice.permille(100)).then(|| dice.from(1500..=20_000));
        Command::Renew { id, ttl }
    }

    /// Gives back by the best name the client has: the ticket's, or that of its request. What is broken would not be repaired any more at
    /// the end.
    fn end(&mut self, drain: bool) -> Option<Send> {
        let target = match (self.ticket, &self.new) {
            (_, Some(new)) if self.style == Style::Named => {
                ReleaseTarget::Holder(new.lock.clone(), Arc::from(self.name.as_str()))
            }
            (Some(id), _) => ReleaseTarget::Id(None, id),
            (None, Some(new)) => {
                let others = new.others.iter().map(|asked| asked.lock.clone()).collect();
                ReleaseTarget::Request(new.lock.clone(), others, new.request_id.clone()?)
            }
            (None, None) => {
                self.forget();
                return None;
            }
        };
        Some(Send {
            command: Command::Release {
                target,
                queued: self.style != Style::Classic,
                keep: self.hold_until.is_multiple_of(8).then_some(2000),
                withhold: (!drain && self.hold_until.is_multiple_of(31)).then(|| Arc::from("simulated")),
            },
            ask: Ask::End,
            wait: None,
        })
    }

    /// Hears what became of a request. False if its answer is thrown away by the handler: a wait without success leaves
    /// nothing behind, unless the place was to be kept.
    pub(crate) fn hear(&mut self, ask: Ask, heard: Heard<'_>, dice: &mut Dice, mono: u64) -> bool {
        let answer = match heard {
            Heard::Answer(answer) => answer,
            Heard::Nothing => {
                self.unsure = true;
                if ask == Ask::Make && self.new.is_none() {
                    self.forget();
                }
                return true;
            }
        };
        match (ask, answer) {
            (Ask::Make | Ask::Look, Ok(told)) => {
                let Outcome::Ticket(view) = &told.outcome else {
                    return true;
                };
                if view.ended().is_some() {
                    self.forget();
                    return true;
                }
                let held = view.ticket.state == State::Held;
                if ask == Ask::Make && !held && !self.keep {
                    if self.new.is_some() {
                        // Known by its request only, which the handler now withdraws.
                        self.phase = Phase::Ending;
                    } else {
                        self.forget();
                    }
                    return false;
                }
                self.ticket = Some(view.ticket.id);
                if self.phase == Phase::Ending {
                    return true;
                }
                if held && self.phase != Phase::Holding {
                    self.phase = Phase::Holding;
                    self.served += 1;
                    self.hold_until = mono + dice.from(500..=25_000);
                } else if !held {
                    self.phase = Phase::Queued;
                }
            }
            (Ask::Make, Err(EngineError::Unavailable { .. })) if self.new.is_some() => {}
            (Ask::Make, Err(_)) => self.forget(),
            (
                Ask::Look,
                Err(EngineError::Rejected(Rejection::Gone(_) | Rejection::UnknownTicket | Rejection::UnknownLock)),
            ) => {
                self.forget();
            }
            (Ask::End, Ok(_) | Err(EngineError::Rejected(_))) => self.forget(),
            _ => {}
        }
        true
    }
}

/// Two or three locks, in the order of their names.
fn bundle(dice: &mut Dice) -> (LockName, Vec<Asked>) {
    let mut names = LOCKS;
    names.sort_unstable();
    let leave_out = [dice.from(0..=4), dice.from(0..=4), dice.from(0..=4)];
    let mut chosen = (0..).zip(names).filter(|(at, _)| !leave_out.contains(at)).map(|(_, name)| lock(name));
    let first = chosen.next().expect("three at most are left out");
    let permits = |dice: &mut Dice| match dice.from(0..=11) {
        0 => Permits::All,
        1 | 2 => Permits::Count(2),
        _ => Permits::Count(1),
    };
    (first, chosen.map(|lock| Asked { lock, permits: permits(dice) }).take(2).collect())
}

/// Certain slots of a lock whose slots have names.
fn select(dice: &mut Dice) -> (Option<Selection>, Permits) {
    match dice.from(0..=2) {
        0 => {
            (Some(Selection::Slots(vec![SlotName::new(dice.pick(&["a", "b", "c"])).expect("good")])), Permits::Count(1))
        }
        1 => (
            Some(Selection::Slots(["a", "b"].map(|name| SlotName::new(name).expect("good")).to_vec())),
            Permits::Count(2),
        ),
        _ => (Some(Selection::Tags(vec![Tag::new(dice.pick(&["fast", "big"])).expect("good")])), Permits::Count(1)),
    }
}

fn asking(new: NewTicket, dice: &mut Dice) -> Send {
    Send {
        wait: (new.if_busy == IfBusy::Wait).then(|| dice.from(500..=15_000)),
        command: Command::Acquire(new),
        ask: Ask::Make,
    }
}
