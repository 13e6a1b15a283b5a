//! The life of each ticket, as far as its client knows it.

use super::{Finding, Promise, seconds};
use crate::history::{Answer, Ask, Call, Fault, History, Nanos, SECOND, Told};
use std::collections::HashMap;

/// What a leader was doing when it died or was cut off is done or not after this time.
const UNDER_WAY: Nanos = SECOND / 5;

/// An answered call about a ticket that lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beat {
    pub(super) sent: Nanos,
    pub(super) answered: Nanos,
    pub(super) ttl: Nanos,
    /// It was a heartbeat (rule 5).
    pub(super) renews: bool,
}

impl Beat {
    /// Until when the lease surely lasts. A takeover in that time begins it anew (rule 9), if no other one came before it: of
    /// many restarts the later ones may let it go on.
    fn lease_until(&self, history: &History) -> Nanos {
        let until = self.sent + self.ttl;
        let first = history.takeovers.iter().copied().filter(|at| *at > self.answered).min();
        let is_first = |at: &Nanos| {
            let came_before = |fault: &Fault| fault.until > self.answered && fault.until < *at;
            at + UNDER_WAY < until && !history.faults.iter().any(came_before)
        };
        first.filter(is_first).map_or(until, |at| at + self.ttl)
    }
}

/// What a client was granted.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) token: u64,
    pub(super) slots: Vec<u64>,
    /// The server cannot have granted it before: the ticket was not asked for, or still queued.
    pub(super) not_before: Nanos,
    /// The client was told, so it was granted by then.
    pub(super) told: Nanos,
    /// Until when the client may rely on it: it began to give it back, or its lease may be over.
    pub(super) until: Nanos,
    /// Until when its lease surely lasts.
    pub(super) lease_until: Nanos,
}

/// A ticket of which its client was told.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) number: u64,
    pub(super) lock: String,
    pub(super) permits: u32,
    pub(super) request_id: String,
    /// When it was first asked for, but for requests of which their client was told that they did nothing.
    pub(super) asked: Nanos,
    /// When its client first knew of it.
    pub(super) known: Nanos,
    /// Answers that say that it queues, in the order of their sending.
    pub(super) queued: Vec<Beat>,
    /// Answers that say that it holds, likewise.
    pub(super) held: Vec<Beat>,
    pub(super) grant: Option<Grant>,
    /// When its client first sent its release, but for one of which it was told that it did nothing.
    pub(super) release_sent: Option<Nanos>,
    /// When its client first knew of its release.
    pub(super) released: Option<Nanos>,
    /// Positions of all its calls in the history, in the order of their sending.
    pub(super) calls: Vec<usize>,
    tokens: Vec<(u64, Vec<u64>)>,
}

impl Life {
    /// Until when its place in the queue surely lives.
    pub(super) fn place_until(&self) -> Option<Nanos> {
        self.queued.iter().filter(|beat| beat.renews).map(|beat| beat.sent + beat.ttl).max()
    }

    pub(super) fn name(&self) -> String {
        format!("ticket {} of {}", self.number, self.lock)
    }

    fn told(&mut self, call: &Call, told: &Told) {
        self.known = self.known.min(call.answered);
        // A read that is told of permits claims them; no client of a run reads once more after that.
        let renews = told.held || !matches!(call.ask, Ask::Wait { waits: false, .. });
        let beat = Beat { sent: call.sent, answered: call.answered, ttl: told.ttl, renews };
        if told.held {
            self.held.push(beat);
            self.tokens.push((told.token, told.slots.clone()));
        } else {
            self.queued.push(beat);
        }
    }

    fn finish(&mut self, history: &History) {
        let Some(told) = self.held.iter().map(|beat| beat.answered).min() else { return };
        let lease_until = self.held.iter().map(|beat| beat.lease_until(history)).max().unwrap_or(told);
        // An answer that came after the client knew better says nothing about the time before its grant.
        let queued = self.queued.iter().filter(|beat| beat.answered <= told).map(|beat| beat.sent).max();
        let (token, slots) = self.tokens[0].clone();
        self.grant = Some(Grant {
            token,
            slots,
            not_before: self.asked.max(queued.unwrap_or(0)),
            told,
            until: self.release_sent.unwrap_or(Nanos::MAX).min(lease_until),
            lease_until,
        });
    }
}

/// All lives of a history.
#[derive(Debug)]
pub(super) struct Lives {
    pub(super) all: Vec<Life>,
    by_number: HashMap<u64, usize>,
    by_id: HashMap<String, usize>,
    findings: Vec<Finding>,
}

impl Lives {
    /// Those of this history.
    pub(super) fn of(history: &History) -> Self {
        let mut lives =
            Self { all: Vec::new(), by_number: HashMap::new(), by_id: HashMap::new(), findings: Vec::new() };
        let mut order: Vec<usize> = (0..history.calls.len()).collect();
        order.sort_by_key(|at| history.calls[*at].sent);
        let mut requests: HashMap<&str, (Nanos, Option<u64>)> = HashMap::new();
        for call in order.iter().map(|at| &history.calls[*at]) {
            let Ask::Acquire { lock, request_id, permits } = &call.ask else { continue };
            if matches!(call.answer, Answer::Refused(_)) {
                continue;
            }
            let (asked, number) = requests.entry(request_id).or_insert((call.sent, None));
            let Answer::Ticket(told) = &call.answer else { continue };
            if let Some(other) = number.replace(told.number)
                && other != told.number
            {
                let what =
                    format!("{request_id} made {other} and {} of {lock} by {}", told.number, seconds(call.answered));
                lives.findings.push(Finding { promise: Promise::RequestIds, what });
            }
            let asked = *asked;
            lives.by_number.entry(told.number).or_insert_with(|| {
                lives.by_id.insert(told.id.clone(), lives.all.len());
                lives.all.push(Life {
                    number: told.number,
                    lock: lock.clone(),
                    permits: *permits,
                    request_id: request_id.clone(),
                    asked,
                    known: Nanos::MAX,
                    queued: Vec::new(),
                    held: Vec::new(),
                    grant: None,
                    release_sent: None,
                    released: None,
                    calls: Vec::new(),
                    tokens: Vec::new(),
                });
                lives.all.len() - 1
            });
        }
        let of_request: HashMap<String, usize> =
            lives.all.iter().enumerate().map(|(at, life)| (life.request_id.clone(), at)).collect();
        for at in order {
            lives.add(&history.calls[at], at, &of_request);
        }
        for life in &mut lives.all {
            life.finish(history);
        }
        lives
    }

    fn add(&mut self, call: &Call, at: usize, of_request: &HashMap<String, usize>) {
        let which = match &call.ask {
            Ask::Acquire { request_id, .. } => match &call.answer {
                Answer::Ticket(told) => self.by_number.get(&told.number),
                _ => of_request.get(request_id),
            },
            Ask::Wait { ticket, .. } | Ask::Renew { ticket } | Ask::Release { ticket } => self.by_id.get(ticket),
            Ask::Resize { .. } | Ask::Look { .. } | Ask::Verify { .. } => None,
        };
        let Some(life) = which.map(|at| &mut self.all[*at]) else { return };
        life.calls.push(at);
        if let Answer::Ticket(told) = &call.answer {
            life.told(call, told);
            if let Some((token, slots)) = life.tokens.first()
                && told.held
                && (*token, slots) != (told.token, &told.slots)
            {
                let what = format!("{} held slots {slots:?} with token {token}, and then {told:?}", life.name());
                self.findings.push(Finding { promise: Promise::Tokens, what });
            }
        }
        if let Ask::Release { .. } = call.ask
            && !matches!(call.answer, Answer::Refused(_))
        {
            life.release_sent.get_or_insert(call.sent);
            if call.answer == Answer::Released {
                life.released = Some(life.released.map_or(call.answered, |first| first.min(call.answered)));
            }
        }
    }

    /// The life of the ticket with this number.
    pub(super) fn numbered(&self, number: u64) -> Option<&Life> {
        self.by_number.get(&number).map(|at| &self.all[*at])
    }

    /// All that was granted.
    pub(super) fn grants(&self) -> impl Iterator<Item = (&Life, &Grant)> {
        self.all.iter().filter_map(|life| Some((life, life.grant.as_ref()?)))
    }

    /// Rule 6: with a `request_id` a request can be repeated and makes one ticket, which keeps what it was given.
    pub(super) fn one_ticket_for_a_request(&self, findings: &mut Vec<Finding>) {
        findings.extend(self.findings.iter().cloned());
    }
}
