//! The queue of one lock (rule 2): who is next, and how many are ahead, in O(log n).

mod bundle;
mod classes;
mod line;

pub(crate) use bundle::{Bundle, BundleHead};
pub(crate) use classes::{Queues, Selected};

use crate::TicketId;
use line::Line;
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
    /// None of them is empty.
    lines: BTreeMap<Reverse<i8>, Line>,
    /// Tickets of all lines.
    len: usize,
    /// Those that are not dormant, whether they are passed over or not.
    ready: usize,
    /// Tickets that do not ask for one permit, to find those that a smaller size makes impossible; 0 is "all", which never is.
    wants: BTreeSet<(u32, Place)>,
    /// Permits that those of `ready` ask for by number.
    ready_permits: u64,
    /// Those of `ready` that ask for all.
    ready_all: u64,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a ticket; 0 permits are "all". Within a priority places only grow (rule 2).
    pub(crate) fn push(&mut self, place: Place, id: TicketId, permits: u32, dormant: bool) {
        self.lines.entry(place.priority).or_default().push(place.seq, id);
        self.len += 1;
        if permits != 1 {
            self.wants.insert((permits, place));
        }
        self.set_dormant(place, permits, dormant);
    }

    /// The queue of these tickets, in whatever order they come, built at once of what is sorted. `None` if a place is given twice.
    pub(crate) fn of(mut tickets: Vec<Queued>) -> Option<Self> {
        tickets.sort_unstable_by_key(|ticket| ticket.place);
        if tickets.windows(2).any(|pair| pair[0].place == pair[1].place) {
            return None;
        }
        let ready = || tickets.iter().filter(|ticket| !ticket.dormant);
        let lines = tickets.chunk_by(|one, next| one.place.priority == next.place.priority);
        Some(Self {
            lines: lines.map(|of| (of[0].place.priority, Line::of(of))).collect(),
            len: tickets.len(),
            ready: ready().count(),
            wants: tickets.iter().filter(|one| one.permits != 1).map(|one| (one.permits, one.place)).collect(),
            ready_permits: ready().map(|ticket| u64::from(ticket.permits)).sum(),
            ready_all: ready().filter(|ticket| ticket.permits == 0).count() as u64,
        })
    }

    /// Puts tickets at places that were given long ago, in place of those that are there. Builds everything anew, so it is for the first
    /// step after a load only.
    pub(crate) fn put_back(&mut self, mut tickets: Vec<Queued>) {
        tickets.sort_unstable_by_key(|ticket| ticket.place);
        let wants: BTreeMap<Place, u32> = self.wants.iter().map(|&(permits, place)| (place, permits)).collect();
        let stay = self.lines.iter().flat_map(|(&priority, line)| {
            line.behind(None).map(move |(seq, id, ready)| (Place { priority, seq }, id, !ready))
        });
        let stay = stay.filter(|(place, ..)| tickets.binary_search_by_key(place, |ticket| ticket.place).is_err());
        let stay = stay.map(|(place, id, dormant)| {
            let permits = wants.get(&place).copied().unwrap_or(1);
            Queued { place, id, permits, dormant }
        });
        let all = stay.chain(tickets.iter().copied()).collect();
        *self = Self::of(all).expect("a place is given once");
    }

    fn line(&self, place: Place) -> &Line {
        self.lines.get(&place.priority).expect("has this place")
    }

    fn line_mut(&mut self, place: Place) -> &mut Line {
        self.lines.get_mut(&place.priority).expect("has this place")
    }

    pub(crate) fn remove(&mut self, place: Place, permits: u32) {
        self.set_dormant(place, permits, true);
        if self.line_mut(place).remove(place.seq) {
            self.lines.remove(&place.priority);
        }
        self.len -= 1;
        if permits != 1 {
            self.wants.remove(&(permits, place));
        }
    }

    /// Passes a ticket over that is not dormant, or not any more; its place stays, and it counts as not dormant.
    pub(crate) fn set_passed(&mut self, place: Place, passed: bool) {
        self.line_mut(place).set_passed(place.seq, passed);
    }

    /// Skips a ticket, or not any more; its place stays.
    pub(crate) fn set_dormant(&mut self, place: Place, permits: u32, dormant: bool) {
        if self.line_mut(place).set_dormant(place.seq, dormant) {
            let (sum, of) = match permits {
                0 => (&mut self.ready_all, 1),
                count => (&mut self.ready_permits, u64::from(count)),
            };
            *sum = if dormant { *sum - of } else { *sum + of };
            self.ready = if dormant { self.ready - 1 } else { self.ready + 1 };
        }
    }

    /// The first ticket that is neither dormant nor passed over.
    pub(crate) fn head(&self) -> Option<(Place, TicketId)> {
        self.firsts().next()
    }

    /// Of each priority the first ticket that is neither.
    fn firsts(&self) -> impl Iterator<Item = (Place, TicketId)> + '_ {
        self.lines
            .iter()
            .filter_map(|(&priority, line)| line.first_ready().map(|(seq, id)| (Place { priority, seq }, id)))
    }

    /// How many tickets that are neither are before this place.
    pub(crate) fn ahead(&self, place: Place) -> u64 {
        let higher: u64 = self.lines.range(..place.priority).map(|(_, line)| line.ready() as u64).sum();
        higher + self.lines.get(&place.priority).map_or(0, |line| line.ready_before(place.seq))
    }

    /// All tickets that ask for more permits than `most`; those that ask for all of `size` are among them.
    pub(crate) fn oversized(&self, most: u32, size: u32) -> impl Iterator<Item = TicketId> + '_ {
        let larger = self.wants.iter().rev().take_while(move |(permits, _)| *permits > most);
        let for_all = self.wants.iter().take_while(move |(permits, _)| *permits == 0 && size > most);
        larger.chain(for_all).map(|&(_, place)| self.line(place).id(place.seq))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, TicketId)> + '_ {
        self.behind(None).map(|(place, id, _)| (place, id))
    }

    /// Those behind a place, all of them without one, and how many that are neither dormant nor passed over are before each.
    pub(crate) fn behind(&self, place: Option<Place>) -> impl Iterator<Item = (Place, TicketId, u64)> + '_ {
        let mut ahead = None;
        self.entries(place).map(move |(place, id, ready)| {
            let before = ahead.unwrap_or_else(|| self.ahead(place));
            ahead = Some(before + u64::from(ready));
            (place, id, before)
        })
    }

    /// Those behind a place, all of them without one, and whether each is in line.
    fn entries(&self, place: Option<Place>) -> impl Iterator<Item = (Place, TicketId, bool)> + '_ {
        let from = place.map_or(Bound::Unbounded, |place| Bound::Included(place.priority));
        self.lines.range((from, Bound::Unbounded)).flat_map(move |(&priority, line)| {
            let seq = place.filter(|place| place.priority == priority).map(|place| place.seq);
            line.behind(seq).map(move |(seq, id, ready)| (Place { priority, seq }, id, ready))
        })
    }

    /// Tickets that are not dormant, those that are passed over included.
    pub(crate) fn ready(&self) -> usize {
        self.ready
    }

    /// Permits that the tickets which are not dormant ask for together, of a lock of that size.
    pub(crate) fn wanted(&self, size: u32) -> u64 {
        self.ready_permits + self.ready_all * u64::from(size)
    }

    /// The ticket that is in line longest, whatever its priority; who is dormant or passed over is not in line. As many looks as there
    /// are priorities.
    pub(crate) fn longest_in_line(&self) -> Option<(u64, TicketId)> {
        self.firsts().map(|(place, id)| (place.seq, id)).min_by_key(|(seq, _)| *seq)
    }

    pub(crate) fn is_dormant(&self, place: Place) -> bool {
        self.line(place).is_dormant(place.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rule_2_places_equal_those_of_a_sorted_list(ops in prop::collection::vec((0u8..6, -1i8..2, any::<prop::sample::Index>()), 0..400)) {
            let mut queue = Queue::default();
            let mut model: BTreeMap<Place, bool> = BTreeMap::new();
            let mut permits: BTreeMap<Place, u32> = BTreeMap::new();
            let mut passed: BTreeSet<Place> = BTreeSet::new();
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
                        passed.remove(&place);
                    }
                    (5, Some(place)) => {
                        let pass = model[&place] && !passed.contains(&place);
                        queue.set_passed(place, pass);
                        if pass { passed.insert(place) } else { passed.remove(&place) };
                    }
                    (3, Some(place)) => {
                        // Only after a load, when nobody has been passed over yet.
                        std::mem::take(&mut passed).into_iter().for_each(|place| queue.set_passed(place, false));
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
                        passed.remove(&place);
                    }
                    _ => {}
                }
                let in_line = |(place, ready): &(&Place, &bool)| **ready && !passed.contains(place);
                prop_assert_eq!(queue.head().map(|(place, _)| place), model.iter().find(in_line).map(|(place, _)| *place));
                let waiting = model.iter().filter(|(_, ready)| **ready).map(|(place, _)| place);
                prop_assert_eq!(queue.ready(), waiting.clone().count());
                let asked = |place: &Place| u64::from(if permits[place] == 0 { 9 } else { permits[place] });
                prop_assert_eq!(queue.wanted(9), waiting.clone().map(asked).sum::<u64>());
                let longest = model.iter().filter(in_line).map(|(place, _)| place.seq).min();
                prop_assert_eq!(queue.longest_in_line().map(|(seq, _)| seq), longest);
                for place in model.keys() {
                    prop_assert_eq!(queue.ahead(*place), model.range(..place).filter(in_line).count() as u64);
                    prop_assert_eq!(queue.is_dormant(*place), !model[place]);
                }
            }
        }
    }
}
