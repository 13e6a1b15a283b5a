//! Where a connection is between two requests, and what that permits: its deadlines, and the receipts of its answers.
//! Plain state: time is an argument, and nothing is read from or written to a socket here.
//!
//! In HTTP/1 an answer is with HTTP (`answered`), then with the kernel (`flushed`), then acknowledged. In HTTP/2 answers
//! overtake one another, and a client's window may hold one back inside of HTTP: so it is with HTTP from `owes` on, and
//! only the frame that ends its stream, seen on its way out, makes it one that the next `flushed` gives to the kernel.

use super::crowd::Standing;
use super::delivery::{Span, Wire};
use super::frames::Frame;
use super::{Limits, Receipt};
use crate::engine::Delivery;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::oneshot;
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
    /// Requests are being read, answered, or their answers written.
    Busy,
}

/// Why a connection is ended by its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Nothing came for [`Limits::idle_time`].
    Idle,
    /// A head, or a frame of HTTP/2, took longer than [`Limits::header_time`].
    Head,
    /// The peer took no byte of an answer for [`Limits::write_time`].
    Stalled,
    /// The peer answers no ping of HTTP/2 within [`Limits::ping_time`].
    Silent,
    /// The peer acknowledged nothing for [`Limits::receipt_time`].
    Unacknowledged,
}

/// Receipts, and what became of their answer.
pub(super) type Settled = Vec<(Receipt, Delivery)>;

/// An answer that was given to the kernel to its end, and not acknowledged yet.
#[derive(Debug)]
struct Unacknowledged {
    span: Span,
    since: Instant,
    receipts: Vec<Receipt>,
}

/// An answer of which the last bytes are on their way from HTTP to the kernel.
#[derive(Debug)]
struct Ending {
    begin: Option<u64>,
    receipts: Vec<Receipt>,
}

/// An answer on an HTTP/2 stream that HTTP has, or will have, all of.
#[derive(Debug)]
struct Owed {
    /// Bytes written to the connection before its first frame left HTTP.
    begin: Option<u64>,
    receipts: Vec<Receipt>,
    /// Told when the frame that ends the stream is on its way out.
    written: oneshot::Sender<()>,
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Flow {
    phase: Phase,
    /// Requests under way. HTTP/1 has one, or two for a moment: the next begins while the last bytes of an answer are
    /// on their way to the kernel.
    requests: usize,
    /// No request has come so far.
    new: bool,
    /// Since when a frame of HTTP/2 is incomplete.
    partial: Option<Instant>,
    /// Answers on HTTP/2 streams, by stream.
    owed: HashMap<u32, Owed>,
    /// Since when the socket takes no more bytes.
    stalled: Option<Instant>,
    /// Bytes given to the kernel since the connection began.
    written: u64,
    /// Bytes read from the connection by HTTP/2.
    bytes_read: u64,
    ending: Vec<Ending>,
    /// Answers that HTTP/1 dropped before their end.
    cut: Vec<(u64, Vec<Receipt>)>,
    unacknowledged: VecDeque<Unacknowledged>,
    next_look: Instant,
    pause: Duration,
}

impl Flow {
    /// A connection that was made just now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Idle(now),
            requests: 0,
            new: true,
            partial: None,
            owed: HashMap::new(),
            stalled: None,
            written: 0,
            bytes_read: 0,
            ending: Vec::new(),
            cut: Vec::new(),
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
        self.requests += 1;
        self.new = false;
    }

    /// No request has come on this connection so far.
    pub(super) const fn is_new(&self) -> bool {
        self.new
    }

    /// Requests under way.
    pub(super) const fn requests(&self) -> usize {
        self.requests
    }

    /// HTTP/1: the body of an answer was taken to its end; its bytes are on their way to the socket. `begin` bytes were
    /// written before HTTP had any of it.
    pub(super) fn answered(&mut self, begin: u64, receipts: Vec<Receipt>) {
        self.requests = self.requests.saturating_sub(1);
        self.ending.push(Ending { begin: Some(begin), receipts });
    }

    /// HTTP/1: an answer was dropped before its end, with which the connection ends. How much of it went out shows then.
    pub(super) fn cut(&mut self, begin: u64, receipts: Vec<Receipt>) {
        if !receipts.is_empty() {
            self.cut.push((begin, receipts));
        }
    }

    /// HTTP/2: what follows, to the end of the stream, is an answer with these receipts. Returns what hears when the end
    /// of the stream was written.
    pub(super) fn owes(&mut self, stream: u32, receipts: Vec<Receipt>) -> oneshot::Receiver<()> {
        let (written, told) = oneshot::channel();
        self.owed.insert(stream, Owed { begin: None, receipts, written });
        told
    }

    /// HTTP/2: the answer on this stream will not be written to its end. `gone` says that nobody is there for it any more:
    /// what has not left HTTP then reaches nobody.
    pub(super) fn withdrawn(&mut self, stream: u32, gone: bool) -> Settled {
        let Some(owed) = self.owed.remove(&stream) else { return Vec::new() };
        let delivery = if gone && owed.begin.is_none() { Delivery::Unsent } else { Delivery::Unknown };
        owed.receipts.into_iter().map(|receipt| (receipt, delivery)).collect()
    }

    /// HTTP/2: the first bytes of this frame have left HTTP. `before` bytes were written to the connection by then.
    pub(super) fn frame_begun(&mut self, frame: Frame, before: u64) {
        if let Some(owed) = self.owed.get_mut(&frame.stream) {
            owed.begin.get_or_insert(before);
        }
    }

    /// HTTP/2: a request is over, one way or another.
    pub(super) fn request_over(&mut self, now: Instant) {
        self.requests = self.requests.saturating_sub(1);
        if self.requests == 0 {
            self.phase = Phase::Idle(now);
        }
    }

    /// HTTP/2: this frame was written.
    pub(super) fn frame_written(&mut self, frame: Frame) {
        if frame.ends_stream()
            && let Some(Owed { begin, receipts, written }) = self.owed.remove(&frame.stream)
        {
            self.ending.push(Ending { begin, receipts });
            // The sender of the answer may be gone already.
            let _ = written.send(());
        }
    }

    /// HTTP/2: so many bytes were read, and whether they end within a frame; `whole` if others were completed by them.
    pub(super) fn frames_read(&mut self, bytes: usize, within: bool, whole: bool, now: Instant) {
        self.bytes_read += bytes as u64;
        if !within {
            self.partial = None;
        } else if whole || self.partial.is_none() {
            self.partial = Some(now);
        }
    }

    /// Bytes read by HTTP/2.
    pub(super) const fn bytes_read(&self) -> u64 {
        self.bytes_read
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
        if self.ending.is_empty() {
            return false;
        }
        if self.requests == 0 {
            self.phase = Phase::Idle(now);
        }
        let mut owing = false;
        for Ending { begin, receipts } in std::mem::take(&mut self.ending) {
            if !receipts.is_empty() {
                let span = Span { begin, end: Some(self.written) };
                self.unacknowledged.push_back(Unacknowledged { span, since: now, receipts });
                owing = true;
            }
        }
        if owing {
            self.pause = LOOK_FIRST;
            self.next_look = now;
        }
        owing
    }

    /// Bytes written so far: to be read before the kernel is asked how many of them are unacknowledged, so that a write
    /// in between can only hide an acknowledgement, never invent one.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// What the kernel says. Returns the receipts that are settled by it, with their outcome.
    pub(super) fn looked(&mut self, wire: Wire, now: Instant) -> Settled {
        let mut settled = Vec::new();
        while let Some(delivery) = self.unacknowledged.front().and_then(|answer| answer.span.settled(wire)) {
            let answer = self.unacknowledged.pop_front().expect("looked at just now");
            settled.extend(answer.receipts.into_iter().map(|receipt| (receipt, delivery)));
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

    /// Since when it is between two requests with nothing owed to anybody; `None` before the first one.
    pub(super) fn rests_since(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle(since) if !self.new && self.requests == 0 && self.is_settled() => Some(since),
            _ => None,
        }
    }

    /// What it does, as far as it matters to whether it is missed.
    pub(super) fn standing(&self) -> Standing {
        match self.phase {
            Phase::Head(_) => Standing::Opening,
            Phase::Idle(_) if self.new => Standing::Opening,
            Phase::Idle(_) if self.is_settled() => Standing::Idle,
            Phase::Idle(_) | Phase::Busy if self.stalled.is_some() => Standing::Stalled,
            Phase::Idle(_) | Phase::Busy => Standing::Busy,
        }
    }

    /// No request is served any more; what is left is to let the last answer arrive.
    pub(super) const fn lingers(&mut self, now: Instant) {
        self.phase = Phase::Idle(now);
        self.partial = None;
    }

    /// The connection ends, after this last look: what became of everything that is not settled.
    pub(super) fn abandon(&mut self, wire: Wire) -> Settled {
        let half = |begin| Span { begin, end: None };
        let owed = self.owed.drain().map(|(_, owed)| (half(owed.begin), owed.receipts));
        let cut = self.cut.drain(..).map(|(begin, receipts)| (half(Some(begin)), receipts));
        let ending = self.ending.drain(..).map(|ending| (half(ending.begin), ending.receipts));
        let unacknowledged = self.unacknowledged.drain(..).map(|answer| (answer.span, answer.receipts));
        let all = unacknowledged.chain(ending).chain(cut).chain(owed);
        all.flat_map(|(span, receipts)| receipts.into_iter().map(move |one| (one, span.at_the_end(wire)))).collect()
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
        let partial = self.partial.map(|since| (since + limits.header_time, Overdue::Head));
        let stalled = self.stalled.map(|since| (since + limits.write_time, Overdue::Stalled));
        let first = self.unacknowledged.front();
        let receipt = first.map(|answer| (answer.since + limits.receipt_time, Overdue::Unacknowledged));
        [phase, partial, stalled, receipt].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}
