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

    /// Adds a ticket; 0 permits are "all". Within a priority places only grow (rule 2); at load the caller adds in order.
    pub(crate) fn push(&mut self, place: Place, id: TicketId, permits: u32, dormant: bool) {
        assert!(self.order.insert(place, id).is_none(), "a place is given once");
        let ranks = self.ranks.entry(place.priority).or_default();
        ranks.push(place.seq);
        if permits != 1 {
            self.wants.insert((permits, place));
        }
        self.set_dormant(place, permits, dormant);
    }

    /// Adds dormant tickets at places that were given long ago. Builds everything anew, so it is for a load only.
    pub(crate) fn put_back(&mut self, tickets: Vec<(Place, TicketId, u32)>) {
        let wants: BTreeMap<Place, u32> = self.wants.iter().map(|&(permits, place)| (place, permits)).collect();
        let old = std::mem::take(self);
        let stay = old.iter().map(|(place, id)| (place, id, wants.get(&place).copied().unwrap_or(1)));
        let mut all: Vec<_> = stay.chain(tickets).collect();
        all.sort_unstable_by_key(|(place, ..)| *place);
        for (place, id, permits) in all {
            self.push(place, id, permits, !old.is_ready(place));
        }
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
                        queue.put_back(vec![(place, TicketId(place.seq.into()), permits[&place])]);
                        model.insert(place, false);
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
