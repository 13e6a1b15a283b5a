//! A client that competes for permits, or sets sizes.

use super::{LOCKS, RESIZED, Shared, WANTED};
use crate::history::{Answer, Ask, SECOND, Told};
use crate::random::Random;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const SIZES: [u64; 2] = [2, 5];
/// How long a client asks again for what was not answered, before it lets its ticket run out.
const PERSISTENCE: Duration = Duration::from_secs(30);

/// A client.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) number: u32,
    pub(super) random: Random,
    server: usize,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, number: u32, seed: u64) -> Self {
        let server = number as usize % shared.servers.len();
        Self { shared, number, random: Random::new(seed, u64::from(number) + 100), server }
    }

    /// Asks for permits and gives them back, until the run stops; with pauses of this length at most.
    pub(crate) async fn work(mut self, pause_ms: u64) {
        while !self.shared.stopped() {
            self.job().await;
            sleep(self.random.ms(0, pause_ms)).await;
        }
    }

    /// Sets sizes, until the run stops.
    pub(crate) async fn resize(mut self) {
        while !self.shared.stopped() {
            let size = SIZES[0] + self.random.below(SIZES[1] - SIZES[0] + 1);
            let size = u32::try_from(size).expect("small");
            let ask = Ask::Resize { lock: RESIZED.to_owned(), size };
            // Half of the time whatever comes of it: a client that hears that nothing was done may have heard so in error.
            if self.random.percent(50) {
                self.insist(ask, Value::Null).await;
            } else if !matches!(self.ask(ask, &Value::Null, Duration::from_secs(5)).await, Answer::Resized) {
                self.elsewhere();
            }
            sleep(self.random.ms(300, 2000)).await;
        }
    }

    async fn ask(&mut self, ask: Ask, options: &Value, patience: Duration) -> Answer {
        self.shared.ask((self.number, false), self.server, ask, options, patience).await
    }

    fn elsewhere(&mut self) {
        self.server = (self.server + 1) % self.shared.servers.len();
    }

    /// Asks until there is an answer that says something about what was asked.
    pub(super) async fn insist(&mut self, ask: Ask, options: Value) -> Answer {
        let begun = Instant::now();
        loop {
            let wait = Duration::from_secs_f64(options["wait_s"].as_f64().unwrap_or(0.0));
            // Now and then more than anything stands still, so that somebody waits for a server that comes back.
            let patience =
                wait + if self.random.percent(30) { Duration::from_secs(12) } else { self.random.ms(500, 3000) };
            let answer = self.ask(ask.clone(), &options, patience).await;
            let again = match &answer {
                Answer::Unknown(_) => true,
                Answer::Refused(code) => code != "busy" && code != "timed_out",
                _ => false,
            };
            if !again || begun.elapsed() > PERSISTENCE {
                return answer;
            }
            self.elsewhere();
            sleep(self.random.ms(20, 200)).await;
        }
    }

    async fn job(&mut self) {
        let (lock, size) = LOCKS[usize::try_from(self.random.below(WANTED)).expect("small")];
        let permits = if size > 1 && self.random.percent(20) { 2 } else { 1 };
        let queue = self.random.percent(60);
        let wait = if self.random.percent(50) { 0 } else { self.random.below(4) };
        let options = json!({ "queue": queue, "wait_s": wait, "ttl_s": 4 + self.random.below(9) });
        let ask = Ask::Acquire { lock: lock.to_owned(), request_id: self.random.id(), permits };
        let Answer::Ticket(mut told) = self.insist(ask.clone(), options.clone()).await else { return };
        while !told.held {
            let wait = if self.random.percent(20) { 0 } else { 1 + self.random.below(3) };
            if self.random.percent(2) || self.shared.stopped() {
                break;
            }
            let answer =
                self.insist(Ask::Wait { ticket: told.id.clone(), waits: wait > 0 }, json!({ "wait_s": wait })).await;
            match answer {
                Answer::Ticket(now) => told = now,
                _ => return,
            }
        }
        if told.held && !self.hold(&told).await {
            return;
        }
        if self.random.percent(1) {
            // A client that dies: its lease has to run out.
            return;
        }
        self.release(&told).await;
        if self.random.percent(10) {
            // A repetition that comes late must not be taken for a new request.
            self.ask(ask, &options, Duration::from_secs(5)).await;
        }
    }

    /// Gives back. Who is told that this was not done has its permits still, and may go on with them.
    pub(super) async fn release(&mut self, told: &Told) {
        let ask = Ask::Release { ticket: told.id.clone() };
        let answer = self.ask(ask.clone(), &Value::Null, Duration::from_secs(5)).await;
        if matches!(answer, Answer::Refused(_)) && self.random.percent(70) {
            self.elsewhere();
            self.insist(Ask::Renew { ticket: told.id.clone() }, Value::Null).await;
        }
        if answer != Answer::Released {
            self.insist(ask, Value::Null).await;
        }
    }

    /// Holds for a while, and renews; whether it still holds at the end.
    async fn hold(&mut self, told: &Told) -> bool {
        let short = self.random.percent(95);
        let time = if short { self.random.ms(0, 150) } else { self.random.ms(500, 8000) };
        let begun = Instant::now();
        loop {
            // At once for the first time: a grant that was waited for has a lease whose beginning its client does not know.
            let answer = self.insist(Ask::Renew { ticket: told.id.clone() }, Value::Null).await;
            if !matches!(answer, Answer::Ticket(_)) {
                return false;
            }
            let left = time.saturating_sub(begun.elapsed());
            if left.is_zero() || self.shared.stopped() {
                return true;
            }
            sleep(left.min(Duration::from_nanos(told.ttl.min(20 * SECOND) / 5))).await;
        }
    }
}
