//! Where a connection is between two requests, and what that permits: its deadlines, and the receipts of its answers.
//! Plain state: time is an argument, and nothing is read from or written to a socket here.

use super::{Limits, Receipt};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// The first look for an acknowledgement comes at once, the second after this; the pauses double up to [`LOOK_MAX`].
const LOOK_FIRST: Duration = Duration::from_millis(1);
/// The longest pause between two looks for an acknowledgement.
const LOOK_MAX: Duration = Duration::from_millis(100);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No byte of a request has come since then.
    Idle(Instant),
    /// A request's head is incomplete; its first byte came then.
    Head(Instant),
    /// A request is being read, answered, or its answer written.
    Busy,
}

/// Why a connection is ended by its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Nothing came for [`Limits::idle_time`].
    Idle,
    /// A head took longer than [`Limits::header_time`].
    Head,
    /// The peer took no byte of an answer for [`Limits::write_time`].
    Stalled,
    /// The peer acknowledged nothing for [`Limits::receipt_time`].
    Unacknowledged,
}

/// An answer that was written and not acknowledged yet.
#[derive(Debug)]
struct Unacknowledged {
    /// Bytes written to the connection up to the answer's last.
    mark: u64,
    since: Instant,
    receipts: Vec<Receipt>,
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Flow {
    phase: Phase,
    /// Since when the socket takes no more bytes.
    stalled: Option<Instant>,
    /// Bytes given to the kernel since the connection began.
    written: u64,
    /// The whole answer was given to HTTP, but not yet to the kernel: its receipts.
    ending: Option<Vec<Receipt>>,
    unacknowledged: VecDeque<Unacknowledged>,
    next_look: Instant,
    pause: Duration,
}

impl Flow {
    /// A connection that was made just now.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Idle(now),
            stalled: None,
            written: 0,
            ending: None,
            unacknowledged: VecDeque::new(),
            next_look: now,
            pause: LOOK_FIRST,
        }
    }

    /// These bytes were read. Empty lines before a request are nobody's first byte (RFC 9112, 2.2).
    pub(super) fn read(&mut self, bytes: &[u8], now: Instant) {
        if matches!(self.phase, Phase::Idle(_)) && bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            self.phase = Phase::Head(now);
        }
    }

    /// A request's head is complete.
    pub(super) const fn request(&mut self) {
        self.phase = Phase::Busy;
    }

    /// The body of an answer was taken to its end; its bytes are on their way to the socket.
    pub(super) fn answered(&mut self, receipts: Vec<Receipt>) {
        self.ending = Some(receipts);
    }

    /// The socket took `bytes` bytes.
    pub(super) const fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
        self.stalled = None;
    }

    /// The socket takes no bytes now.
    pub(super) fn blocked(&mut self, now: Instant) {
        self.stalled.get_or_insert(now);
    }

    /// Everything that HTTP had to write was written. True if that put an answer with receipts on its way, which
    /// deserves a look at once.
    pub(super) fn flushed(&mut self, now: Instant) -> bool {
        let Some(receipts) = self.ending.take() else {
            return false;
        };
        self.phase = Phase::Idle(now);
        if receipts.is_empty() {
            return false;
        }
        self.unacknowledged.push_back(Unacknowledged { mark: self.written, since: now, receipts });
        self.pause = LOOK_FIRST;
        self.next_look = now;
        true
    }

    /// Bytes written so far: to be read before the kernel is asked how many of them are unacknowledged, so that a write
    /// in between can only hide an acknowledgement, never invent one.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// What the kernel says: `acknowledged` bytes arrived, and whether the connection has failed (no more will). Returns
    /// the receipts that are settled by it, with their outcome.
    pub(super) fn acknowledged(&mut self, bytes: u64, failed: bool, now: Instant) -> Vec<(Receipt, bool)> {
        let mut settled = Vec::new();
        while let Some(answer) = self.unacknowledged.pop_front_if(|answer| failed || answer.mark <= bytes) {
            let reached = answer.mark <= bytes;
            settled.extend(answer.receipts.into_iter().map(|receipt| (receipt, reached)));
        }
        self.next_look = now + self.pause;
        self.pause = (self.pause * 2).min(LOOK_MAX);
        settled
    }

    /// No answer waits for its acknowledgement.
    pub(super) fn is_settled(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// Between two requests, with nothing owed to anybody: may be closed without loss.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle(_)) && self.is_settled()
    }

    /// No request is served any more; what is left is to let the last answer arrive.
    pub(super) const fn lingers(&mut self, now: Instant) {
        self.phase = Phase::Idle(now);
    }

    /// Gives up: everything that is not settled. The connection ends.
    pub(super) fn abandon(&mut self) -> Vec<Receipt> {
        let unwritten = self.ending.take().unwrap_or_default();
        let unacknowledged = self.unacknowledged.drain(..).flat_map(|answer| answer.receipts);
        unacknowledged.chain(unwritten).collect()
    }

    /// When to look for an acknowledgement next, if one is awaited.
    pub(super) fn next_look(&self) -> Option<Instant> {
        (!self.is_settled()).then_some(self.next_look)
    }

    /// The earliest moment at which the clock ends this connection, and why, unless something happens before.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<(Instant, Overdue)> {
        let phase = match self.phase {
            Phase::Idle(since) if self.is_settled() => Some((since + limits.idle_time, Overdue::Idle)),
            Phase::Head(since) => Some((since + limits.header_time, Overdue::Head)),
            Phase::Idle(_) | Phase::Busy => None,
        };
        let stalled = self.stalled.map(|since| (since + limits.write_time, Overdue::Stalled));
        let first = self.unacknowledged.front();
        let receipt = first.map(|answer| (answer.since + limits.receipt_time, Overdue::Unacknowledged));
        [phase, stalled, receipt].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}
