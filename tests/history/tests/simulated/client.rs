//! Clients of simulated servers: the same programs as those of real ones, in virtual time.

use crate::answers::MS;
use crate::network::{LOCKS, Manner, Network};
use history::history::{Answer, Ask, Told};
use std::rc::Rc;

/// Longer than anything stands still.
const LONG: u64 = 15_000;

/// A client.
pub(crate) struct Client {
    pub(crate) network: Rc<Network>,
    pub(crate) number: u32,
    pub(crate) server: usize,
    /// The next `request_id`.
    pub(crate) requests: u64,
}

impl Client {
    fn manner(&self) -> Manner {
        let patience = if self.network.percent(30) { 12_000 } else { self.network.from(300, 3000) };
        Manner { client: self.number, patience, ..Manner::default() }
    }

    async fn ask(&self, manner: Manner, ask: &Ask) -> Answer {
        self.network.ask(manner, self.server, ask.clone()).await
    }

    /// Asks until there is an answer that says something about what was asked.
    async fn insist(&mut self, manner: Manner, ask: Ask) -> Answer {
        let until = self.network.now() + 2 * LONG;
        loop {
            let answer = self.ask(manner, &ask).await;
            let again = match &answer {
                Answer::Unknown(_) => true,
                Answer::Refused(code) => code != "busy",
                _ => false,
            };
            if !again || self.network.now() > until {
                return answer;
            }
            self.server = 1 - self.server;
            self.network.sleep(self.network.from(20, 200)).await;
        }
    }

    fn acquire(&mut self, lock: &str, permits: u32) -> Ask {
        self.requests += 1;
        let request_id = format!("client {:04} request {:08}", self.number, self.requests);
        Ask::Acquire { lock: lock.to_owned(), request_id, permits }
    }

    /// Competes for permits.
    pub(crate) async fn work(mut self) {
        loop {
            self.job().await;
            self.network.sleep(self.network.from(0, 300)).await;
        }
    }

    async fn job(&mut self) {
        let network = Rc::clone(&self.network);
        let (lock, size) = LOCKS[usize::try_from(network.from(0, 2)).expect("small")];
        let permits = if size > 1 && network.percent(20) { 2 } else { 1 };
        let wait = if network.percent(50) { 0 } else { network.from(500, 3000) };
        let (queue, ttl) = (network.percent(70), network.from(4000, 12_000));
        let ask = self.acquire(lock, permits);
        let manner = Manner { queue, wait, ttl, ..self.manner() };
        let Answer::Ticket(mut told) = self.insist(manner, ask.clone()).await else { return };
        while !told.held {
            if network.percent(3) {
                break;
            }
            let wait = if network.percent(30) { 0 } else { network.from(200, 3000) };
            let ask = Ask::Wait { ticket: told.id.clone(), waits: wait > 0 };
            match self.insist(Manner { wait, ..self.manner() }, ask).await {
                Answer::Ticket(now) => told = now,
                _ => return,
            }
            network.sleep(network.from(0, 200)).await;
        }
        if told.held && !self.hold(&told).await || network.percent(2) {
            return;
        }
        self.release(&told).await;
        if network.percent(10) {
            self.ask(manner, &ask).await;
        }
    }

    async fn hold(&mut self, told: &Told) -> bool {
        let network = Rc::clone(&self.network);
        let time = if network.percent(80) { network.from(0, 400) } else { network.from(500, 8000) };
        let until = network.now() + time;
        loop {
            let answer = self.insist(self.manner(), Ask::Renew { ticket: told.id.clone() }).await;
            if !matches!(answer, Answer::Ticket(_)) {
                return false;
            }
            if network.now() >= until {
                return true;
            }
            network.sleep((until - network.now()).min(told.ttl / MS / 5)).await;
        }
    }

    /// Gives back. Who is told that this was not done has its permits still, and may go on with them.
    async fn release(&mut self, told: &Told) {
        let ask = Ask::Release { ticket: told.id.clone() };
        let answer = self.ask(self.manner(), &ask).await;
        if matches!(answer, Answer::Refused(_)) && self.network.percent(70) {
            self.insist(self.manner(), Ask::Renew { ticket: told.id.clone() }).await;
        }
        if answer != Answer::Released {
            self.insist(self.manner(), ask).await;
        }
    }

    /// Sets sizes.
    pub(crate) async fn resize(mut self) {
        loop {
            let (lock, _) = LOCKS[2];
            let size = u32::try_from(self.network.from(2, 5)).expect("small");
            let ask = Ask::Resize { lock: lock.to_owned(), size };
            if self.network.percent(50) {
                self.insist(self.manner(), ask).await;
            } else if self.ask(self.manner(), &ask).await != Answer::Resized {
                self.server = 1 - self.server;
            }
            self.network.sleep(self.network.from(300, 2000)).await;
        }
    }

    /// Renews as late as it may: after a takeover, by the lease that begins anew with that.
    pub(crate) async fn be_late(mut self) {
        let network = Rc::clone(&self.network);
        loop {
            let (lock, _) = LOCKS[3];
            let ask = self.acquire(lock, 1);
            let ttl = network.from(6000, 12_000);
            let manner = Manner { queue: true, wait: 1000, ttl, ..self.manner() };
            let Answer::Ticket(told) = self.insist(manner, ask).await else { continue };
            let mut holds = told.held;
            while holds {
                let sent = network.stamp();
                let answer = self.insist(self.manner(), Ask::Renew { ticket: told.id.clone() }).await;
                holds = matches!(answer, Answer::Ticket(_)) && !network.percent(20);
                let heard = network.stamp();
                loop {
                    let first = network.takeovers().into_iter().find(|at| *at > heard);
                    let begins = first.filter(|at| at + 300 * MS < sent + told.ttl).unwrap_or(sent);
                    if network.stamp() >= begins + told.ttl / 100 * 90 {
                        break;
                    }
                    network.tick().await;
                }
            }
            self.release(&told).await;
        }
    }

    /// Stays with its server, whatever happens to it.
    pub(crate) async fn accompany(self) {
        let network = Rc::clone(&self.network);
        loop {
            let (lock, _) = LOCKS[usize::try_from(network.from(0, 3)).expect("small")];
            let ask = match network.recent() {
                Some((_, told)) if network.percent(30) && network.is_apart(self.server) => {
                    Ask::Renew { ticket: told.id }
                }
                Some((lock, told)) if network.percent(40) => Ask::Verify { lock, token: told.token },
                _ => Ask::Look { lock: lock.to_owned() },
            };
            let manner = Manner { client: self.number, is_companion: true, patience: LONG, ..Manner::default() };
            network.ask(manner, self.server, ask).await;
            let pause = if network.is_apart(self.server) { 0 } else { network.from(50, 300) };
            network.sleep(pause).await;
        }
    }
}
