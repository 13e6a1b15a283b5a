//! Bundles in the queue of one lock (rule 13): all that ask for the same have a line of their own, and there are few such lines.

use super::{Place, Queue};
use crate::{LockName, TicketId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a bundle asks for: its locks in the order of their names, and how many permits of each; 0 is "all".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bundle(Box<[(LockName, u32)]>);

impl FromIterator<(LockName, u32)> for Bundle {
    fn from_iter<I: IntoIterator<Item = (LockName, u32)>>(parts: I) -> Self {
        Self(parts.into_iter().collect())
    }
}

impl Bundle {
    /// Its locks.
    pub(crate) fn locks(&self) -> impl Iterator<Item = &LockName> {
        self.0.iter().map(|(lock, _)| lock)
    }

    /// Its locks, and the permits that it asks for of each.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&LockName, u32)> {
        self.0.iter().map(|(lock, wants)| (lock, *wants))
    }
}

/// A bundle that is the first of its line.
pub(crate) type BundleHead = (Place, TicketId, Arc<Bundle>);

/// The bundles that wait for a lock. All locks of a bundle have the same line of those that ask for the same.
#[derive(Debug, Default)]
pub(super) struct Bundles {
    /// By what they ask for. None of them is empty.
    pub(super) lines: BTreeMap<Arc<Bundle>, Queue>,
    /// The one that is first in all of its queues, and with it in this one.
    first: Option<BundleHead>,
}

impl Bundles {
    /// Of each line the first that is neither dormant nor passed over.
    pub(super) fn heads(&self) -> impl Iterator<Item = (Place, TicketId, &Arc<Bundle>)> {
        self.lines.iter().filter_map(|(bundle, line)| line.head().map(|(place, id)| (place, id, bundle)))
    }

    /// See [`Queues::first_bundle`](super::Queues::first_bundle).
    pub(super) fn first(&self) -> Option<&BundleHead> {
        self.first.as_ref()
    }

    /// Has this one be the first, or none; says which it was.
    pub(super) fn set_first(&mut self, first: Option<BundleHead>) -> Option<BundleHead> {
        std::mem::replace(&mut self.first, first)
    }

    /// Forgets the first if it is not the head of its line any more.
    pub(super) fn check_first(&mut self) {
        let is_head = |(place, _, bundle): &BundleHead| {
            let head = self.lines.get(bundle).and_then(Queue::head);
            head.is_some_and(|(head, _)| head == *place)
        };
        if !self.first.as_ref().is_some_and(is_head) {
            self.first = None;
        }
    }
}
