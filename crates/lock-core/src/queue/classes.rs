//! The queue of one lock with those who will not have just any slot (rule 14): all who select the same slots have a line of their own,
//! and there are few such lines. Without any, this is the one queue.

use super::{Place, Queue, Queued};
use crate::bits::Bits;
use crate::{Selection, TicketId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a ticket selects; `None` takes any slot.
pub(crate) type Selected = Option<Arc<Selection>>;

/// Those who select the same slots.
#[derive(Debug)]
pub(crate) struct Class {
    queue: Queue,
    /// The slots that fit.
    pub(crate) slots: Bits,
}

/// Who waits for a lock.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// Those who take any slot.
    any: Queue,
    /// The others, by what they select. None of them is empty.
    classes: BTreeMap<Arc<Selection>, Class>,
}

impl Queues {
    /// The queue of those who take any slot.
    pub(crate) fn set(&mut self, queue: Queue) {
        self.any = queue;
    }

    /// Who waits for these slots.
    pub(crate) fn set_class(&mut self, selection: Arc<Selection>, queue: Queue, slots: Bits) {
        self.classes.insert(selection, Class { queue, slots });
    }

    fn of(&self, selected: &Selected) -> &Queue {
        match selected {
            None => &self.any,
            Some(selection) => &self.classes.get(selection).expect("has this place").queue,
        }
    }

    fn of_mut(&mut self, selected: &Selected) -> &mut Queue {
        match selected {
            None => &mut self.any,
            Some(selection) => &mut self.classes.get_mut(selection).expect("has this place").queue,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Queue> {
        std::iter::once(&self.any).chain(self.classes.values().map(|class| &class.queue))
    }

    pub(crate) fn len(&self) -> usize {
        self.all().map(Queue::len).sum()
    }

    /// Whether somebody waits who will not have just any slot.
    pub(crate) fn has_classes(&self) -> bool {
        !self.classes.is_empty()
    }

    /// The selections that tickets wait with.
    pub(crate) fn classes(&self) -> impl ExactSizeIterator<Item = (&Arc<Selection>, &Class)> {
        self.classes.iter()
    }

    /// The class of those who select this.
    pub(crate) fn class(&self, selection: &Selection) -> Option<(&Arc<Selection>, &Class)> {
        self.classes.get_key_value(selection)
    }

    /// Other slots fit now.
    pub(crate) fn refresh(&mut self, fitting: impl Fn(&Selection) -> Bits) {
        for (selection, class) in &mut self.classes {
            class.slots = fitting(selection);
        }
    }

    /// Adds a ticket. `slots` are those that fit, if it is the first to select them.
    pub(crate) fn push(&mut self, selected: &Selected, ticket: Queued, slots: impl FnOnce(&Selection) -> Bits) {
        let Queued { place, id, permits, dormant } = ticket;
        if let Some(selection) = selected
            && !self.classes.contains_key(selection)
        {
            let class = Class { queue: Queue::default(), slots: slots(selection) };
            self.classes.insert(selection.clone(), class);
        }
        self.of_mut(selected).push(place, id, permits, dormant);
    }

    pub(crate) fn remove(&mut self, selected: &Selected, place: Place, permits: u32) {
        self.of_mut(selected).remove(place, permits);
        if let Some(selection) = selected
            && self.of(selected).len() == 0
        {
            self.classes.remove(selection);
        }
    }

    /// See [`Queue::put_back`]: for the first step after a load only.
    pub(crate) fn put_back(
        &mut self,
        selected: &Selected,
        tickets: Vec<Queued>,
        slots: impl FnOnce(&Selection) -> Bits,
    ) {
        if let Some(selection) = selected
            && !self.classes.contains_key(selection)
        {
            self.classes.insert(selection.clone(), Class { queue: Queue::default(), slots: slots(selection) });
        }
        self.of_mut(selected).put_back(tickets);
    }

    pub(crate) fn set_dormant(&mut self, selected: &Selected, place: Place, permits: u32, dormant: bool) {
        self.of_mut(selected).set_dormant(place, permits, dormant);
    }

    pub(crate) fn set_passed(&mut self, selected: &Selected, place: Place, passed: bool) {
        self.of_mut(selected).set_passed(place, passed);
    }

    pub(crate) fn is_dormant(&self, selected: &Selected, place: Place) -> bool {
        self.of(selected).is_dormant(place)
    }

    /// The first in line, whatever it selects.
    pub(crate) fn head(&self) -> Option<(Place, TicketId)> {
        if self.classes.is_empty() { self.any.head() } else { self.all().filter_map(Queue::head).min() }
    }

    /// Of each selection the first in line with the slots that fit it; without slots of those who take any.
    pub(crate) fn heads(&self) -> impl Iterator<Item = (Place, TicketId, Option<&Bits>)> {
        let any = self.any.head().map(|(place, id)| (place, id, None));
        let classes = self.classes.values();
        any.into_iter()
            .chain(classes.filter_map(|class| class.queue.head().map(|(place, id)| (place, id, Some(&class.slots)))))
    }

    /// How many in line are before this place.
    pub(crate) fn ahead(&self, place: Place) -> u64 {
        self.all().map(|queue| queue.ahead(place)).sum()
    }

    /// Tickets that ask for more permits than `most`, or for all of `size` if that is more; or for more slots than fit:
    /// `fitting` tells how many, and is told how many there have been.
    pub(crate) fn oversized(
        &self,
        most: u32,
        size: u32,
        fitting: impl Fn(&Selection, u32) -> u32,
    ) -> impl Iterator<Item = TicketId> {
        let classes = self.classes.iter().flat_map(move |(selection, class)| {
            let fit = u32::try_from(class.slots.len()).unwrap_or(u32::MAX);
            let most = most.min(fitting(selection, fit));
            // Where nothing fits that is everybody, once: those that ask for more than one permit as well.
            let nothing = (most == 0).then(|| class.queue.iter().map(|(_, id)| id)).into_iter().flatten();
            let some = (most > 0).then(|| class.queue.oversized(most, size)).into_iter().flatten();
            nothing.chain(some)
        });
        self.any.oversized(most, size).chain(classes)
    }

    /// Everybody in the order of their places.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (Place, TicketId)> + '_> {
        if self.classes.is_empty() {
            return Box::new(self.any.iter());
        }
        Box::new(self.behind(None).map(|(place, id, _)| (place, id)))
    }

    /// Those behind a place, all of them without one, and how many in line are before each.
    pub(crate) fn behind(&self, place: Option<Place>) -> Box<dyn Iterator<Item = (Place, TicketId, u64)> + '_> {
        if self.classes.is_empty() {
            return Box::new(self.any.behind(place));
        }
        let mut lines: Vec<_> = self.all().map(|queue| queue.entries(place).peekable()).collect();
        let mut ahead = None;
        Box::new(std::iter::from_fn(move || {
            let next = lines.iter_mut().enumerate().filter_map(|(at, line)| Some((line.peek()?.0, at))).min()?.1;
            let (place, id, ready) = lines[next].next()?;
            let before = ahead.unwrap_or_else(|| self.ahead(place));
            ahead = Some(before + u64::from(ready));
            Some((place, id, before))
        }))
    }

    /// Tickets that are not dormant.
    pub(crate) fn ready(&self) -> usize {
        self.all().map(Queue::ready).sum()
    }

    /// See [`Queue::wanted`].
    pub(crate) fn wanted(&self, size: u32) -> u64 {
        self.all().map(|queue| queue.wanted(size)).sum()
    }

    /// See [`Queue::longest_in_line`].
    pub(crate) fn longest_in_line(&self) -> Option<TicketId> {
        let longest = self.all().filter_map(Queue::longest_in_line);
        longest.min_by_key(|(seq, _)| *seq).map(|(_, id)| id)
    }
}
