//! A client that renews as late as it may: after a takeover, by the lease that begins anew with that.

use super::{LATE, Worker, locked};
use crate::history::{Answer, Ask, Nanos, SECOND, Told};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// Of its lease, what it lets pass before it renews.
const PERCENT: u64 = 85;
/// What was under way when a leader died has arrived or not by then.
const UNDER_WAY: Nanos = SECOND / 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Late(Worker);

impl Late {
    pub(crate) fn new(worker: Worker) -> Self {
        Self(worker)
    }

    /// Holds its permit and renews late, until the run stops; now and then it gives it back and begins again.
    pub(crate) async fn work(mut self) {
        while !self.0.shared.stopped() {
            self.job().await;
            let number = self.0.number;
            locked(&self.0.shared.silent).retain(|(client, ..)| *client != number);
            sleep(self.0.random.ms(0, 100)).await;
        }
    }

    async fn job(&mut self) {
        let Self(worker) = self;
        let (request_id, ttl) = (worker.random.id(), 9 + worker.random.below(5));
        let ask = Ask::Acquire { lock: LATE.to_owned(), request_id, permits: 1 };
        let Answer::Ticket(told) = worker.insist(ask, json!({ "queue": true, "wait_s": 2, "ttl_s": ttl })).await else {
            return;
        };
        if told.held {
            let mut heard = true;
            for _ in 0..=worker.random.below(4) {
                heard = heard && self.renew(&told).await;
            }
            if !heard {
                return;
            }
        }
        self.0.release(&told).await;
    }

    /// Renews once, late; whether it still holds.
    async fn renew(&mut self, told: &Told) -> bool {
        let Self(worker) = self;
        let shared = worker.shared.clone();
        let sent = shared.now();
        let Answer::Ticket(_) = worker.insist(Ask::Renew { ticket: told.id.clone() }, serde_json::Value::Null).await
        else {
            return false;
        };
        {
            let mut silent = locked(&shared.silent);
            silent.retain(|(client, ..)| *client != worker.number);
            silent.push((worker.number, sent, told.ttl));
        }
        let mut begins = sent;
        let mut takeovers = shared.takeovers.subscribe();
        loop {
            let due = begins + told.ttl / 100 * PERCENT;
            let left = Duration::from_nanos(due.saturating_sub(shared.now()));
            if left.is_zero() || shared.stopped() {
                return true;
            }
            tokio::select! {
                () = sleep(left.min(Duration::from_millis(300))) => {}
                _ = takeovers.changed() => {
                    // Of several the first: a server that is started again and again lets a lease go on.
                    let first = takeovers.borrow().iter().copied().find(|at| *at > sent + UNDER_WAY);
                    begins = first.filter(|at| at + UNDER_WAY < sent + told.ttl).unwrap_or(sent);
                }
            }
        }
    }
}
