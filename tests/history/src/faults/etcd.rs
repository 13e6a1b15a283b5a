//! Faults of etcd, which all pairs of servers feel.

use super::Deck;
use crate::random::Random;
use crate::world::Etcd;
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
}

impl Kind {
    /// Each kind as often as it stands here.
    const ALL: [Self; 11] = [
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
        loop {
            let kind = self.deck.draw(&mut self.random);
            if kind != Kind::FillDisk || etcd.has_small_disk() {
                return kind;
            }
        }
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
}
