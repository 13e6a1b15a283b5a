//! The tickets of one priority in the order of their arrival, and how many of them are ready before any of them.

use super::Queued;
use crate::TicketId;

/// A Fenwick tree over the places of one priority. Places are only appended, so that a search finds them; the dead ones are
/// swept out when they are the larger half, which costs O(1) for each place. There may be a hundred thousand, so what is
/// kept of each is in columns of its own, and none of it twice.
#[derive(Debug, Default)]
pub(super) struct Line {
    seqs: Vec<u64>,
    ids: Vec<TicketId>,
    marks: Vec<Mark>,
    /// `tree[i]` counts the ready places of a power-of-two stretch that ends at place i.
    tree: Vec<u32>,
    /// All places before this one are dead: who leaves is the first, as a rule.
    first: usize,
    live: usize,
    ready: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Ready,
    /// Ready, but that something else than its client lets others pass.
    Passed,
    Dormant,
    Dead,
}

impl Line {
    /// The line of tickets in the order of their places.
    pub(super) fn of(tickets: &[Queued]) -> Self {
        let mark = |dormant| if dormant { Mark::Dormant } else { Mark::Ready };
        let mut tree: Vec<u32> = tickets.iter().map(|ticket| u32::from(!ticket.dormant)).collect();
        for at in 1..=tree.len() {
            let next = at + (at & at.wrapping_neg());
            if next <= tree.len() {
                tree[next - 1] += tree[at - 1];
            }
        }
        Self {
            seqs: tickets.iter().map(|ticket| ticket.place.seq).collect(),
            ids: tickets.iter().map(|ticket| ticket.id).collect(),
            marks: tickets.iter().map(|ticket| mark(ticket.dormant)).collect(),
            tree,
            first: 0,
            live: tickets.len(),
            ready: tickets.iter().filter(|ticket| !ticket.dormant).count(),
        }
    }

    /// A new place at the end, dormant.
    pub(super) fn push(&mut self, seq: u64, id: TicketId) {
        assert!(self.seqs.last().is_none_or(|&last| last < seq), "places only grow");
        self.seqs.push(seq);
        self.ids.push(id);
        self.marks.push(Mark::Dormant);
        self.live += 1;
        let at = self.seqs.len();
        let stretch = at & at.wrapping_neg();
        // What the new node covers but itself, and the new place is not ready yet.
        let covered = self.sum(at - 1) - self.sum(at - stretch);
        self.tree.push(u32::try_from(covered).expect("bounded by TICKETS_MAX"));
    }

    fn index(&self, seq: u64) -> usize {
        self.seqs.binary_search(&seq).expect("a queued ticket has a place in its line")
    }

    pub(super) fn id(&self, seq: u64) -> TicketId {
        self.ids[self.index(seq)]
    }

    pub(super) fn is_dormant(&self, seq: u64) -> bool {
        self.marks[self.index(seq)] == Mark::Dormant
    }

    /// False if it was so already. A ticket that is no longer dormant is ready.
    pub(super) fn set_dormant(&mut self, seq: u64, dormant: bool) -> bool {
        let index = self.index(seq);
        let before = self.marks[index];
        if (before == Mark::Dormant) == dormant {
            return false;
        }
        self.marks[index] = if dormant { Mark::Dormant } else { Mark::Ready };
        if before != Mark::Passed {
            self.count_ready(index, !dormant);
        }
        true
    }

    /// Has others pass a ready place, or no longer. Does nothing to one that is dormant.
    pub(super) fn set_passed(&mut self, seq: u64, passed: bool) {
        let index = self.index(seq);
        match (self.marks[index], passed) {
            (Mark::Ready, true) => self.marks[index] = Mark::Passed,
            (Mark::Passed, false) => self.marks[index] = Mark::Ready,
            _ => return,
        }
        self.count_ready(index, !passed);
    }

    fn count_ready(&mut self, index: usize, ready: bool) {
        self.ready = if ready { self.ready + 1 } else { self.ready - 1 };
        let mut at = index + 1;
        while at <= self.tree.len() {
            let node = &mut self.tree[at - 1];
            *node = if ready { *node + 1 } else { *node - 1 };
            at += at & at.wrapping_neg();
        }
    }

    /// Removes a place that is dormant. True if none is left.
    pub(super) fn remove(&mut self, seq: u64) -> bool {
        let index = self.index(seq);
        assert_eq!(std::mem::replace(&mut self.marks[index], Mark::Dead), Mark::Dormant, "removed once");
        self.live -= 1;
        while self.marks.get(self.first) == Some(&Mark::Dead) {
            self.first += 1;
        }
        if self.live < self.seqs.len() / 2 && self.seqs.len() > 64 {
            self.sweep();
        }
        self.live == 0
    }

    /// Builds the line anew, without the dead.
    fn sweep(&mut self) {
        let old = std::mem::take(self);
        self.seqs.reserve(old.live);
        self.ids.reserve(old.live);
        self.marks.reserve(old.live);
        self.tree.reserve(old.live);
        for ((seq, id), mark) in old.seqs.into_iter().zip(old.ids).zip(old.marks) {
            if mark != Mark::Dead {
                self.push(seq, id);
                self.set_dormant(seq, mark == Mark::Dormant);
                if mark == Mark::Passed {
                    self.set_passed(seq, true);
                }
            }
        }
    }

    fn sum(&self, mut count: usize) -> u64 {
        let mut sum = 0;
        while count > 0 {
            sum += u64::from(self.tree[count - 1]);
            count -= count & count.wrapping_neg();
        }
        sum
    }

    /// Places that are ready.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    /// Of those, the ones before a place.
    pub(super) fn ready_before(&self, seq: u64) -> u64 {
        self.sum(self.seqs.partition_point(|&other| other < seq))
    }

    /// The first place that is ready.
    pub(super) fn first_ready(&self) -> Option<(u64, TicketId)> {
        if self.ready == 0 {
            return None;
        }
        // How many places come before it: down the tree, past every stretch in which none is ready.
        let mut before = 0;
        let mut stretch = 1 << self.tree.len().ilog2();
        while stretch > 0 {
            if self.tree.get(before + stretch - 1) == Some(&0) {
                before += stretch;
            }
            stretch /= 2;
        }
        Some((self.seqs[before], self.ids[before]))
    }

    /// Places behind this one, or all of them, with their tickets and whether they are ready.
    pub(super) fn behind(&self, seq: Option<u64>) -> impl Iterator<Item = (u64, TicketId, bool)> + '_ {
        let from = seq.map_or(0, |seq| self.seqs.partition_point(|&other| other <= seq));
        (from.max(self.first)..self.seqs.len())
            .filter(|&at| self.marks[at] != Mark::Dead)
            .map(|at| (self.seqs[at], self.ids[at], self.marks[at] == Mark::Ready))
    }
}
