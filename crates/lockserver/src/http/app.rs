//! What every handler is given.

use super::auth::{AuthSettings, Failures, Refusals, Who};
use super::cluster::Cluster;
use super::connection::{self, Connection, Held, Holder};
use super::reads::Reads;
use super::service::Service;
use crate::access::Denied;
use crate::access::{Patterns, Right};
use crate::engine::{Handle, Presence, Receipt, Role, Standing};
use axum::body::Body;
use axum::http::Response;
use lock_core::{Caller, LockName, TicketView, network_name};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Settings that a reload changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// How long `get_lock` waits for its grant.
    pub long_poll: Duration,
    /// Requests that may wait at a time for one address.
    pub max_waiting: usize,
    /// What the name of a FleetLock group's lock begins with.
    pub fleetlock_prefix: Arc<str>,
    /// The locks that Terraform may take.
    pub terraform_locks: Patterns,
    /// Keys, rights and origins.
    pub auth: Arc<AuthSettings>,
}

/// The engine, the settings, and the word that the server stops. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App(Arc<Shared>);

/// What every clone of an [`App`] shares.
#[derive(Debug)]
pub struct Shared {
    pub engine: Handle,
    /// Settings as they are now.
    pub live: watch::Receiver<Live>,
    /// True once the server stops: nobody waits any longer.
    pub stop: watch::Receiver<bool>,
    /// The process around it.
    pub service: Service,
    /// Wrong keys.
    pub(super) failures: Failures,
    /// Refusals, for the audit log.
    pub(super) refusals: Refusals,
    waiting: Places,
    streams: Places,
    /// Requests that only look.
    pub(super) reads: Reads,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// An app in front of this engine.
    #[must_use]
    pub fn new(engine: Handle, live: watch::Receiver<Live>, stop: watch::Receiver<bool>, service: Service) -> Self {
        Self(Arc::new(Shared {
            engine,
            live,
            stop,
            service,
            failures: Failures::default(),
            refusals: Refusals::default(),
            waiting: Places::default(),
            streams: Places::default(),
            reads: Reads::default(),
        }))
    }

    /// Settings as they are now.
    #[must_use]
    pub fn live(&self) -> Live {
        self.live.borrow().clone()
    }

    /// Why requests are not served now, neither by this server nor by the one that leads; `None` if they are.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        if *self.stop.borrow() {
            return Some("shutting down".to_owned());
        }
        let gives_on = self.service.cluster.as_ref().is_some_and(Cluster::gives_on);
        self.engine.status().trouble().filter(|_| !gives_on).map(|reason| reason.to_string())
    }

    /// What everybody should know who relies on the server, if its store has lost commits.
    #[must_use]
    pub fn in_doubt(&self) -> Option<String> {
        self.engine.status().in_doubt_since().map(|since| {
            format!(
                "the store has lost commits (found at {}): clients may still hold permits that were granted before, and those \
                 may be granted again; this warning ends when the server is stopped in order",
                crate::wall::rfc3339(since)
            )
        })
    }

    /// What weakens a promise first, then what the configuration warns of.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let of_store = self.service.store_warnings.iter().cloned();
        self.in_doubt().into_iter().chain(of_store).chain(self.service.configured.borrow().warnings.clone()).collect()
    }

    /// Resolves when the server stops.
    pub async fn stopping(&self) {
        // The sender lives as long as the server; without it there is nothing to wait for either.
        drop(self.stop.clone().wait_for(|stop| *stop).await);
    }

    /// Resolves when this server does not lead, or no longer.
    pub(super) async fn deposed(&self) {
        let mut role = self.engine.status().watch_role();
        // The sender lives as long as the engine.
        drop(role.wait_for(|role| matches!(role, Role::Standby(_))).await);
    }

    /// Resolves when who waits may not use one of these locks any longer, because keys or rights have changed; with why.
    pub(super) async fn until_denied(&self, who: &Who, locks: &[LockName]) -> Denied {
        let mut live = self.live.clone();
        let denied = |live: &Live| {
            let now = who.again(&live.auth.access);
            now.and_then(|now| locks.iter().try_for_each(|lock| now.may(Right::Use, lock))).err()
        };
        let found = live.wait_for(|live| denied(live).is_some()).await.ok().and_then(|now| denied(&now));
        match found {
            Some(denied) => denied,
            // The settings end with the server: waiting clients are told of that otherwise.
            None => std::future::pending().await,
        }
    }

    /// Resolves when this sender may do something else than before, because keys or rights have changed: who it is now, or why
    /// nobody any more.
    pub(super) async fn until_changed(&self, who: &Who) -> Result<Who, Denied> {
        let mut live = self.live.clone();
        let again = |live: &Live| who.again(&live.auth.access);
        let changed = |live: &Live| again(live).map_or(true, |now| !now.may_the_same_as(who));
        let found = live.wait_for(changed).await.ok().map(|now| again(&now));
        match found {
            Some(now) => now,
            None => std::future::pending().await,
        }
    }

    /// A place among the waiting requests of this caller, unless all are taken.
    #[must_use]
    pub fn take_waiting_place(&self, caller: &Caller, connection: &Connection) -> Option<Place> {
        let max = self.live.borrow().max_waiting;
        self.waiting.take(caller, max)?.on(connection)
    }

    /// A place among the event streams of this caller, unless all `max` are taken.
    #[must_use]
    pub fn take_stream_place(&self, caller: &Caller, max: usize, connection: &Connection) -> Option<Place> {
        self.streams.take(caller, max)?.on(connection)
    }
}

impl App {
    /// Requests that wait, and event streams, of everybody.
    pub(super) fn taken(&self) -> (usize, usize) {
        (self.waiting.taken(), self.streams.taken())
    }
}

/// How many of something each key or address has at the moment; addresses of one network count as one.
#[derive(Debug, Clone, Default)]
struct Places(Arc<Mutex<HashMap<Name, usize>>>);

/// A key may be called like an address.
type Name = Holder;

impl Places {
    /// Of everybody together.
    fn taken(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    fn take(&self, caller: &Caller, max: usize) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let who =
            caller.owner.as_ref().map_or_else(|| (false, network_name(&caller.from)), |owner| (true, owner.clone()));
        match taken.entry(who.clone()) {
            Entry::Vacant(_) if max == 0 => return None,
            Entry::Vacant(none) => drop(none.insert(1)),
            Entry::Occupied(some) if *some.get() >= max => return None,
            Entry::Occupied(mut some) => *some.get_mut() += 1,
        }
        Some(Place { who, places: self.clone(), held: None })
    }
}

/// Given back when dropped.
#[derive(Debug)]
pub struct Place {
    who: Name,
    places: Places,
    /// The connection, which is not asked to make room for others as long.
    held: Option<Held>,
}

impl Place {
    /// With the connection of the request, unless its sender holds too many: those who come to renew need some, too.
    fn on(mut self, connection: &Connection) -> Option<Self> {
        self.held = Some(connection.hold(&self.who)?);
        Some(self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = taken.entry(self.who.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// The engine looks at a connection just before it gives its client a permit.
impl Presence for Connection {
    fn is_open(&self) -> bool {
        Self::is_open(self)
    }
}

/// Has the engine's receipt hear what became of the response.
pub(super) fn attach<B>(response: &mut Response<B>, receipt: Arc<Receipt>) {
    connection::attach(response, connection::Receipt::new(move |delivery| receipt.resolve(delivery)));
}

/// Has the response, which says that a ticket is held, replaced by another one if the ticket has ended when it would be
/// written.
pub(super) fn only_while_held<B>(
    response: &mut Response<B>,
    standing: Option<Arc<Standing>>,
    otherwise: impl FnOnce(&TicketView) -> Response<Body> + Send + 'static,
) {
    let Some(standing) = standing else { return };
    let seen = Arc::clone(&standing);
    let instead = move || otherwise(standing.ended().expect("it was seen to have ended"));
    connection::guard(response, connection::Guard::new(move || seen.ended().is_none(), instead));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_have_one_share() {
        let places = Places::default();
        let caller =
            |owner: Option<&str>, from: &str| Caller { owner: owner.map(Arc::from), ..Caller::anonymous(from) };
        let first = places.take(&caller(None, "2001:db8::1"), 1);
        assert!(first.is_some());
        assert!(places.take(&caller(None, "2001:db8::2"), 1).is_none(), "the same network");
        let others =
            [(None, "2001:db8:0:1::1"), (None, "192.0.2.1"), (None, "uid:0"), (Some("192.0.2.1"), "192.0.2.1")];
        let others: Vec<_> = others.iter().map(|(owner, from)| places.take(&caller(*owner, from), 1)).collect();
        assert!(others.iter().all(Option::is_some));
        drop(first);
        assert!(places.take(&caller(None, "2001:db8::3"), 1).is_some());
    }
}
