//! The queue of one lock with those who will not have just any slot (rule 14) and with bundles (rule 13): all who ask for the same have a
//! line of their own, and there are few such lines. Without any, this is the one queue.

use super::bundle::Bundles;
use super::{Bundle, BundleHead, Place, Queue, Queued};
use crate::bits::Bits;
use crate::{LockName, Selection, TicketId};
use std::collections::BTreeMap;
use std::iter::Sum;
use std::sync::Arc;

/// In which line of a queue a ticket stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Selected {
    /// Among those who take any slot.
    Any,
    /// Among those who select these.
    Slots(Arc<Selection>),
    /// Among the bundles that ask for this, in each of their locks.
    Bundle(Arc<Bundle>),
}

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
    /// Bundles, if there are any.
    bundles: Option<Box<Bundles>>,
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

    /// The bundles that ask for this.
    pub(crate) fn set_bundle(&mut self, bundle: Arc<Bundle>, queue: Queue) {
        self.bundles.get_or_insert_default().lines.insert(bundle, queue);
    }

    fn of(&self, selected: &Selected) -> &Queue {
        match selected {
            Selected::Any => &self.any,
            Selected::Slots(selection) => &self.classes.get(selection).expect("has this place").queue,
            Selected::Bundle(bundle) => self.bundles_like(bundle).expect("has this place").1,
        }
    }

    fn of_mut(&mut self, selected: &Selected) -> &mut Queue {
        match selected {
            Selected::Any => &mut self.any,
            Selected::Slots(selection) => &mut self.classes.get_mut(selection).expect("has this place").queue,
            Selected::Bundle(bundle) => {
                let lines = self.bundles.as_mut().map(|bundles| &mut bundles.lines);
                lines.and_then(|lines| lines.get_mut(bundle)).expect("has this place")
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &Queue> {
        let bundles = self.bundles.iter().flat_map(|bundles| bundles.lines.values());
        std::iter::once(&self.any).chain(self.classes.values().map(|class| &class.queue)).chain(bundles)
    }

    /// Whether there is nothing but those who take any slot.
    fn is_one(&self) -> bool {
        self.classes.is_empty() && self.bundles.is_none()
    }

    /// Of all queues together. Of the only one, as a rule.
    fn sum<T: Sum>(&self, of: impl Fn(&Queue) -> T) -> T {
        if self.is_one() { of(&self.any) } else { self.all().map(of).sum() }
    }

    pub(crate) fn len(&self) -> usize {
        self.sum(Queue::len)
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_one() && self.any.len() == 0
    }

    /// Whether somebody waits who will not have just any slot.
    pub(crate) fn has_classes(&self) -> bool {
        !self.classes.is_empty()
    }

    /// How many selections and sets of locks tickets wait with.
    pub(crate) fn count_classes(&self) -> usize {
        self.classes.len() + self.bundles.as_ref().map_or(0, |bundles| bundles.lines.len())
    }

    /// The class of those who select this.
    pub(crate) fn class(&self, selection: &Selection) -> Option<(&Arc<Selection>, &Class)> {
        self.classes.get_key_value(selection)
    }

    /// Bundles that wait, and have this lock as another than their first one.
    pub(crate) fn bundles_behind_another(&self, lock: &LockName) -> usize {
        let lines = self.bundles.iter().flat_map(|bundles| &bundles.lines);
        lines.filter(|(bundle, _)| bundle.locks().next() != Some(lock)).map(|(_, line)| line.len()).sum()
    }

    /// Whether bundles wait.
    pub(crate) fn has_bundles(&self) -> bool {
        self.bundles.is_some()
    }

    /// The line of the bundles that ask for this.
    pub(crate) fn bundles_like(&self, bundle: &Bundle) -> Option<(&Arc<Bundle>, &Queue)> {
        self.bundles.as_ref()?.lines.get_key_value(bundle)
    }

    /// Of the bundles that ask for the same, the first in line.
    pub(crate) fn bundle_heads(&self) -> impl Iterator<Item = (Place, TicketId, &Arc<Bundle>)> {
        self.bundles.iter().flat_map(|bundles| bundles.heads())
    }

    /// The bundle that is first in all of its queues, if it is one of those that wait here: nobody in line is before it, and it holds up
    /// everybody behind it.
    pub(crate) fn first_bundle(&self) -> Option<&BundleHead> {
        self.bundles.as_ref()?.first()
    }

    /// Has this bundle be the first in all of its queues, or none of those that wait here; says which it was.
    pub(crate) fn set_first_bundle(&mut self, first: Option<BundleHead>) -> Option<BundleHead> {
        self.bundles.as_mut().and_then(|bundles| bundles.set_first(first))
    }

    /// Forgets the first bundle if it is not in line any more.
    pub(crate) fn check_first_bundle(&mut self) {
        if let Some(bundles) = &mut self.bundles {
            bundles.check_first();
        }
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
        self.begin_line(selected, slots);
        self.of_mut(selected).push(place, id, permits, dormant);
    }

    /// Has the line be there.
    fn begin_line(&mut self, selected: &Selected, slots: impl FnOnce(&Selection) -> Bits) {
        match selected {
            Selected::Any => {}
            Selected::Slots(selection) => {
                if !self.classes.contains_key(selection) {
                    let class = Class { queue: Queue::default(), slots: slots(selection) };
                    self.classes.insert(selection.clone(), class);
                }
            }
            Selected::Bundle(bundle) => {
                let lines = &mut self.bundles.get_or_insert_default().lines;
                if !lines.contains_key(bundle) {
                    lines.insert(bundle.clone(), Queue::default());
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, selected: &Selected, place: Place, permits: u32) {
        let queue = self.of_mut(selected);
        queue.remove(place, permits);
        match selected {
            Selected::Any => {}
            _ if queue.len() > 0 => {}
            Selected::Slots(selection) => drop(self.classes.remove(selection)),
            Selected::Bundle(bundle) => {
                let bundles = self.bundles.as_mut().expect("has had this place");
                bundles.lines.remove(bundle);
                if bundles.lines.is_empty() {
                    self.bundles = None;
                }
            }
        }
    }

    /// See [`Queue::put_back`]: for the first step after a load only.
    pub(crate) fn put_back(
        &mut self,
        selected: &Selected,
        tickets: Vec<Queued>,
        slots: impl FnOnce(&Selection) -> Bits,
    ) {
        self.begin_line(selected, slots);
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

    /// The first in line, whatever it selects. A bundle is in line once it is first in all of its queues.
    pub(crate) fn head(&self) -> Option<(Place, TicketId)> {
        if self.is_one() {
            return self.any.head();
        }
        let bundle = self.first_bundle().map(|(place, id, _)| (*place, *id));
        self.head_alone().into_iter().chain(bundle).min()
    }

    /// The first in line of those that are no bundles.
    pub(crate) fn head_alone(&self) -> Option<(Place, TicketId)> {
        self.heads().map(|(place, id, _)| (place, id)).min_by_key(|(place, _)| *place)
    }

    /// Of each selection the first in line with the slots that fit it; without slots of those who take any. Bundles are not among them.
    pub(crate) fn heads(&self) -> impl Iterator<Item = (Place, TicketId, Option<&Bits>)> {
        let any = self.any.head().map(|(place, id)| (place, id, None));
        let classes = self.classes.values();
        any.into_iter()
            .chain(classes.filter_map(|class| class.queue.head().map(|(place, id)| (place, id, Some(&class.slots)))))
    }

    /// How many in line are before this place.
    pub(crate) fn ahead(&self, place: Place) -> u64 {
        self.sum(|queue| queue.ahead(place))
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
        let bundles = self.bundles.iter().flat_map(move |bundles| bundles.lines.values());
        let bundles = bundles.flat_map(move |line| line.oversized(most, size));
        self.any.oversized(most, size).chain(classes).chain(bundles)
    }

    /// Everybody in the order of their places.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (Place, TicketId)> + '_> {
        if self.is_one() {
            return Box::new(self.any.iter());
        }
        Box::new(self.behind(None).map(|(place, id, _)| (place, id)))
    }

    /// Those behind a place, all of them without one, and how many in line are before each.
    pub(crate) fn behind(&self, place: Option<Place>) -> Box<dyn Iterator<Item = (Place, TicketId, u64)> + '_> {
        if self.is_one() {
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
        self.sum(Queue::ready)
    }

    /// See [`Queue::wanted`].
    pub(crate) fn wanted(&self, size: u32) -> u64 {
        self.sum(|queue| queue.wanted(size))
    }

    /// See [`Queue::longest_in_line`].
    pub(crate) fn longest_in_line(&self) -> Option<TicketId> {
        let longest = self.all().filter_map(Queue::longest_in_line);
        longest.min_by_key(|(seq, _)| *seq).map(|(_, id)| id)
    }
}
