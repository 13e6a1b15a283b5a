//! The thread that writes. What it cannot write it keeps, and tries again.

use super::record::Record;
use super::sink::Sink;
use super::{Shared, State};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Lines taken in one go: what it has in hand is in nobody's way and hardly counts against the bound.
const CHUNK: usize = 256;
/// When to try again where nothing could be written.
const RETRY: Duration = Duration::from_secs(1);

struct Writer {
    shared: Arc<Shared>,
    sink: Option<Sink>,
    in_hand: VecDeque<Record>,
    /// Nothing could be written the last time.
    failing: bool,
}

pub(super) fn start(shared: Arc<Shared>) -> io::Result<()> {
    let mut writer = Writer { shared, sink: None, in_hand: VecDeque::new(), failing: false };
    let run = move || {
        while writer.take() {
            writer.write();
        }
    };
    std::thread::Builder::new().name("audit".to_owned()).spawn(run).map(drop)
}

impl Writer {
    /// Waits until there is something to write; false at the end.
    fn take(&mut self) -> bool {
        let shared = self.shared.clone();
        let mut state = shared.state();
        loop {
            if let Some(next) = state.next.take() {
                self.sink = Some(next);
                if self.failing {
                    return true;
                }
            }
            if self.failing {
                if state.ending {
                    self.give_up(&mut state);
                } else {
                    let undisturbed = |state: &mut State| state.next.is_none() && !state.ending;
                    let waited = shared.news.wait_timeout_while(state, RETRY, undisturbed);
                    let (now, over) = waited.unwrap_or_else(PoisonError::into_inner);
                    if over.timed_out() {
                        return true;
                    }
                    state = now;
                    continue;
                }
            }
            let count = state.waiting.len().min(CHUNK);
            self.in_hand.extend(state.waiting.drain(..count));
            if self.in_hand.is_empty() && state.lost > 0 {
                self.in_hand.push_back(Record::lost(std::mem::take(&mut state.lost)));
            }
            if !self.in_hand.is_empty() {
                return true;
            }
            if state.ending {
                state.running = false;
                shared.quiet.notify_all();
                return false;
            }
            state = shared.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// It is to end, and cannot write: what is left is lost.
    fn give_up(&mut self, state: &mut State) {
        let left = (self.in_hand.len() + state.waiting.len()) as u64;
        self.shared.lost.fetch_add(left, Ordering::Relaxed);
        tracing::error!(
            "the last {} lines of the audit log are lost, because they cannot be written",
            left + state.lost
        );
        self.in_hand.clear();
        state.waiting.clear();
        state.lost = 0;
        self.failing = false;
    }

    fn write(&mut self) {
        let Some(sink) = &mut self.sink else { return };
        while let Some(record) = self.in_hand.front() {
            if let Err(error) = sink.write(&record.render()) {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(
                        "the audit log {sink} cannot be written: {error}; lines wait in memory, and those that find \
                         no room are lost. Make room, or reload with another AUDIT_LOG"
                    );
                }
                return;
            }
            self.in_hand.pop_front();
            self.shared.written.fetch_add(1, Ordering::Relaxed);
            if std::mem::take(&mut self.failing) {
                tracing::warn!("the audit log {sink} is written again");
            }
        }
    }
}
