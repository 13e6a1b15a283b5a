//! What a run does to servers and to etcd.

use crate::client::Shared;
use crate::history::Fault;
use crate::http::{Outcome, call};
use crate::random::Random;
use crate::world::{Cut, Link, World};
use hyper::Method;
use rustix::process::Signal;
use std::io;
use std::time::Duration;
use tokio::time::sleep;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    KillLeader,
    StopLeaderBeyondItsLease,
    StopLeaderWithinItsLease,
    TerminateLeader,
    CutLeaderBeyondItsLease,
    CutLeaderFromAnswers,
    CutLeaderWithinItsLease,
    KillStandby,
    StopStandby,
    KillMember,
    StopMember,
    KillMajority,
    KillServers,
    KillEverything,
}

impl Kind {
    /// Each kind as often as it stands here.
    const ALL: [Self; 20] = [
        Self::KillLeader,
        Self::KillLeader,
        Self::StopLeaderBeyondItsLease,
        Self::StopLeaderBeyondItsLease,
        Self::StopLeaderBeyondItsLease,
        Self::StopLeaderWithinItsLease,
        Self::TerminateLeader,
        Self::TerminateLeader,
        Self::CutLeaderBeyondItsLease,
        Self::CutLeaderBeyondItsLease,
        Self::CutLeaderFromAnswers,
        Self::CutLeaderWithinItsLease,
        Self::KillStandby,
        Self::StopStandby,
        Self::KillMember,
        Self::KillMember,
        Self::StopMember,
        Self::KillMajority,
        Self::KillServers,
        Self::KillEverything,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KillLeader => "leader killed",
            Self::StopLeaderBeyondItsLease => "leader stopped for longer than its lease",
            Self::StopLeaderWithinItsLease => "leader stopped for a moment",
            Self::TerminateLeader => "leader terminated",
            Self::CutLeaderBeyondItsLease => "leader cut off from etcd for longer than its lease",
            Self::CutLeaderFromAnswers => "leader that etcd hears and that hears nothing",
            Self::CutLeaderWithinItsLease => "leader cut off from etcd for a moment",
            Self::KillStandby => "standby killed",
            Self::StopStandby => "standby stopped",
            Self::KillMember => "a member of etcd killed",
            Self::StopMember => "a member of etcd stopped",
            Self::KillMajority => "most members of etcd killed",
            Self::KillServers => "all servers killed",
            Self::KillEverything => "everything killed",
        }
    }
}

/// Chooses faults and brings them about.
#[derive(Debug)]
pub(crate) struct Nemesis {
    deck: Vec<Kind>,
    random: Random,
    lease: Duration,
}

impl Nemesis {
    pub(crate) fn new(seed: u64, lease: Duration) -> Self {
        Self { deck: Vec::new(), random: Random::new(seed, 1), lease }
    }

    /// Breaks something and mends it again.
    pub(crate) async fn strike(&mut self, world: &mut World, shared: &Shared) -> io::Result<Fault> {
        if self.deck.is_empty() {
            // Every kind comes before one comes more often than it should.
            self.deck.extend(Kind::ALL);
        }
        let at = usize::try_from(self.random.below(self.deck.len() as u64)).expect("small");
        let kind = self.deck.swap_remove(at);
        let from = shared.now();
        self.bring_about(kind, world).await?;
        world.heal().await.map_err(|error| io::Error::other(format!("after {}: {error}", kind.name())))?;
        let fault = Fault { kind: kind.name(), from, until: shared.now() };
        // A calm time, in which order can be judged.
        sleep(self.random.ms(200, 1500)).await;
        Ok(fault)
    }

    async fn bring_about(&mut self, kind: Kind, world: &mut World) -> io::Result<()> {
        let leader = world.leader().await.unwrap_or(0);
        let standby = 1 - leader;
        let member = usize::try_from(self.random.below(world.members.len() as u64)).expect("small");
        let beyond = self.lease + self.random.ms(200, 3000);
        match kind {
            Kind::KillLeader => {
                world.servers[leader].process.kill().await;
                sleep(self.random.ms(0, 5000)).await;
            }
            Kind::StopLeaderBeyondItsLease => self.stop(&mut world.servers[leader].process, beyond).await,
            Kind::StopLeaderWithinItsLease => {
                let within = self.random.ms(100, 1800);
                self.stop(&mut world.servers[leader].process, within).await;
            }
            Kind::TerminateLeader => {
                world.servers[leader].process.signal(Signal::TERM);
                world.servers[leader].process.ended().await?;
                sleep(self.random.ms(0, 1000)).await;
            }
            Kind::CutLeaderBeyondItsLease => cut(&world.links[leader], Cut::Everything, beyond).await,
            Kind::CutLeaderFromAnswers => cut(&world.links[leader], Cut::Answers, beyond).await,
            Kind::CutLeaderWithinItsLease => {
                let what = if self.random.percent(50) { Cut::Answers } else { Cut::Everything };
                cut(&world.links[leader], what, self.random.ms(100, 1800)).await;
            }
            Kind::KillStandby => {
                world.servers[standby].process.kill().await;
                sleep(self.random.ms(0, 1000)).await;
            }
            Kind::StopStandby => {
                let time = self.random.ms(100, 5000);
                self.stop(&mut world.servers[standby].process, time).await;
            }
            Kind::KillMember => {
                world.members[member].process.kill().await;
                sleep(self.random.ms(0, 3000)).await;
            }
            Kind::StopMember => {
                let time = self.random.ms(500, 5000);
                self.stop(&mut world.members[member].process, time).await;
            }
            Kind::KillMajority => {
                let most = world.members.len() / 2 + 1;
                for member in &mut world.members[..most] {
                    member.process.kill().await;
                }
                sleep(self.random.ms(0, 6000)).await;
            }
            Kind::KillServers => self.kill_servers(world).await,
            Kind::KillEverything => {
                self.kill_servers(world).await;
                for member in &mut world.members {
                    member.process.kill().await;
                }
            }
        }
        Ok(())
    }

    async fn kill_servers(&mut self, world: &mut World) {
        for server in &mut world.servers {
            server.process.kill().await;
        }
        sleep(self.random.ms(0, 1000)).await;
    }

    async fn stop(&mut self, process: &mut crate::world::Process, time: Duration) {
        process.signal(Signal::STOP);
        sleep(time).await;
        process.signal(Signal::CONT);
    }
}

async fn cut(links: &[Link], what: Cut, time: Duration) {
    links.iter().for_each(|link| link.cut(what));
    sleep(time).await;
    links.iter().for_each(|link| link.cut(Cut::Nothing));
}

/// Times without a leader, as somebody sees who asks both servers again and again. A change of leader that no fault explains
/// is one of these, too.
pub(crate) async fn watch_leaders(shared: &Shared) -> (Vec<Fault>, Duration) {
    let (mut changes, mut longest) = (Vec::new(), 0);
    let mut last = (shared.now(), String::new());
    while !shared.stopped() {
        for at in &shared.servers {
            let Outcome::Answered(200, body) =
                call(*at, Method::GET, "/v1/status", None, Duration::from_millis(200)).await
            else {
                continue;
            };
            if body["role"] != "leader" || body["ready"] != true {
                continue;
            }
            let now = shared.now();
            let leads = body["leader"].to_string();
            let without = now - last.0;
            longest = longest.max(without);
            if leads != last.1 || without > 1_000_000_000 {
                changes.push(Fault { kind: "change of leader", from: last.0, until: now });
            }
            last = (now, leads);
        }
        sleep(Duration::from_millis(50)).await;
    }
    (changes, Duration::from_nanos(longest))
}
