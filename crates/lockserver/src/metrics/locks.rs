//! Numbers of each lock, by label: the lock's name, or the pattern of the template that it is an instance of. Instances that the
//! configuration names have labels of their own.
//!
//! At most [`METRIC_LABELS_MAX`] labels have series of their own, first come first served; the rest is counted together.
//! A label whose lock or template is gone loses its series.

use super::number::{Counter, Gauge, Histogram};
use crate::access::Patterns;
use lock_core::limits::METRIC_LABELS_MAX;
use lock_core::{EndedAs, Event, EventKind, LockName, Table, Target, Transition, UsageTotals, WallMs};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bounds of waiting and holding, in seconds: from a grant at once to a day.
const SECONDS: [f64; 14] =
    [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];
/// The label of all that have none of their own. No lock and no template can have this name.
const OTHERS: &str = "*others*";

/// Whose series these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label<'a> {
    /// A lock's, or a template's: its instances together.
    Of(&'a Target),
    /// All others together.
    Others,
}

/// What happened to the tickets of a label.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) tickets: Counter,
    pub(super) grants: Counter,
    pub(super) lapsed: Counter,
    pub(super) undelivered: Counter,
    /// By [`EndedAs`] in its order.
    pub(super) ended: [Counter; EndedAs::ALL.len()],
    /// When a holder last gave permits back, in wall milliseconds; 0 for not yet.
    pub(super) last_release: Gauge,
    pub(super) waits: Histogram,
    pub(super) holds: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            tickets: Counter::default(),
            grants: Counter::default(),
            lapsed: Counter::default(),
            undelivered: Counter::default(),
            ended: Default::default(),
            last_release: Gauge::default(),
            waits: Histogram::new(&SECONDS),
            holds: Histogram::new(&SECONDS),
        }
    }
}

impl Counts {
    fn count(&self, at: WallMs, transition: &Transition) {
        match transition {
            Transition::Queued => self.tickets.increment(),
            Transition::Granted { waited, .. } => {
                self.grants.increment();
                self.waits.observe(*waited as f64 / 1000.0);
            }
            Transition::Held => {}
            Transition::Lapsed => self.lapsed.increment(),
            Transition::Undelivered => self.undelivered.increment(),
            Transition::Ended { how, held, .. } => {
                self.ended[*how as usize].increment();
                if *how == EndedAs::Released {
                    self.last_release.set(i64::try_from(at).unwrap_or(i64::MAX));
                }
                if let Some(held) = held {
                    self.holds.observe(*held as f64 / 1000.0);
                }
            }
        }
    }

    pub(super) fn ended_as(&self, how: EndedAs) -> u64 {
        self.ended[how as usize].get()
    }
}

/// Series of one label. Counters are shared with the rendering of the page, so that counting never waits.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    pub(super) counts: Arc<Counts>,
    /// How it was when it was last measured.
    pub(super) now: Option<UsageTotals>,
}

#[derive(Debug, Default)]
struct Known {
    series: BTreeMap<Target, Series>,
    /// From the first time that there was no room on.
    others: Option<Series>,
    /// Instances of templates that have series of their own.
    alone: Patterns,
}

impl Known {
    fn counts(&mut self, of: Target) -> &Counts {
        let room = self.series.len() < METRIC_LABELS_MAX;
        if room || self.series.contains_key(&of) {
            &self.series.entry(of).or_default().counts
        } else {
            &self.others.get_or_insert_default().counts
        }
    }
}

#[derive(Debug, Default)]
pub struct Locks(Mutex<Known>);

impl Locks {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these instances of templates have series of their own.
    pub fn measure_alone(&self, instances: Patterns) {
        self.known().alone = instances;
    }

    /// Counts what is durable now.
    pub fn count(&self, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        let mut known = self.known();
        for event in events {
            let template = event.template.clone().filter(|_| !known.alone.takes(&event.lock));
            let of = template.map_or_else(|| Target::Lock(event.lock.clone()), Target::Template);
            match &event.kind {
                EventKind::Ticket { transition, .. } => known.counts(of).count(event.at, transition),
                EventKind::LockDeleted if matches!(of, Target::Lock(_)) => drop(known.series.remove(&of)),
                EventKind::LockCreated
                | EventKind::LockChanged { .. }
                | EventKind::LockDeleted
                | EventKind::PermitsWithheld(_)
                | EventKind::PermitsRestored(_)
                | EventKind::ReportStale => {}
            }
        }
    }

    /// Measures how everything is, and forgets what is gone. For the owner of the table, between two steps: it knows of no
    /// label that the table does not know. `wall` is now.
    pub fn measure(&self, table: &Table, wall: WallMs) {
        let mut known = self.known();
        let Known { series, others, alone } = &mut *known;
        series.values_mut().chain(others.as_mut()).for_each(|series| series.now = None);
        let mut new: Vec<(Target, UsageTotals)> = Vec::new();
        let mut beyond: Option<UsageTotals> = None;
        let add = |sum: &mut Option<UsageTotals>, now| *sum = Some(sum.map_or(now, |sum: UsageTotals| sum.with(now)));
        let is_alone = |name: &LockName| alone.takes(name);
        table.measure(wall, is_alone, |of, now| match series.get_mut(&of) {
            Some(series) => series.now = Some(now),
            // More cannot find room.
            None if new.len() < METRIC_LABELS_MAX => new.push((of, now)),
            None => add(&mut beyond, now),
        });
        series.retain(|_, series| series.now.is_some());
        for (of, now) in new {
            if series.len() < METRIC_LABELS_MAX {
                series.insert(of, Series { now: Some(now), ..Series::default() });
            } else {
                add(&mut beyond, now);
            }
        }
        if beyond.is_some() {
            others.get_or_insert_default().now = beyond;
        }
    }

    /// Whether no permit was in use, waited for or withheld when everything was last measured.
    pub fn are_free(&self) -> bool {
        let known = self.known();
        let free = |now: &UsageTotals| now.held + now.granted + now.queued + now.withheld == 0;
        known.series.values().chain(&known.others).filter_map(|series| series.now.as_ref()).all(free)
    }

    /// The series that may be seen, with their labels, in order; those that belong to no lock in particular last.
    pub(super) fn visible(&self, may_see: impl Fn(Label<'_>) -> bool) -> Vec<(String, Series)> {
        let known = self.known();
        let named = known.series.iter().filter(|(of, _)| may_see(Label::Of(of))).map(|(of, series)| {
            let label = match of {
                Target::Lock(name) => name.as_str().to_owned(),
                Target::Template(prefix) => prefix.pattern(),
            };
            (label, series.clone())
        });
        let others = known.others.iter().filter(|_| may_see(Label::Others));
        named.chain(others.map(|series| (OTHERS.to_owned(), series.clone()))).collect()
    }
}
