//! The queue of one lock (rule 2): who is next, and how many are ahead, in O(log n).

use crate::TicketId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Where a ticket queues. Smaller is served earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) priority: Reverse<i8>,
    pub(crate) seq: u64,
}

impl Place {
    pub(crate) fn new(priority: i8, seq: u64) -> Self {
        Self { priority: Reverse(priority), seq }
    }
}

/// A ticket that queues.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queued {
    pub(crate) place: Place,
    pub(crate) id: TicketId,
    /// What it asks for; 0 is "all".
    pub(crate) permits: u32,
    /// Not served until its next heartbeat.
    pub(crate) dormant: bool,
}

/// Queued tickets in order.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    order: BTreeMap<Place, TicketId>,
    /// Those of `order` that are not dormant.
    ready: BTreeSet<Place>,
    ranks: BTreeMap<Reverse<i8>, Ranks>,
    /// Tickets that do not ask for one permit, to find those that a smaller size makes impossible; 0 is "all", which never is.
    wants: BTreeSet<(u32, Place)>,
    /// Permits that those of `ready` ask for by number.
    ready_permits: u64,
    /// Those of `ready` that ask for all.
    ready_all: u64,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Adds a ticket; 0 permits are "all". Within a priority places only grow (rule 2).
    pub(crate) fn push(&mut self, place: Place, id: TicketId, permits: u32, dormant: bool) {
        assert!(self.order.insert(place, id).is_none(), "a place is given once");
        let ranks = self.ranks.entry(place.priority).or_default();
        ranks.push(place.seq);
        if permits != 1 {
            self.wants.insert((permits, place));
        }
        self.set_dormant(place, permits, dormant);
    }

    /// The queue of these tickets, in whatever order they come. Each index is built once, from what is sorted: that is faster than to
    /// add one after the other, and leaves no room in them. `None` if a place is given twice.
    pub(crate) fn of(mut tickets: Vec<Queued>) -> Option<Self> {
        tickets.sort_unstable_by_key(|ticket| ticket.place);
        if tickets.windows(2).any(|pair| pair[0].place == pair[1].place) {
            return None;
        }
        let ready = || tickets.iter().filter(|ticket| !ticket.dormant);
        let ranks = tickets.chunk_by(|one, next| one.place.priority == next.place.priority);
        Some(Self {
            ready: ready().map(|ticket| ticket.place).collect(),
            ready_permits: ready().map(|ticket| u64::from(ticket.permits)).sum(),
            ready_all: ready().filter(|ticket| ticket.permits == 0).count() as u64,
            ranks: ranks.map(|of| (of[0].place.priority, Ranks::of(of))).collect(),
            wants: tickets.iter().filter(|one| one.permits != 1).map(|one| (one.permits, one.place)).collect(),
            order: tickets.iter().map(|ticket| (ticket.place, ticket.id)).collect(),
        })
    }

    /// Puts tickets at places that were given long ago, in place of those that are there. Builds everything anew, so it is for the first
    /// step after a load only.
    pub(crate) fn put_back(&mut self, mut tickets: Vec<Queued>) {
        tickets.sort_unstable_by_key(|ticket| ticket.place);
        let wants: BTreeMap<Place, u32> = self.wants.iter().map(|&(permits, place)| (place, permits)).collect();
        let stay = self.iter().filter(|(place, _)| tickets.binary_search_by_key(place, |ticket| ticket.place).is_err());
        let stay = stay.map(|(place, id)| {
            let permits = wants.get(&place).copied().unwrap_or(1);
            Queued { place, id, permits, dormant: !self.is_ready(place) }
        });
        *self = Self::of(stay.chain(tickets.iter().copied()).collect()).expect("a place is given once");
    }

    pub(crate) fn remove(&mut self, place: Place, permits: u32) {
        self.order.remove(&place).expect("a queued ticket is in the queue");
        self.set_dormant(place, permits, true);
        let ranks = self.ranks.get_mut(&place.priority).expect("has this place");
        if ranks.remove(place.seq) {
            self.ranks.remove(&place.priority);
        }
        if permits != 1 {
            self.wants.remove(&(permits, place));
        }
    }

    /// Skips a ticket, or not any more; its place stays.
    pub(crate) fn set_dormant(&mut self, place: Place, permits: u32, dormant: bool) {
        let changed = if dormant { self.ready.remove(&place) } else { self.ready.insert(place) };
        if changed {
            let (sum, of) = match permits {
                0 => (&mut self.ready_all, 1),
                count => (&mut self.ready_permits, u64::from(count)),
            };
            *sum = if dormant { *sum - of } else { *sum + of };
            self.ranks.get_mut(&place.priority).expect("has this place").set_ready(place.seq, !dormant);
        }
    }

    /// The first ticket that is not dormant.
    pub(crate) fn head(&self) -> Option<(Place, TicketId)> {
        self.ready.first().map(|&place| (place, self.order[&place]))
    }

    /// How many tickets that are not dormant are before this place.
    pub(crate) fn ahead(&self, place: Place) -> u64 {
        let higher: u64 = self.ranks.range(..place.priority).map(|(_, ranks)| ranks.ready()).sum();
        higher + self.ranks.get(&place.priority).map_or(0, |ranks| ranks.ready_before(place.seq))
    }

    /// A ticket that asks for more permits than this.
    pub(crate) fn oversized(&self, size: u32) -> Option<TicketId> {
        self.wants.last().filter(|(permits, _)| *permits > size).map(|(_, place)| self.order[place])
    }

    /// All tickets that ask for more permits than this.
    pub(crate) fn all_oversized(&self, size: u32) -> impl Iterator<Item = TicketId> + '_ {
        self.wants.iter().rev().take_while(move |(permits, _)| *permits > size).map(|(_, place)| self.order[place])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, TicketId)> + '_ {
        self.order.iter().map(|(&place, &id)| (place, id))
    }

    /// Those behind a place, all of them without one, and how many that are not dormant are before each.
    pub(crate) fn behind(&self, place: Option<Place>) -> impl Iterator<Item = (Place, TicketId, u64)> + '_ {
        let from = place.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.order.range((from, Bound::Unbounded)).peekable();
        let mut ahead = rest.peek().map_or(0, |&(&first, _)| self.ahead(first));
        rest.map(move |(&place, &id)| {
            let before = ahead;
            ahead += u64::from(self.is_ready(place));
            (place, id, before)
        })
    }

    /// Tickets that are not dormant.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Permits that the tickets which are not dormant ask for together, of a lock of that size.
    pub(crate) fn wanted(&self, size: u32) -> u64 {
        self.ready_permits + self.ready_all * u64::from(size)
    }

    /// The ticket that is in line longest, whatever its priority; dormant ones are not in line. As many looks as there
    /// are priorities.
    pub(crate) fn longest_in_line(&self) -> Option<TicketId> {
        let first = |&priority| {
            self.ready.range(Place { priority, seq: 0 }..).next().filter(|place| place.priority == priority)
        };
        let place = self.ranks.keys().filter_map(first).min_by_key(|place| place.seq)?;
        Some(self.order[place])
    }

    pub(crate) fn is_ready(&self, place: Place) -> bool {
        self.ready.contains(&place)
    }
}

/// Counts the ready places before a given one: a Fenwick tree over the places of one priority in order of arrival.
/// Places are only appended; the dead ones are swept out when they are the larger half, which costs O(1) for each place.
#[derive(Debug, Default)]
struct Ranks {
    places: Vec<(u64, Mark)>,
    /// `tree[i]` counts the ready places of a power-of-two stretch that ends at place i.
    tree: Vec<u32>,
    live: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Ready,
    Dormant,
    Dead,
}

impl Ranks {
    /// Those of tickets in the order of their places.
    fn of(tickets: &[Queued]) -> Self {
        let mark = |dormant| if dormant { Mark::Dormant } else { Mark::Ready };
        let mut tree: Vec<u32> = tickets.iter().map(|ticket| u32::from(!ticket.dormant)).collect();
        for at in 1..=tree.len() {
            let next = at + (at & at.wrapping_neg());
            if next <= tree.len() {
                tree[next - 1] += tree[at - 1];
            }
        }
        let places = tickets.iter().map(|ticket| (ticket.place.seq, mark(ticket.dormant))).collect();
        Self { places, tree, live: tickets.len() }
    }

    fn push(&mut self, seq: u64) {
        assert!(self.places.last().is_none_or(|&(last, _)| last < seq), "places only grow");
        self.places.push((seq, Mark::Dormant));
        self.live += 1;
        let at = self.places.len();
        let stretch = at & at.wrapping_neg();
        // What the new node covers but itself, and the new place is not ready yet.
        let covered = self.sum(at - 1) - self.sum(at - stretch);
        self.tree.push(u32::try_from(covered).expect("bounded by TICKETS_MAX"));
    }

    fn index(&self, seq: u64) -> usize {
        self.places.binary_search_by_key(&seq, |&(seq, _)| seq).expect("a queued ticket has a rank")
    }

    fn set_ready(&mut self, seq: u64, ready: bool) {
        let index = self.index(seq);
        let mark = if ready { Mark::Ready } else { Mark::Dormant };
        if std::mem::replace(&mut self.places[index].1, mark) == mark {
            return;
        }
        let mut at = index + 1;
        while at <= self.tree.len() {
            let node = &mut self.tree[at - 1];
            *node = if ready { *node + 1 } else { *node - 1 };
            at += at & at.wrapping_neg();
        }
    }

    /// Removes a place that is not ready. True if none is left.
    fn remove(&mut self, seq: u64) -> bool {
        let index = self.index(seq);
        self.places[index].1 = Mark::Dead;
        self.live -= 1;
        if self.live < self.places.len() / 2 && self.places.len() > 64 {
            let kept = std::mem::take(&mut self.places);
            self.tree.clear();
            self.live = 0;
            for (seq, mark) in kept.into_iter().filter(|&(_, mark)| mark != Mark::Dead) {
                self.push(seq);
                self.set_ready(seq, mark == Mark::Ready);
            }
            self.places.shrink_to(self.places.len() * 2);
            self.tree.shrink_to(self.tree.len() * 2);
        }
        self.live == 0
    }

    fn sum(&self, mut count: usize) -> u64 {
        let mut sum = 0;
        while count > 0 {
            sum += u64::from(self.tree[count - 1]);
            count -= count & count.wrapping_neg();
        }
        sum
    }

    fn ready(&self) -> u64 {
        self.sum(self.tree.len())
    }

    fn ready_before(&self, seq: u64) -> u64 {
        self.sum(self.places.partition_point(|&(other, _)| other < seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rule_2_places_equal_those_of_a_sorted_list(ops in prop::collection::vec((0u8..5, -1i8..2, any::<prop::sample::Index>()), 0..400)) {
            let mut queue = Queue::default();
            let mut model: BTreeMap<Place, bool> = BTreeMap::new();
            let mut permits: BTreeMap<Place, u32> = BTreeMap::new();
            for (seq, (op, priority, pick)) in ops.into_iter().enumerate() {
                let some = (!model.is_empty()).then(|| *model.keys().nth(pick.index(model.len())).unwrap());
                match (op, some) {
                    (0 | 1, _) => {
                        let place = Place::new(priority, seq as u64);
                        permits.insert(place, seq as u32 % 4);
                        queue.push(place, TicketId(seq as u128), permits[&place], op == 1);
                        model.insert(place, op == 0);
                    }
                    (2, Some(place)) => {
                        queue.remove(place, permits[&place]);
                        model.remove(&place);
                    }
                    (3, Some(place)) => {
                        queue.remove(place, permits[&place]);
                        model.insert(place, false);
                        let dormant = |place: Place| {
                            let id = TicketId(place.seq.into());
                            Queued { place, id, permits: permits[&place], dormant: true }
                        };
                        // Its neighbours become dormant where they are.
                        let near: Vec<Place> =
                            model.keys().copied().filter(|one| one.seq.abs_diff(place.seq) < 4).collect();
                        queue.put_back(near.iter().copied().map(dormant).collect());
                        near.into_iter().for_each(|place| *model.get_mut(&place).unwrap() = false);
                    }
                    (_, Some(place)) => {
                        let ready = !model[&place];
                        queue.set_dormant(place, permits[&place], !ready);
                        model.insert(place, ready);
                    }
                    _ => {}
                }
                prop_assert_eq!(queue.head().map(|(place, _)| place), model.iter().find(|(_, ready)| **ready).map(|(p, _)| *p));
                let waiting = model.iter().filter(|(_, ready)| **ready).map(|(place, _)| place);
                prop_assert_eq!(queue.ready(), waiting.clone().count());
                let asked = |place: &Place| u64::from(if permits[place] == 0 { 9 } else { permits[place] });
                prop_assert_eq!(queue.wanted(9), waiting.clone().map(asked).sum::<u64>());
                let longest = waiting.map(|place| place.seq).min();
                prop_assert_eq!(queue.longest_in_line().map(|id| id.0), longest.map(u128::from));
                for place in model.keys() {
                    let ahead = model.range(..place).filter(|(_, ready)| **ready).count() as u64;
                    prop_assert_eq!(queue.ahead(*place), ahead);
                }
            }
        }
    }
}
