//! What a run does to servers and to etcd.

mod etcd;
mod kind;
mod leader;
mod watch;

pub(crate) use etcd::EtcdNemesis;
pub(crate) use watch::{CHANGE, watch_leaders};

use crate::client::Shared;
use crate::history::{Fault, Nanos};
use crate::random::Random;
use crate::world::{Cut, Pair, Process, Standing};
use kind::Kind;
use leader::By;
use rustix::process::Signal;
use std::io;
use std::time::Duration;
use tokio::time::sleep;

/// Every kind comes before one comes more often than it should.
#[derive(Debug)]
struct Deck<K: 'static> {
    all: &'static [K],
    left: Vec<K>,
}

impl<K: Copy> Deck<K> {
    const fn new(all: &'static [K]) -> Self {
        Self { all, left: Vec::new() }
    }

    fn draw(&mut self, random: &mut Random, is_possible: impl Fn(K) -> bool) -> K {
        loop {
            if self.left.is_empty() {
                self.left.extend(self.all);
            }
            let kind = self.left.swap_remove(usize::try_from(random.below(self.left.len() as u64)).expect("small"));
            if is_possible(kind) {
                return kind;
            }
        }
    }
}

/// Chooses faults of a pair of servers, and brings them about.
#[derive(Debug)]
pub(crate) struct Nemesis {
    deck: Deck<Kind>,
    random: Random,
    lease: Duration,
}

impl Nemesis {
    pub(crate) fn new(seed: u64, number: u64, lease: Duration) -> Self {
        Self { deck: Deck::new(&Kind::ALL), random: Random::new(seed, 1_000_000 + number), lease }
    }

    /// Breaks something and mends it again.
    pub(crate) async fn strike(&mut self, pair: &mut Pair, shared: &Shared) -> io::Result<Fault> {
        let kind = self.deck.draw(&mut self.random, |kind| kind.is_possible(pair));
        let from = shared.now();
        let broken = async {
            let broken = Strike { pair: &mut *pair, shared, random: &mut self.random, lease: self.lease }
                .bring_about(kind)
                .await;
            shared.set_apart(None);
            pair.mend()?;
            broken?;
            let mended = shared.now();
            pair.wait_until_well().await?;
            Ok::<_, io::Error>(mended)
        };
        let mended = broken.await.map_err(|error| io::Error::other(format!("{}: {error}", kind.name())))?;
        Ok(Fault { kind: kind.name(), from, mended, until: shared.now() })
    }

    /// A time in which all is well, and order can be judged.
    pub(crate) async fn be_calm(&mut self, at_most_ms: u64) {
        sleep(self.random.ms(at_most_ms / 8, at_most_ms)).await;
    }
}

/// One fault of a pair.
struct Strike<'a> {
    pair: &'a mut Pair,
    shared: &'a Shared,
    random: &'a mut Random,
    lease: Duration,
}

impl Strike<'_> {
    async fn bring_about(&mut self, kind: Kind) -> io::Result<()> {
        let known = self.pair.leader().await;
        let leader = known.unwrap_or(0);
        let standby = 1 - leader;
        let within = self.random.ms(50, 1800);
        match kind {
            Kind::KillLeader => {
                self.kill_leader(known).await;
                self.pass(0, 4000).await;
            }
            Kind::KillLeaderAsLeasesEnd => self.kill_leader_as_leases_end(known).await?,
            Kind::TerminateLeader => {
                self.pair.servers[leader].process.signal(Signal::TERM);
                self.pair.servers[leader].process.ended().await?;
                self.pass(0, 1000).await;
            }
            Kind::StopLeader => {
                let beyond = self.lease + self.random.ms(200, 3000);
                stop(&mut self.pair.servers[leader].process, beyond).await;
            }
            Kind::StopQuietLeader => self.stop_quiet_leader(leader).await?,
            Kind::StopLeaderForAMoment => stop(&mut self.pair.servers[leader].process, within).await,
            Kind::CutLeader => self.cut_leader(leader, Cut::Everything, By::Links).await?,
            Kind::CutLeaderFromAnswers => self.cut_leader(leader, Cut::Answers, By::Links).await?,
            Kind::CutLeaderFromRequests => self.cut_leader(leader, Cut::Requests, By::Links).await?,
            Kind::DropPackets => self.cut_leader(leader, Cut::Everything, By::Packets).await?,
            Kind::DropPacketsOneWay => {
                let what = if self.random.percent(50) { Cut::Answers } else { Cut::Requests };
                self.cut_leader(leader, what, By::Packets).await?;
            }
            Kind::SlowLeader => {
                self.pair.slow(leader)?;
                self.pass(500, 5000).await;
            }
            Kind::CutQuietLeader => self.cut_quiet_leader(leader).await?,
            Kind::LateWrites => self.late_writes(leader).await?,
            Kind::SwallowAnswers => self.swallow_answers(known).await?,
            Kind::CutLeaderForAMoment => {
                let what = [Cut::Answers, Cut::Requests, Cut::Everything]
                    [usize::try_from(self.random.below(3)).expect("small")];
                self.pair.cut_from_etcd(leader, what);
                sleep(within).await;
            }
            Kind::KillStandby => {
                self.pair.servers[standby].process.kill().await;
                self.pass(0, 1000).await;
            }
            Kind::StopStandby => stop(&mut self.pair.servers[standby].process, within * 2).await,
            Kind::CutStandbyFromEtcd => {
                self.pair.cut_from_etcd(standby, Cut::Everything);
                self.pass(100, 4000).await;
            }
            Kind::CutStandbyFromLeader => {
                let what = if self.random.percent(50) { Cut::Answers } else { Cut::Everything };
                self.pair.from_other[leader].cut(what);
                self.pass(100, 4000).await;
            }
            Kind::SetClocks => self.set_clocks(known).await?,
            Kind::KillServers => {
                self.pair.kill().await;
                self.shared.taken_over(self.shared.now());
                self.pass(0, 1000).await;
            }
        }
        Ok(())
    }

    /// Sets the wall clock of each server by up to a day, ahead or back, and again while clients work. Half of the time the leader
    /// dies then, so that the next one goes on by a clock that differs. The clocks stay as they are.
    async fn set_clocks(&mut self, known: Option<usize>) -> io::Result<()> {
        for _ in 0..2 {
            for server in &self.pair.servers {
                let hours = i64::try_from(self.random.below(48)).expect("small") - 24;
                server.wall_clock.set_ahead(hours * 3600)?;
            }
            self.pass(200, 1000).await;
        }
        if self.random.percent(50) {
            self.kill_leader(known).await;
            self.pass(0, 1000).await;
        }
        Ok(())
    }

    /// `known`: the leader, if somebody surely leads.
    async fn kill_leader(&mut self, known: Option<usize>) {
        let leader = known.unwrap_or(0);
        self.pair.servers[leader].process.kill().await;
        let dead = self.shared.now();
        if known.is_some() && self.pair.servers[1 - leader].standing().await != Standing::Leads {
            self.shared.taken_over(dead);
        }
    }

    /// The other server leads, and this one has been cut off or stood still since then.
    async fn until_taken_over(&self, leader: usize, since: Nanos) -> io::Result<()> {
        self.pair.wait_until_leads(1 - leader).await?;
        self.shared.taken_over(since);
        Ok(())
    }

    async fn pass(&mut self, from_ms: u64, until_ms: u64) {
        sleep(self.random.ms(from_ms, until_ms)).await;
    }
}

async fn stop(process: &mut Process, time: Duration) {
    process.signal(Signal::STOP);
    sleep(time).await;
    process.signal(Signal::CONT);
}
