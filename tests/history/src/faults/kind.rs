//! Kinds of faults of a pair of servers.

use crate::world::Pair;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    KillLeader,
    KillLeaderAsLeasesEnd,
    TerminateLeader,
    StopLeader,
    StopQuietLeader,
    StopLeaderForAMoment,
    CutLeader,
    CutLeaderFromAnswers,
    CutLeaderFromRequests,
    CutQuietLeader,
    LateWrites,
    SwallowAnswers,
    CutLeaderForAMoment,
    KillStandby,
    StopStandby,
    CutStandbyFromEtcd,
    CutStandbyFromLeader,
    SetClocks,
    KillServers,
    DropPackets,
    DropPacketsOneWay,
    SlowLeader,
}

impl Kind {
    /// Each kind as often as it stands here.
    pub(super) const ALL: [Self; 31] = [
        Self::KillLeader,
        Self::KillLeader,
        Self::KillLeaderAsLeasesEnd,
        Self::KillLeaderAsLeasesEnd,
        Self::TerminateLeader,
        Self::TerminateLeader,
        Self::StopLeader,
        Self::StopQuietLeader,
        Self::StopQuietLeader,
        Self::StopLeaderForAMoment,
        Self::CutLeader,
        Self::CutLeaderFromAnswers,
        Self::CutLeaderFromRequests,
        Self::CutQuietLeader,
        Self::CutQuietLeader,
        Self::LateWrites,
        Self::LateWrites,
        Self::SwallowAnswers,
        Self::SwallowAnswers,
        Self::CutLeaderForAMoment,
        Self::CutLeaderForAMoment,
        Self::KillStandby,
        Self::StopStandby,
        Self::CutStandbyFromEtcd,
        Self::CutStandbyFromLeader,
        Self::SetClocks,
        Self::SetClocks,
        Self::KillServers,
        Self::DropPackets,
        Self::DropPacketsOneWay,
        Self::SlowLeader,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::KillLeader => "leader killed",
            Self::KillLeaderAsLeasesEnd => "leader killed as leases of silent clients end",
            Self::TerminateLeader => "leader terminated",
            Self::StopLeader => "leader stopped for longer than its lease",
            Self::StopQuietLeader => "leader with few clients stopped for longer than its lease",
            Self::StopLeaderForAMoment => "leader stopped for a moment",
            Self::CutLeader => "leader cut off from etcd for longer than its lease",
            Self::CutLeaderFromAnswers => "leader that etcd hears and that hears nothing",
            Self::CutLeaderFromRequests => "leader that etcd does not hear",
            Self::CutQuietLeader => "leader cut off from etcd and all but a few clients",
            Self::LateWrites => "writes of a leader that arrive after the next one leads, and that one killed",
            Self::SwallowAnswers => "answers of etcd to a leader lost, and that one killed or cut off",
            Self::CutLeaderForAMoment => "leader cut off from etcd for a moment",
            Self::KillStandby => "standby killed",
            Self::StopStandby => "standby stopped",
            Self::CutStandbyFromEtcd => "standby cut off from etcd",
            Self::CutStandbyFromLeader => "standby cut off from the leader",
            Self::SetClocks => "wall clocks of the servers set by hours",
            Self::KillServers => "all servers killed",
            Self::DropPackets => "packets between leader and etcd dropped",
            // One way for a moment only, as TCP misses its acknowledgements. `CutLeaderFromAnswers` and its like stay one-way.
            Self::DropPacketsOneWay => "packets from leader to etcd dropped, or those back",
            Self::SlowLeader => "packets of the leader late",
        }
    }

    /// Whether it can be brought about in the network of this pair.
    pub(super) fn is_possible(self, pair: &Pair) -> bool {
        match self {
            Self::DropPackets | Self::DropPacketsOneWay => pair.has_packets(),
            Self::SlowLeader => pair.has_slowness(),
            _ => true,
        }
    }
}
