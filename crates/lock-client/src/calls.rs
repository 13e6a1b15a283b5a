//! Every call of the API but the two that take time: `acquire` and `events`.

use crate::address::segment;
use crate::send::{Call, Repeat};
use crate::{BootTime, Client, Error, Retry};
use lock_api::{
    ErrorCode, History, Lock, LockPatch, LockSettings, Locks, Released, Reloaded, Renew, Report, Seconds, Status,
    Ticket, TicketState, Tickets, Withhold, routes,
};
use reqwest::Method;
use reqwest::header::{IF_MATCH, IF_NONE_MATCH};
use std::time::Duration;
use tokio::time::Instant;

/// Conditions of a change that may end tickets, or that may meet another administrator's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guarded {
    /// Do it although tickets end.
    pub force: bool,
    /// Only if so many tickets would end.
    pub expect_tickets: Option<u64>,
    /// Only if the settings are still of this revision.
    pub revision: Option<u64>,
}

/// What a release asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseOptions {
    /// For so long nobody is given the permits that come back; cut to the lock's longest lease.
    pub keep: Option<Duration>,
    /// The permits are broken, for this reason: they are withheld until somebody restores them.
    pub withhold: Option<String>,
}

impl ReleaseOptions {
    fn apply(&self, mut call: Call) -> Call {
        if let Some(keep) = self.keep {
            call = call.query("keep_s", Seconds::from(keep));
        }
        if let Some(reason) = &self.withhold {
            call = call.query("withhold", reason);
        }
        call
    }
}

/// Which withheld permits to restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Restore {
    /// All of the lock.
    #[default]
    All,
    /// Those of the withholding with this number.
    Number(u64),
    /// The slots of these names.
    Slots(Vec<String>),
}

impl Guarded {
    fn apply(self, mut call: Call) -> Call {
        if self.force {
            call = call.query("force", true);
        }
        if let Some(expect) = self.expect_tickets {
            call = call.query("expect_tickets", expect);
        }
        match self.revision {
            // Sent a second time it would meet its own change.
            Some(revision) => call.header(IF_MATCH, format!("\"{revision}\"")).repeat(Repeat::IfNothingHappened),
            None => call,
        }
    }
}

/// A route with its lock filled in.
pub(crate) fn of_lock(route: &str, lock: &str) -> String {
    route.replace("{lock}", &segment(lock))
}

fn of_ticket(route: &str, id: &str) -> String {
    route.replace("{id}", &segment(id))
}

impl Client {
    /// All locks, however many pages the server makes of them. Later pages may know of events after `as_of`.
    ///
    /// # Errors
    /// As every call: the server's [`Problem`](lock_api::Problem), or that none answered.
    pub async fn locks(&self) -> Result<Locks, Error> {
        let mut all: Locks = self.send(&Call::new(Method::GET, routes::LOCKS)).await?.parse()?;
        while let Some(next) = all.next.take() {
            let page: Locks = self.send(&Call::new(Method::GET, routes::LOCKS).query("cursor", next)).await?.parse()?;
            all.locks.extend(page.locks);
            all.next = page.next;
        }
        Ok(all)
    }

    /// All locks in numbers, without their tickets.
    ///
    /// # Errors
    /// As every call.
    pub async fn overview(&self) -> Result<Locks, Error> {
        let call = || Call::new(Method::GET, routes::LOCKS).query("tickets", 0);
        let mut all: Locks = self.send(&call()).await?.parse()?;
        while let Some(next) = all.next.take() {
            let page: Locks = self.send(&call().query("cursor", next)).await?.parse()?;
            all.locks.extend(page.locks);
            all.next = page.next;
        }
        Ok(all)
    }

    /// One lock with all of its holders and its whole queue, however many pages the server makes of them. What moves meanwhile may
    /// be missing; no ticket is there twice.
    ///
    /// # Errors
    /// As every call.
    pub async fn whole_lock(&self, lock: &str) -> Result<Lock, Error> {
        let mut whole = self.lock(lock).await?;
        while let Some(next) = whole.next.take() {
            let call = Call::new(Method::GET, of_lock(routes::LOCK, lock)).query("cursor", next);
            let page: Lock = self.send(&call).await?.parse()?;
            whole.holders.extend(page.holders);
            whole.queue.extend(page.queue);
            whole.next = page.next;
        }
        let mut seen = std::collections::BTreeSet::new();
        whole.holders.retain(|ticket| seen.insert(ticket.number));
        whole.queue.retain(|ticket| seen.insert(ticket.number));
        Ok(whole)
    }

    /// One lock with the first 1,000 of its holders and of its queue.
    ///
    /// # Errors
    /// As every call.
    pub async fn lock(&self, lock: &str) -> Result<Lock, Error> {
        self.send(&Call::new(Method::GET, of_lock(routes::LOCK, lock))).await?.parse()
    }

    /// The last hour and day of a lock, and its last events.
    ///
    /// # Errors
    /// As every call.
    pub async fn history(&self, lock: &str) -> Result<History, Error> {
        self.send(&Call::new(Method::GET, of_lock(routes::LOCK_HISTORY, lock))).await?.parse()
    }

    /// The state of the server.
    ///
    /// # Errors
    /// As every call.
    pub async fn status(&self) -> Result<Status, Error> {
        self.send(&Call::new(Method::GET, routes::STATUS)).await?.parse()
    }

    /// The caller's tickets, all of them, without their ids.
    ///
    /// # Errors
    /// As every call.
    pub async fn my_tickets(&self) -> Result<Tickets, Error> {
        let mut all: Tickets =
            self.send(&Call::new(Method::GET, routes::TICKETS).query("mine", true)).await?.parse()?;
        while let Some(next) = all.next.take() {
            let call = Call::new(Method::GET, routes::TICKETS).query("mine", true).query("cursor", next);
            let page: Tickets = self.send(&call).await?.parse()?;
            all.tickets.extend(page.tickets);
            all.next = page.next;
        }
        Ok(all)
    }

    /// A ticket as it is, without waiting.
    ///
    /// # Errors
    /// As every call; `gone` if it ended.
    pub async fn ticket(&self, id: &str) -> Result<Ticket, Error> {
        self.send(&Call::new(Method::GET, of_ticket(routes::TICKET, id))).await?.parse()
    }

    /// Whether a holder has this fencing token now.
    ///
    /// # Errors
    /// As every call.
    pub async fn verify(&self, lock: &str, token: u64) -> Result<bool, Error> {
        Ok(self.holder(lock, token).await?.is_some())
    }

    /// The ticket that has this fencing token now, if a holder has it. The right to use a lock shows nothing of others but their slots.
    ///
    /// # Errors
    /// As every call.
    pub async fn holder(&self, lock: &str, token: u64) -> Result<Option<Ticket>, Error> {
        let call = Call::new(Method::GET, of_lock(routes::VERIFY, lock)).query("token", token);
        let answer = match self.send(&call).await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some(ErrorCode::NotAHolder) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Whatever answers every request with 200 confirms nothing.
        let holder: Ticket = answer.parse()?;
        if holder.locks.contains_key(lock) && holder.token == Some(token) {
            Ok(Some(holder))
        } else {
            Err(answer.not_lockserver("a ticket of another lock or token"))
        }
    }

    /// Renews a ticket, with a new lease from now on if one is given. For a [`Held`](crate::Held) this happens by itself.
    ///
    /// # Errors
    /// As every call; `gone` if it ended.
    pub async fn renew(&self, id: &str, ttl: Option<Duration>) -> Result<Ticket, Error> {
        self.send(&renewal(id, ttl)).await?.parse()
    }

    /// One round of renewing, each server within `timeout`. With it, when the request was sent.
    pub(crate) async fn renew_now(&self, id: &str, timeout: Duration) -> Result<(BootTime, Ticket), Error> {
        let servers = u32::try_from(self.inner.servers.len()).unwrap_or(u32::MAX);
        let call = renewal(id, None).retry(Retry::ONCE).timeout(timeout).quiet();
        let answer = self.send(&call.until(Some(Instant::now() + timeout.saturating_mul(servers)))).await?;
        Ok((answer.sent, answer.parse()?))
    }

    /// Releases a ticket, or cancels it while it is queued.
    ///
    /// # Errors
    /// As every call; `gone` if the server ended it before.
    pub async fn release(&self, id: &str) -> Result<(), Error> {
        self.release_with(id, &ReleaseOptions::default()).await
    }

    /// The same, with something to ask for.
    ///
    /// # Errors
    /// As [`Client::release`].
    pub async fn release_with(&self, id: &str, options: &ReleaseOptions) -> Result<(), Error> {
        self.end(&options.apply(Call::new(Method::DELETE, of_ticket(routes::TICKET, id)))).await
    }

    /// The same, no longer than that.
    pub(crate) async fn release_within(
        &self,
        id: &str,
        within: Duration,
        options: &ReleaseOptions,
    ) -> Result<(), Error> {
        let retry = Retry { within, ..self.inner.retry };
        let call = Call::new(Method::DELETE, of_ticket(routes::TICKET, id)).retry(retry).quiet();
        self.end(&options.apply(call).until(Some(Instant::now() + within))).await
    }

    /// Sends what ends a ticket of ours.
    async fn end(&self, call: &Call) -> Result<(), Error> {
        self.send(call).await?.parse::<Released>().map(drop)
    }

    /// Ends the ticket that a request with this `request_id` made or is about to make.
    ///
    /// # Errors
    /// As every call; that there is no such ticket is none.
    pub async fn cancel(&self, lock: &str, request_id: &str) -> Result<(), Error> {
        let call = Call::new(Method::DELETE, of_lock(routes::LOCK_TICKETS, lock)).query("request_id", request_id);
        self.end_if_there(call).await
    }

    /// The same of a request for several locks; which ones, and not in which order, belongs to the request.
    ///
    /// # Errors
    /// As [`Client::cancel`].
    pub async fn cancel_all(&self, locks: &[&str], request_id: &str) -> Result<(), Error> {
        let call = Call::new(Method::DELETE, routes::TICKETS).query("request_id", request_id);
        self.end_if_there(locks.iter().fold(call, |call, lock| call.query("lock", lock))).await
    }

    /// Ends a ticket of ours by its id. A ticket that has ended already is a success.
    pub(crate) async fn cancel_ticket(&self, id: &str) -> Result<(), Error> {
        self.end_if_there(Call::new(Method::DELETE, of_ticket(routes::TICKET, id))).await
    }

    async fn end_if_there(&self, call: Call) -> Result<(), Error> {
        match self.end(&call.quiet()).await {
            Err(error) if error.is_its_end() => Ok(()),
            outcome => outcome,
        }
    }

    /// Ends somebody's ticket by its public number: an administrator any, a user those of its own key.
    ///
    /// # Errors
    /// As every call.
    pub async fn revoke(&self, lock: &str, number: u64, reason: Option<&str>) -> Result<(), Error> {
        self.revoke_only(lock, number, None, reason).await
    }

    /// The same, only if the ticket is in that state: a waiter that has got its permits meanwhile is left alone.
    ///
    /// # Errors
    /// As every call; `ticket_changed` if it is in another state, `invalid` for [`TicketState::Ended`].
    pub async fn revoke_only(
        &self,
        lock: &str,
        number: u64,
        state: Option<TicketState>,
        reason: Option<&str>,
    ) -> Result<(), Error> {
        let path = of_lock(routes::LOCK_TICKET, lock).replace("{number}", &number.to_string());
        let mut call = Call::new(Method::DELETE, path);
        if let Some(reason) = reason {
            call = call.query("reason", reason);
        }
        if let Some(state) = state {
            call = call.query("state", state.as_str());
        }
        self.send(&call).await?.parse::<Ticket>().map(drop)
    }

    /// Makes a lock that must not exist yet.
    ///
    /// # Errors
    /// As every call; `lock_exists`.
    pub async fn create(&self, lock: &str, settings: &LockSettings) -> Result<Lock, Error> {
        let call = Call::new(Method::PUT, of_lock(routes::LOCK, lock)).json(settings).header(IF_NONE_MATCH, "*");
        self.send(&call.repeat(Repeat::IfNothingHappened)).await?.parse()
    }

    /// Makes a lock or replaces all its settings.
    ///
    /// # Errors
    /// As every call; `would_end_tickets`, `lock_changed`.
    pub async fn replace(&self, lock: &str, settings: &LockSettings, guarded: Guarded) -> Result<Lock, Error> {
        let call = Call::new(Method::PUT, of_lock(routes::LOCK, lock)).json(settings);
        self.send(&guarded.apply(call)).await?.parse()
    }

    /// Changes some settings of a lock, or pauses and resumes it.
    ///
    /// # Errors
    /// As every call; `would_end_tickets`, `lock_changed`.
    pub async fn change(&self, lock: &str, patch: &LockPatch, guarded: Guarded) -> Result<Lock, Error> {
        let call = Call::new(Method::PATCH, of_lock(routes::LOCK, lock)).json(patch);
        self.send(&guarded.apply(call)).await?.parse()
    }

    /// Deletes a lock.
    ///
    /// # Errors
    /// As every call; `would_end_tickets`, `lock_changed`.
    pub async fn delete(&self, lock: &str, guarded: Guarded) -> Result<(), Error> {
        let call = Call::new(Method::DELETE, of_lock(routes::LOCK, lock)).repeat(Repeat::IfNothingHappened);
        let answer = self.send(&guarded.apply(call)).await?;
        if answer.is_empty() { Ok(()) } else { Err(answer.not_lockserver("a body where none was expected")) }
    }

    /// Withholds permits, or slots by their names: what is free at once, the rest as it comes back.
    ///
    /// # Errors
    /// As every call.
    pub async fn withhold(&self, lock: &str, what: &Withhold) -> Result<Lock, Error> {
        // Sent a second time it would withhold twice as many.
        let call = Call::new(Method::POST, of_lock(routes::LOCK_WITHHELD, lock)).json(what);
        self.send(&call.repeat(Repeat::IfNothingHappened)).await?.parse()
    }

    /// Reports how many permits of a lock are in use in all, also by those who do not ask the server.
    ///
    /// # Errors
    /// As every call.
    pub async fn report(&self, lock: &str, report: Report) -> Result<Lock, Error> {
        self.send(&Call::new(Method::PUT, of_lock(routes::LOCK_OUTSIDE, lock)).json(&report)).await?.parse()
    }

    /// Takes the report back.
    ///
    /// # Errors
    /// As every call.
    pub async fn unreport(&self, lock: &str) -> Result<(), Error> {
        let answer = self.send(&Call::new(Method::DELETE, of_lock(routes::LOCK_OUTSIDE, lock))).await?;
        // Without a body if the lock was idle, and went with that.
        if answer.is_empty() { Ok(()) } else { answer.parse::<Lock>().map(drop) }
    }

    /// Restores withheld permits of a lock.
    ///
    /// # Errors
    /// As every call.
    pub async fn restore(&self, lock: &str, which: &Restore) -> Result<(), Error> {
        let call = Call::new(Method::DELETE, of_lock(routes::LOCK_WITHHELD, lock));
        let call = match which {
            Restore::All => call,
            Restore::Number(number) => call.query("number", number),
            Restore::Slots(names) => call.query("slots", names.join(",")),
        };
        let answer = self.send(&call).await?;
        // Without a body if the lock was being removed and went with that.
        if answer.is_empty() { Ok(()) } else { answer.parse::<Lock>().map(drop) }
    }

    /// Makes the server read its configuration again; what that changed.
    ///
    /// # Errors
    /// As every call; `configuration_refused` with all problems if the configuration is refused.
    pub async fn reload(&self) -> Result<Reloaded, Error> {
        self.send(&Call::new(Method::POST, routes::RELOAD)).await?.parse()
    }

    /// Sends a request for a ticket, or asks for one.
    pub(crate) async fn ask(&self, call: &Call) -> Result<(BootTime, Ticket), Error> {
        let answer = self.send(call).await?;
        Ok((answer.sent, answer.parse()?))
    }
}

fn renewal(id: &str, ttl: Option<Duration>) -> Call {
    let call = Call::new(Method::POST, of_ticket(routes::RENEW, id));
    match ttl {
        Some(ttl) => call.json(&Renew { ttl_s: Some(Seconds::from(ttl)) }),
        None => call,
    }
}
