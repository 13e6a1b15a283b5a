//! Which slots, names and tags can be asked for and set, and which locks in one ticket.

use crate::command::{Asked, NewTicket, Rejection, TOLD_NAMES};
use crate::limits::{BUNDLE_LOCKS_MAX, PERMITS_MAX, SELECTED_MAX, SLOT_NAMES_MAX, SLOT_TAGS_MAX};
use crate::{Capacity, LockName, Permits, Pick, Selection, Settings, SlotName, Tag};
use std::collections::{BTreeMap, BTreeSet};

impl Capacity {
    /// Whether these are names of slots, each once.
    pub(crate) fn check_names(&self, asked: &[SlotName]) -> Result<(), Rejection> {
        let known: &[SlotName] = match self {
            Self::Size(_) => &[],
            Self::Named(names) => names,
        };
        let all: BTreeSet<&SlotName> = known.iter().collect();
        if let Some(unknown) = asked.iter().find(|name| !all.contains(name)) {
            let known = known.iter().take(TOLD_NAMES + 1).cloned().collect();
            return Err(Rejection::UnknownSlot { unknown: unknown.clone(), known });
        }
        let mut seen = BTreeSet::new();
        match asked.iter().find(|name| !seen.insert(*name)) {
            Some(twice) => Err(Rejection::Invalid(format!("the slot {twice} is named twice"))),
            None => Ok(()),
        }
    }
}

impl Selection {
    /// Whether a ticket may ask for this with so many permits.
    pub(crate) fn check(&self, permits: Permits) -> Result<(), Rejection> {
        let invalid = |text: String| Err(Rejection::Invalid(text));
        let (len, distinct, what) = match self {
            Self::Slots(names) => (names.len(), names.iter().collect::<BTreeSet<_>>().len(), "slots"),
            Self::Tags(tags) => (tags.len(), tags.iter().collect::<BTreeSet<_>>().len(), "tags"),
        };
        if !(1..=SELECTED_MAX).contains(&len) || distinct != len {
            return invalid(format!("a ticket names 1 to {SELECTED_MAX} {what}, each once"));
        }
        match (self, permits) {
            (_, Permits::All) => invalid(format!("who asks for all permits cannot choose {what}")),
            (Self::Slots(_), Permits::Count(count)) if count as usize != len => {
                invalid(format!("{count} permits were asked for and {len} slots named"))
            }
            _ => Ok(()),
        }
    }
}

impl Settings {
    /// The names of the slots that fit; none if one that is named is not there.
    pub(crate) fn fitting<'a>(&'a self, selection: &'a Selection) -> Vec<&'a SlotName> {
        let Capacity::Named(names) = &self.capacity else { return Vec::new() };
        match selection {
            Selection::Slots(wanted) => {
                let there: BTreeSet<&SlotName> = names.iter().collect();
                let all = wanted.iter().all(|name| there.contains(name));
                if all { wanted.iter().collect() } else { Vec::new() }
            }
            Selection::Tags(wanted) => {
                let tags: BTreeMap<&SlotName, &Vec<Tag>> = self.tags.iter().map(|(name, tags)| (name, tags)).collect();
                let has =
                    |name: &&SlotName| tags.get(name).is_some_and(|tags| wanted.iter().all(|tag| tags.contains(tag)));
                names.iter().filter(has).collect()
            }
        }
    }

    /// How many slots fit.
    pub(crate) fn count_fitting(&self, selection: &Selection) -> u32 {
        u32::try_from(self.fitting(selection).len()).expect("bounded by SLOT_NAMES_MAX")
    }

    /// Whether the lock can ever give so many slots of a selection.
    pub(crate) fn check_selection(&self, selection: &Selection, asked: u32) -> Result<(), Rejection> {
        match selection {
            Selection::Slots(names) => self.capacity.check_names(names),
            Selection::Tags(tags) => {
                let names: &[SlotName] = if let Capacity::Named(names) = &self.capacity { names } else { &[] };
                let names: BTreeSet<&SlotName> = names.iter().collect();
                let there = self.tags.iter().filter(|(name, _)| names.contains(name));
                let known: BTreeSet<&Tag> = there.flat_map(|(_, tags)| tags).collect();
                if let Some(unknown) = tags.iter().find(|tag| !known.contains(tag)) {
                    let known = known.into_iter().take(TOLD_NAMES + 1).cloned().collect();
                    return Err(Rejection::UnknownTag { unknown: unknown.clone(), known });
                }
                let there = self.count_fitting(selection);
                if asked > there { Err(Rejection::TooFewSlots { asked, there }) } else { Ok(()) }
            }
        }
    }

    /// Tags and the order of picking within their bounds.
    pub(crate) fn check_tags(&self) -> Result<(), Rejection> {
        let invalid = |text: String| Err(Rejection::Invalid(text));
        if self.tags.len() > SLOT_NAMES_MAX {
            return invalid(format!("{SLOT_NAMES_MAX} slots have tags at most"));
        }
        let mut seen = BTreeSet::new();
        for (name, tags) in &self.tags {
            let distinct: BTreeSet<&Tag> = tags.iter().collect();
            if !(1..=SLOT_TAGS_MAX).contains(&tags.len()) || distinct.len() != tags.len() {
                return invalid(format!("the slot {name} must have 1 to {SLOT_TAGS_MAX} tags, each once"));
            }
            if !seen.insert(name) {
                return invalid(format!("the slot {name} has its tags twice"));
            }
        }
        if self.pick == Pick::Lru && self.size() as usize > SLOT_NAMES_MAX {
            let most = PERMITS_MAX.min(SLOT_NAMES_MAX as u32);
            return invalid(format!("of more than {most} permits the one that is unused for longest cannot be picked"));
        }
        Ok(())
    }
}

/// The locks of a bundle are a set, in order and not too large (rule 13).
pub(super) fn check_order<'a>(
    first: &LockName,
    others: impl ExactSizeIterator<Item = &'a LockName>,
) -> Result<(), Rejection> {
    let all = 1 + others.len();
    if all > BUNDLE_LOCKS_MAX {
        return Err(Rejection::Invalid(format!(
            "a ticket is for at most {BUNDLE_LOCKS_MAX} locks, and {all} were named"
        )));
    }
    let mut before = first;
    for lock in others {
        if lock == before {
            return Err(Rejection::Invalid(format!("the lock {lock} is named twice")));
        }
        if lock < before {
            let text = format!("the locks of a ticket are in the order of their names, and {lock} is behind {before}");
            return Err(Rejection::Invalid(text));
        }
        before = lock;
    }
    Ok(())
}

/// A bundle asks for what there can be, and for nothing that is for one lock only (rule 13).
pub(super) fn check_bundle(new: &NewTicket) -> Result<(), Rejection> {
    if new.others.is_empty() {
        return Ok(());
    }
    let invalid = |text: String| Err(Rejection::Invalid(text));
    check_order(&new.lock, new.others.iter().map(|asked| &asked.lock))?;
    let is_wrong =
        |asked: &&Asked| matches!(asked.permits, Permits::Count(count) if !(1..=PERMITS_MAX).contains(&count));
    if let Some(Asked { lock, .. }) = new.others.iter().find(is_wrong) {
        return invalid(format!("permits of the lock {lock} must be from 1 to {PERMITS_MAX}, or all"));
    }
    if new.selection.is_some() {
        return invalid("a ticket for several locks cannot choose slots or tags".to_owned());
    }
    if new.holder.is_some() {
        return invalid("a ticket for several locks has no holder's name".to_owned());
    }
    Ok(())
}
