//! Getting permits: one ticket, waited for in slices, and nothing left behind when it is given up.

use crate::calls::of_lock;
use crate::retry::jitter;
use crate::send::Call;
use crate::{BootTime, Client, Error, Held};
use lock_api::{Acquire, ErrorCode, Permits, Problem, Seconds, Ticket, TicketState, routes};
use reqwest::Method;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long one request waits on the server: below the idle limits of proxies and firewalls.
const SLICE: Duration = Duration::from_secs(25);
/// An answer that comes sooner did not wait; asking again at once would be a storm.
const TOO_SOON: Duration = Duration::from_millis(200);
/// Pause in that case, and before a lost ticket is asked for anew.
const PAUSE: Duration = Duration::from_secs(1);
/// First and longest pause while the server has no room for another request that waits: a grant in it must be seen before its
/// grace is over (`GRACE_TIME`, 10 s by default).
const NO_ROOM_FIRST: Duration = Duration::from_millis(500);
const NO_ROOM_PAUSE: Duration = Duration::from_secs(2);
/// How long a cancel is waited for.
const CANCEL_WITHIN: Duration = Duration::from_secs(3);
/// The same, where no server answered a moment ago.
const AGAIN_WITHIN: Duration = Duration::from_secs(1);

/// What to ask for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AcquireOptions {
    /// How many permits. With `slots` their number counts, unless this is another one than 1. Of several locks each has its own.
    pub permits: Permits,
    /// Exactly the slots of these names; empty for any. Of one lock only, as `tags`.
    pub slots: Vec<String>,
    /// Slots that have all of these tags; empty for any.
    pub tags: Vec<String>,
    /// How long to wait: for ever if there is none, not at all if it is zero.
    pub wait: Option<Duration>,
    /// How long the ticket lives without a heartbeat; the server's default if there is none.
    pub ttl: Option<Duration>,
    /// The purpose of the ticket, shown to everybody that looks.
    pub info: String,
    /// -100 to 100, higher goes first.
    pub priority: i8,
    /// Longest time to hold, whatever is renewed.
    pub max_hold: Option<Duration>,
    /// Ends the queued tickets of the same locks, owner and word.
    pub supersede: Option<String>,
    /// With a `wait`: how long after its end it is given up if no server answers. Without one each call is repeated as the
    /// client says.
    pub patience: Option<Duration>,
}

impl Client {
    /// Gets permits of a lock, waiting as the options say. A future that is dropped cancels its ticket in the background.
    ///
    /// # Errors
    /// `busy` when it does not wait, [`Error::TimedOut`] when it does; as every call. No ticket is left behind, as far as a
    /// server can be reached.
    pub async fn acquire(&self, lock: &str, options: &AcquireOptions) -> Result<Held, Error> {
        self.acquire_watched(lock, options, |_| {}).await
    }

    /// The same, and tells each time when it learns its place in the queue.
    ///
    /// # Errors
    /// As [`Client::acquire`].
    pub async fn acquire_watched(
        &self,
        lock: &str,
        options: &AcquireOptions,
        queued: impl FnMut(&Ticket),
    ) -> Result<Held, Error> {
        self.acquire_wanted(&Wanted::one(lock, options.permits), options, queued).await
    }

    /// Gets permits of several locks, all or nothing: one ticket, with one place in all of their queues. So no two who want the
    /// same locks wait for each other, in whichever order they name them.
    ///
    /// # Errors
    /// As [`Client::acquire`]. What is refused because of one lock names it in the problem's `lock`.
    pub async fn acquire_all(
        &self,
        locks: &BTreeMap<String, Permits>,
        options: &AcquireOptions,
    ) -> Result<Held, Error> {
        self.acquire_all_watched(locks, options, |_| {}).await
    }

    /// The same, and tells each time when it learns its place in the queues.
    ///
    /// # Errors
    /// As [`Client::acquire_all`].
    pub async fn acquire_all_watched(
        &self,
        locks: &BTreeMap<String, Permits>,
        options: &AcquireOptions,
        queued: impl FnMut(&Ticket),
    ) -> Result<Held, Error> {
        self.acquire_wanted(&Wanted { locks: locks.clone() }, options, queued).await
    }

    async fn acquire_wanted(
        &self,
        wanted: &Wanted,
        options: &AcquireOptions,
        mut queued: impl FnMut(&Ticket),
    ) -> Result<Held, Error> {
        let begin = Instant::now();
        loop {
            let mut attempt = Attempt::new(self, wanted);
            let mut had_a_place = false;
            let mut watch = |ticket: &Ticket| {
                had_a_place = true;
                queued(ticket);
            };
            match attempt.run(options, begin, &mut watch).await {
                Ok(held) => {
                    attempt.over = true;
                    return Ok(held);
                }
                // The server forgot a ticket that we still want, for it could not be reached for long or lost its memory.
                Err(error) if had_a_place && is_lost(&error) => {
                    attempt.over = true;
                    let left = options.wait.map(|wait| wait.saturating_sub(begin.elapsed()));
                    if left.is_some_and(|left| left < PAUSE) {
                        return Err(error);
                    }
                    tokio::time::sleep(jitter(PAUSE)).await;
                }
                Err(error) => {
                    // After a place, or a try that may have arrived, whatever is answered later leaves a ticket behind.
                    let unsure = had_a_place || attempt.unsure.load(Ordering::Relaxed);
                    if !error.is_its_end() && (unsure || error.may_leave_a_ticket()) {
                        attempt
                            .cancel(if matches!(error, Error::Unreachable { .. }) {
                                AGAIN_WITHIN
                            } else {
                                CANCEL_WITHIN
                            })
                            .await;
                    }
                    attempt.over = true;
                    return Err(error);
                }
            }
        }
    }
}

fn is_lost(error: &Error) -> bool {
    use lock_api::EndedAs::{Expired, Lost};
    error.problem().is_some_and(|problem| match problem.code {
        ErrorCode::UnknownTicket => true,
        ErrorCode::Gone => matches!(problem.ended_as, Some(Expired | Lost)),
        _ => false,
    })
}

/// The locks, and how many permits of each.
#[derive(Debug, Clone)]
struct Wanted {
    locks: BTreeMap<String, Permits>,
}

impl Wanted {
    fn one(lock: &str, permits: Permits) -> Self {
        Self { locks: BTreeMap::from([(lock.to_owned(), permits)]) }
    }

    /// The lock, if it is one.
    fn single(&self) -> Option<(&str, Permits)> {
        let mut all = self.locks.iter().map(|(lock, permits)| (lock.as_str(), *permits));
        all.next().filter(|_| all.next().is_none())
    }

    fn names(&self) -> Vec<&str> {
        self.locks.keys().map(String::as_str).collect()
    }
}

/// One ticket that we try to get. Dropped before it is over, it is cancelled in the background.
struct Attempt<'a> {
    client: &'a Client,
    wanted: &'a Wanted,
    request_id: String,
    /// The ticket's id, once it is known.
    id: Option<String>,
    /// A request for it may have arrived without an answer.
    unsure: Arc<AtomicBool>,
    over: bool,
}

impl<'a> Attempt<'a> {
    fn new(client: &'a Client, wanted: &'a Wanted) -> Self {
        let request_id = format!("{:032x}", rand::random::<u128>());
        Self { client, wanted, request_id, id: None, unsure: Arc::default(), over: false }
    }

    async fn run(
        &mut self,
        options: &AcquireOptions,
        begin: Instant,
        queued: &mut impl FnMut(&Ticket),
    ) -> Result<Held, Error> {
        // Silence must not make the wait much longer.
        let until = options.wait.zip(options.patience).map(|(wait, patience)| begin + wait + patience);
        let (mut sent, mut ticket) = self.client.ask(&self.request(options).until(until)).await?;
        self.id.clone_from(&ticket.id);
        let mut no_room = NO_ROOM_FIRST;
        while ticket.state != TicketState::Held {
            if ticket.state == TicketState::Ended {
                return Err(ended(&ticket));
            }
            queued(&ticket);
            let left = options.wait.map(|wait| wait.saturating_sub(begin.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                let waited = begin.elapsed();
                return Err(Error::TimedOut { lock: self.wanted.names().join(", "), waited, ahead: ticket.ahead });
            }
            let slice = left.map_or(SLICE, |left| left.min(SLICE));
            let id = ticket.id.as_deref().ok_or_else(|| self.without_id())?;
            let call = Call::new(Method::GET, routes::TICKET.replace("{id}", id)).until(until);
            let asked = Instant::now();
            let waiting = call.clone().query("wait_s", Seconds::from(slice)).waits(slice);
            match self.client.ask(&waiting).await {
                Ok(answer) => (sent, ticket) = answer,
                // The server has no room for another request that waits. The place in the queue is ours all the same: we
                // keep it with a heartbeat, look, and try again later.
                Err(error) if error.code() == Some(ErrorCode::LimitReached) => {
                    let lives = ticket.ttl_s.map_or(NO_ROOM_PAUSE, |ttl| Duration::from(ttl) / 4);
                    tokio::time::sleep(jitter(no_room).min(slice).min(lives)).await;
                    no_room = (no_room * 2).min(NO_ROOM_PAUSE);
                    self.client.ask(&Call::new(Method::POST, routes::RENEW.replace("{id}", id)).until(until)).await?;
                    (sent, ticket) = self.client.ask(&call).await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            if ticket.state == TicketState::Queued && asked.elapsed() < TOO_SOON.min(slice) {
                tokio::time::sleep(jitter(PAUSE).min(slice)).await;
            }
        }
        self.held(sent, ticket, until).await
    }

    /// The holder. If the grant came late in its request, the lease may have begun long after that was sent: a renewal tells
    /// how long it surely lasts.
    async fn held(&self, mut sent: BootTime, mut ticket: Ticket, until: Option<Instant>) -> Result<Held, Error> {
        let id = ticket.id.clone().ok_or_else(|| self.without_id())?;
        let late = |ttl: Duration| BootTime::now().since(sent) > ttl / 8;
        if ticket.ttl_s.is_some_and(|ttl| late(ttl.into())) {
            let renewal = Call::new(Method::POST, routes::RENEW.replace("{id}", &id)).until(until);
            let renewed = self.client.ask(&renewal).await?;
            sent = renewed.0;
            ticket.ttl_s = renewed.1.ttl_s;
            ticket.expires_in_s = renewed.1.expires_in_s;
            ticket.expires_at = renewed.1.expires_at;
        }
        Ok(Held::new(self.client.clone(), id, ticket, sent))
    }

    fn request(&self, options: &AcquireOptions) -> Call {
        let named = |names: &Vec<String>| Some(names.clone()).filter(|names| !names.is_empty());
        let (path, locks, permits) = match self.wanted.single() {
            Some((lock, permits)) => {
                // One for each slot that is named, unless somebody says another number.
                let said = Some(permits).filter(|_| options.slots.is_empty() || permits != Permits::default());
                (of_lock(routes::LOCK_TICKETS, lock), None, said)
            }
            None => (routes::TICKETS.to_owned(), Some(self.wanted.locks.clone()), None),
        };
        let body = Acquire {
            locks,
            permits,
            exclusive: false,
            slots: named(&options.slots),
            tags: named(&options.tags),
            wait_s: Seconds::default(),
            ttl_s: options.ttl.map(Seconds::from),
            info: options.info.clone(),
            priority: options.priority,
            request_id: Some(self.request_id.clone()),
            max_hold_s: options.max_hold.map(Seconds::from),
            supersede: options.supersede.clone(),
            queue: options.wait.is_none_or(|wait| !wait.is_zero()),
        };
        Call::new(Method::POST, path).json(&body).unsure(&self.unsure)
    }

    fn without_id(&self) -> Error {
        Error::NotLockserver { server: self.client.servers().join(", "), what: "a ticket without its id".to_owned() }
    }

    /// Ends the ticket, if there is one.
    async fn cancel(&self, within: Duration) {
        let cancel = cancel(self.client, self.wanted, &self.request_id, self.id.as_deref());
        match tokio::time::timeout(within, cancel).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the ticket was not cancelled and ends with its lease"),
            Err(_) => tracing::debug!("the ticket was not cancelled in time and ends with its lease"),
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (client, wanted, request_id) = (self.client.clone(), self.wanted.clone(), self.request_id.clone());
        let id = self.id.take();
        self.client.inner.background.spawn(async move {
            if let Err(error) = cancel(&client, &wanted, &request_id, id.as_deref()).await {
                tracing::debug!(%error, "the ticket was not cancelled and ends with its lease");
            }
        });
    }
}

/// Ends the ticket of a request. By its id where that is known: a key that may not use the lock any more can still give back
/// what it was given.
async fn cancel(client: &Client, wanted: &Wanted, request_id: &str, id: Option<&str>) -> Result<(), Error> {
    match (id, wanted.single()) {
        (Some(id), _) => client.cancel_ticket(id).await,
        (None, Some((lock, _))) => client.cancel(lock, request_id).await,
        (None, None) => client.cancel_all(&wanted.names(), request_id).await,
    }
}

fn ended(ticket: &Ticket) -> Error {
    let mut detail = format!("ticket {} of `{}` has ended", ticket.number, ticket.lock_names());
    if let Some(by) = &ticket.ended_by {
        detail = format!("{detail}, ended by {by}");
    }
    if let Some(reason) = ticket.reason.as_ref().filter(|reason| !reason.is_empty()) {
        detail = format!("{detail}: {reason}");
    }
    let tickets = vec![Ticket { id: None, ..ticket.clone() }];
    Error::Refused(Box::new(Problem { ended_as: ticket.ended_as, tickets, ..Problem::new(ErrorCode::Gone, detail) }))
}
