//! How many connections there may be. Who gives way when there are too many, `crowd` knows.

use super::crowd::{Crowd, Holder, Network, Standing};
use crate::metrics::Metrics;
use lock_core::limits::{
    ANSWER_BYTES_ALL_MAX, ANSWER_BYTES_NETWORK_MAX, CONNECTIONS_IN_LINE_MAX, CONNECTIONS_NETWORK_MAX,
    CONNECTIONS_NEW_MAX,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long somebody is waited for who was asked to leave, before the next one is asked.
const ASK_PAUSE: Duration = Duration::from_millis(5);
/// Most places that are kept free ahead of who comes.
const SPARE_MAX: usize = 64;
/// Heads and handshakes have this part of their time while most places are taken.
const HURRY: u32 = 4;

/// The places for connections.
pub(super) struct Slots {
    max: usize,
    /// Places that are kept free, so that nobody waits for another one's leaving.
    spare: usize,
    crowd: Mutex<Crowd>,
    /// Most places are taken.
    pressed: AtomicBool,
    /// A slot, or somebody who may be asked for one, may have turned up. Only the accept loop waits for it.
    changed: Notify,
    pub(super) metrics: Arc<Metrics>,
}

/// Whether there is a place.
enum Room {
    Taken(Slot),
    /// None so far; `asked`: somebody was asked for theirs.
    None {
        asked: bool,
    },
    /// None for this network.
    Refused,
}

impl Slots {
    pub(super) fn new(max: usize, metrics: Arc<Metrics>) -> Self {
        let max = max.max(1);
        Self {
            max,
            spare: (max / 16).min(SPARE_MAX),
            crowd: Mutex::default(),
            pressed: AtomicBool::new(false),
            changed: Notify::new(),
            metrics,
        }
    }

    /// Waits for a slot, and takes it. Near the limit somebody is asked to leave for each one; at the limit that is waited for,
    /// and while nobody can be asked, the first who can. `None` if this network has its share, and nobody of it can be
    /// asked.
    pub(super) async fn take(self: &Arc<Self>, network: Network) -> Option<Slot> {
        loop {
            match self.try_take(network) {
                Room::Taken(slot) => {
                    self.metrics.connections.opened();
                    return Some(slot);
                }
                Room::None { asked: true } => drop(timeout(ASK_PAUSE, self.changed.notified()).await),
                Room::None { asked: false } => self.changed.notified().await,
                Room::Refused => return None,
            }
        }
    }

    fn try_take(self: &Arc<Self>, network: Network) -> Room {
        let mut crowd = self.lock();
        if crowd.of_network(network) >= CONNECTIONS_NETWORK_MAX && !crowd.ask_of(network) {
            return Room::Refused;
        }
        let staying = crowd.open() - crowd.leaving();
        let mut asked = crowd.leaving() > 0;
        if staying + self.spare >= self.max {
            // Clients that only connect have a quarter, and no more while others have use for it.
            let rather_new = crowd.new_ones() * 4 > self.max;
            asked |= crowd.ask(rather_new);
        } else if crowd.new_ones() >= CONNECTIONS_NEW_MAX {
            crowd.ask_new();
        }
        if crowd.open() >= self.max {
            return Room::None { asked };
        }
        let (id, evict) = crowd.enter(network);
        self.look(&crowd);
        Room::Taken(Slot { slots: Arc::clone(self), id, evict })
    }

    /// Asks somebody to leave; false if nobody can be asked.
    pub(super) fn evict(&self) -> bool {
        self.lock().ask(true)
    }

    fn look(&self, crowd: &Crowd) {
        self.pressed.store(crowd.open() * 4 >= self.max * 3, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection.
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    /// Somebody needs it.
    pub(super) evict: Arc<Notify>,
}

impl Slot {
    /// What the server counts.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.slots.metrics
    }

    /// The connection does something else from now on.
    pub(super) fn stands(&self, standing: Standing) {
        self.slots.lock().stands(self.id, standing);
        if standing <= Standing::Idle {
            self.slots.changed.notify_one();
        }
    }

    /// The connection comes to its turn. True if so many of its network are in line that it is served only if that is of use.
    pub(super) fn begin(&self) -> bool {
        self.slots.lock().begin(self.id) > CONNECTIONS_IN_LINE_MAX
    }

    /// A request was allowed something; `proxy`: it came through a proxy that is trusted.
    pub(super) fn known(&self, proxy: bool) {
        self.slots.lock().known(self.id, proxy);
    }

    /// The connection is about to be held by a request that waits, or by events. False if its holder has too many already.
    pub(super) fn hold(&self, holder: &Holder) -> bool {
        // A quarter is for those who come to renew and to give back.
        let room = self.slots.max - self.slots.max.div_ceil(4);
        self.slots.lock().hold(self.id, holder, room.max(1))
    }

    /// It is held by one less.
    pub(super) fn held_no_more(&self) {
        self.slots.lock().held_no_more(self.id);
        self.slots.changed.notify_one();
    }

    /// So many bytes of an answer wait to be written. When there are too many, of one network or of all, somebody whose client
    /// takes nothing gives way.
    pub(super) fn owes(&self, bytes: usize) {
        let mut crowd = self.slots.lock();
        crowd.owes(self.id, bytes);
        let (all, own) = crowd.bytes(self.id);
        if own > ANSWER_BYTES_NETWORK_MAX || all > ANSWER_BYTES_ALL_MAX {
            crowd.ask_stalled(self.id);
        }
    }

    /// They were written, or never will be.
    pub(super) fn paid(&self, bytes: usize) {
        self.slots.lock().paid(self.id, bytes);
    }

    /// How it stood when it was asked to leave, if it was.
    pub(super) fn asked(&self) -> Option<Standing> {
        self.slots.lock().asked(self.id)
    }

    /// It was asked to leave and stays: somebody else has to. Not at once, because a connection that stays has something to do first.
    pub(super) fn stays(&self) {
        self.slots.lock().stays(self.id);
    }

    /// How long a head may take now.
    pub(super) fn header_time(&self, usual: Duration) -> Duration {
        if self.slots.pressed.load(Ordering::Relaxed) { usual / HURRY } else { usual }
    }

    /// The connection is gone.
    pub(super) fn release(&self) {
        let mut crowd = self.slots.lock();
        crowd.leave(self.id);
        self.slots.look(&crowd);
        drop(crowd);
        self.slots.metrics.connections.closed();
        self.slots.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_head_has_less_time_while_most_places_are_taken() {
        let slots = Arc::new(Slots::new(4, Arc::default()));
        let usual = Duration::from_secs(8);
        let mut taken = Vec::new();
        for time in [8, 8, 2, 2] {
            taken.push(slots.take(None).await.expect("a place"));
            assert_eq!(taken[0].header_time(usual), Duration::from_secs(time), "{} of 4", taken.len());
        }
        for time in [2, 8] {
            taken.pop().expect("some").release();
            assert_eq!(taken[0].header_time(usual), Duration::from_secs(time), "{} of 4", taken.len());
        }
    }
}
