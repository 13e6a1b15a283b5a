//! Faults of etcd, which all pairs of servers feel.

use super::Deck;
use crate::random::Random;
use crate::world::{Cut, Etcd};
use rustix::process::Signal;
use std::io;
use tokio::time::sleep;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    KillMember,
    StopMember,
    KillLeader,
    StopLeader,
    KillMajority,
    KillAll,
    Compact,
    Defragment,
    FillDisk,
    KillEverything,
    CutMember,
    CutLeader,
    CutLeaderOneWay,
    SlowMember,
}

impl Kind {
    /// Each kind as often as it stands here.
    const ALL: [Self; 15] = [
        Self::KillMember,
        Self::KillMember,
        Self::StopMember,
        Self::KillLeader,
        Self::StopLeader,
        Self::KillMajority,
        Self::KillAll,
        Self::Compact,
        Self::Defragment,
        Self::FillDisk,
        Self::KillEverything,
        Self::CutMember,
        Self::CutLeader,
        Self::CutLeaderOneWay,
        Self::SlowMember,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KillMember => "a member of etcd killed",
            Self::StopMember => "a member of etcd stopped",
            Self::KillLeader => "etcd's leader killed",
            Self::StopLeader => "etcd's leader stopped",
            Self::KillMajority => "most members of etcd killed",
            Self::KillAll => "all members of etcd killed",
            Self::Compact => "etcd compacted",
            Self::Defragment => "all members of etcd defragmented",
            Self::FillDisk => "disk of a member of etcd full",
            Self::KillEverything => "everything killed",
            Self::CutMember => "a member of etcd cut off from the others",
            Self::CutLeader => "etcd's leader cut off from the other members",
            // One way for a moment only: acknowledgements get lost, too, so that TCP soon falls silent both ways.
            Self::CutLeaderOneWay => "etcd's leader that the others do not hear, or that does not hear them",
            Self::SlowMember => "packets of a member of etcd late",
        }
    }

    /// Whether it can be brought about there.
    fn is_possible(self, etcd: &Etcd) -> bool {
        match self {
            Self::FillDisk => etcd.has_small_disk(),
            Self::CutMember | Self::CutLeader | Self::CutLeaderOneWay => etcd.has_packets(),
            Self::SlowMember => etcd.has_slowness(),
            _ => true,
        }
    }

    /// The servers are killed as well.
    pub(crate) fn is_of_all(self) -> bool {
        self == Self::KillEverything
    }
}

/// Chooses faults of etcd, and brings them about.
#[derive(Debug)]
pub(crate) struct EtcdNemesis {
    deck: Deck<Kind>,
    random: Random,
}

impl EtcdNemesis {
    pub(crate) fn new(seed: u64) -> Self {
        Self { deck: Deck::new(&Kind::ALL), random: Random::new(seed, 1) }
    }

    /// Whether this is the name of a fault of etcd.
    pub(crate) fn names(name: &str) -> bool {
        Kind::ALL.iter().any(|kind| kind.name() == name)
    }

    pub(crate) fn draw(&mut self, etcd: &Etcd) -> Kind {
        self.deck.draw(&mut self.random, |kind| kind.is_possible(etcd))
    }

    /// How long to wait before the next one.
    pub(crate) async fn be_calm(&mut self, at_most_ms: u64) {
        sleep(self.random.ms(at_most_ms / 8, at_most_ms)).await;
    }

    /// Breaks something, and mends it. Of everything: the part of etcd.
    pub(crate) async fn strike(&mut self, kind: Kind, etcd: &mut Etcd) -> io::Result<()> {
        let any = usize::try_from(self.random.below(etcd.members.len() as u64)).expect("small");
        let leader = etcd.leader().await.unwrap_or(any);
        match kind {
            Kind::KillMember => self.kill(etcd, &[any], 3000).await,
            Kind::StopMember => self.stop(etcd, any).await,
            Kind::KillLeader => self.kill(etcd, &[leader], 3000).await,
            Kind::StopLeader => self.stop(etcd, leader).await,
            Kind::KillMajority => {
                let most: Vec<usize> = (0..=etcd.members.len() / 2).collect();
                self.kill(etcd, &most, 5000).await;
            }
            Kind::KillAll | Kind::KillEverything => {
                let all: Vec<usize> = (0..etcd.members.len()).collect();
                self.kill(etcd, &all, 1000).await;
            }
            Kind::FillDisk => {
                etcd.fill_disk()?;
                sleep(self.random.ms(1000, 5000)).await;
            }
            Kind::CutMember => self.cut_off(etcd, any, Cut::Everything).await?,
            Kind::CutLeader => self.cut_off(etcd, leader, Cut::Everything).await?,
            Kind::CutLeaderOneWay => {
                let what = if self.random.percent(50) { Cut::Requests } else { Cut::Answers };
                self.cut_off(etcd, leader, what).await?;
            }
            Kind::SlowMember => {
                etcd.slow(any)?;
                sleep(self.random.ms(1000, 6000)).await;
            }
            Kind::Compact => etcd.compact().await,
            Kind::Defragment => {
                for member in &etcd.members {
                    member.defragment().await;
                }
            }
        }
        etcd.mend()
    }

    async fn kill(&mut self, etcd: &mut Etcd, members: &[usize], at_most_ms: u64) {
        for member in members {
            etcd.members[*member].process.kill().await;
        }
        sleep(self.random.ms(0, at_most_ms)).await;
    }

    async fn stop(&mut self, etcd: &mut Etcd, member: usize) {
        etcd.members[member].process.signal(Signal::STOP);
        sleep(self.random.ms(500, 5000)).await;
    }

    /// For long enough that the others choose a leader, most of the time.
    async fn cut_off(&mut self, etcd: &mut Etcd, member: usize, what: Cut) -> io::Result<()> {
        etcd.cut_off(member, what)?;
        sleep(self.random.ms(1000, 6000)).await;
        Ok(())
    }
}
