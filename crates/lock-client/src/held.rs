//! Permits that are held: renewed while they are, watched, and given back.

use crate::retry::jitter;
use crate::{BootTime, Client, Error, ReleaseOptions};
use lock_api::{EndedAs, ErrorCode, Problem, Ticket};
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often a holder without a lease asks whether it still holds.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The longest time between two renewals: the server remembers for 10 minutes how a ticket ended.
const RENEW_WITHIN: Duration = Duration::from_secs(300);
/// The shortest time that a renewal may take.
const SHORTEST: Duration = Duration::from_millis(200);
/// How long a release is tried.
const RELEASE_WITHIN: Duration = Duration::from_secs(10);

/// Why permits are not ours any more, or not surely.
#[derive(Debug, Clone, PartialEq)]
pub enum Lost {
    /// The server ended the ticket.
    Ended(Box<Problem>),
    /// No renewal was answered in time: the server may have given the permits to somebody else.
    Unanswered,
    /// The same, for the server refused to renew it: the key may not use the lock any more, say.
    Refused(Box<Problem>),
    /// They were held for as long as they may be, whatever is renewed.
    Overdue,
}

impl Lost {
    /// Whether somebody with the ticket's id gave it back: no loss to the program that passed the id on.
    #[must_use]
    pub fn is_release(&self) -> bool {
        matches!(self, Self::Ended(problem) if problem.ended_as == Some(EndedAs::Released))
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(problem) => Error::Refused(problem.clone()).fmt(f),
            Self::Unanswered => f.write_str("no renewal was answered before the lease ended"),
            Self::Refused(problem) => {
                write!(f, "the server refused to renew it: {}", Error::Refused(problem.clone()))
            }
            Self::Overdue => f.write_str("it was held for as long as it may be held"),
        }
    }
}

/// What is known about a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// Until then the permits are surely ours: when the last answered renewal was *sent*, and the lease given, or what the
    /// longest hold leaves of it. Nothing if neither ends.
    pub deadline: Option<BootTime>,
    /// The lease given.
    pub ttl: Option<Duration>,
    /// It is lost.
    pub lost: Option<Lost>,
    /// Renewing does not move the deadline any more: it is that of the longest hold.
    pub last: bool,
    /// What the server said to the last renewal, if it refused.
    pub refused: Option<Box<Problem>>,
}

impl Lease {
    fn since(sent: BootTime, ticket: &Ticket) -> Self {
        let ttl = ticket.ttl_s.map(Duration::from);
        let left = ticket.expires_in_s.map(Duration::from);
        // On the way a lease may have lost some of its time; the longest hold takes more of it, from one renewal to the next.
        let last = left.is_some_and(|left| ttl.is_none_or(|ttl| left + ttl / 8 < ttl));
        let deadline = ttl.into_iter().chain(left).min().map(|left| sent + left);
        Self { deadline, ttl, lost: None, last, refused: None }
    }

    fn lost_at_deadline(&self) -> Lost {
        match &self.refused {
            _ if self.last => Lost::Overdue,
            Some(problem) => Lost::Refused(problem.clone()),
            None => Lost::Unanswered,
        }
    }
}

/// Permits that we hold. They are renewed every quarter of the lease, and every 5 minutes at least; when this is dropped they are released, as far as that
/// works without waiting for it.
#[derive(Debug)]
pub struct Held {
    client: Client,
    id: String,
    ticket: Ticket,
    lease: watch::Receiver<Lease>,
    keeper: JoinHandle<()>,
    over: bool,
}

impl Held {
    pub(crate) fn new(client: Client, id: String, ticket: Ticket, sent: BootTime) -> Self {
        let (tell, lease) = watch::channel(Lease::since(sent, &ticket));
        let keeper = tokio::spawn(keep(client.clone(), id.clone(), sent, tell));
        Self { client, id, ticket, lease, keeper, over: false }
    }

    /// The ticket as it was when it was granted: token, slots, number.
    #[must_use]
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// The secret that renews and releases it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The lease as it is known now.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.lease.borrow().clone()
    }

    /// Tells of each renewal and of the loss.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Lease> {
        self.lease.clone()
    }

    /// Returns when the permits are not surely ours any more.
    pub async fn lost(&self) -> Lost {
        let mut lease = self.lease.clone();
        match lease.wait_for(|lease| lease.lost.is_some()).await {
            Ok(lease) => lease.lost.clone().unwrap_or(Lost::Unanswered),
            // The keeper ends only after it said what is lost, or with its runtime.
            Err(_) => Lost::Unanswered,
        }
    }

    /// Gives the permits back and waits for the answer.
    ///
    /// # Errors
    /// As every call; `gone` if the server had ended the ticket before.
    pub async fn release(self) -> Result<(), Error> {
        self.release_within(RELEASE_WITHIN).await
    }

    /// The same, trying no longer than that.
    ///
    /// # Errors
    /// As [`Held::release`].
    pub async fn release_within(self, within: Duration) -> Result<(), Error> {
        self.release_with(within, &ReleaseOptions::default()).await
    }

    /// The same, with something to ask for.
    ///
    /// # Errors
    /// As [`Held::release`].
    pub async fn release_with(mut self, within: Duration, options: &ReleaseOptions) -> Result<(), Error> {
        self.keeper.abort();
        let outcome = self.client.release_within(&self.id, within, options).await;
        self.over = true;
        outcome
    }

    /// Stops renewing and leaves the ticket to its lease: for those who pass it on.
    #[must_use]
    pub fn into_ticket(mut self) -> Ticket {
        self.over = true;
        let mut ticket = self.ticket.clone();
        ticket.id = Some(self.id.clone());
        ticket
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.keeper.abort();
        let ended = matches!(self.lease.borrow().lost, Some(Lost::Ended(_)));
        if self.over || ended {
            return;
        }
        let (client, id) = (self.client.clone(), self.id.clone());
        self.client.inner.background.spawn(async move {
            if let Err(error) = client.release_within(&id, RELEASE_WITHIN, &ReleaseOptions::default()).await {
                tracing::debug!(%error, "the ticket was not released and ends with its lease");
            }
        });
    }
}

/// Renews until the lease is lost.
async fn keep(client: Client, id: String, mut sent: BootTime, tell: watch::Sender<Lease>) {
    let lose = |lost: Lost| tell.send_modify(|lease| lease.lost = Some(lost));
    let lose_at_deadline = || {
        let lost = tell.borrow().lost_at_deadline();
        lose(lost);
    };
    loop {
        let Lease { deadline, ttl, .. } = tell.borrow().clone();
        let due = sent + between(ttl);
        deadline.map_or(due, |deadline| deadline.min(due)).reached().await;
        loop {
            let left = deadline.map(|deadline| deadline.since(BootTime::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return lose_at_deadline();
            }
            // Each server has its part of a quarter of the lease, so that one that hangs does not use it up.
            let servers = u32::try_from(client.inner.servers.len()).unwrap_or(u32::MAX).max(1);
            let share = ttl.map_or(client.inner.timeout, |ttl| (ttl / 4 / servers).max(SHORTEST));
            let renewal = client.renew_now(&id, share.min(client.inner.timeout));
            let answer = match deadline {
                None => renewal.await,
                Some(deadline) => tokio::select! {
                    answer = renewal => answer,
                    () = deadline.reached() => return lose_at_deadline(),
                },
            };
            match answer {
                Ok((at, ticket)) => {
                    sent = at;
                    tell.send_replace(Lease::since(sent, &ticket));
                    break;
                }
                Err(Error::Refused(problem)) if is_the_end(&problem) => return lose(Lost::Ended(problem)),
                Err(error) => {
                    tracing::debug!(%error, "a renewal failed");
                    let refused = if let Error::Refused(problem) = error { Some(problem) } else { None };
                    tell.send_if_modified(|lease| {
                        let is_new = lease.refused != refused;
                        lease.refused = refused;
                        is_new
                    });
                    let pause = jitter(ttl.map_or(LOOK_EVERY, |ttl| ttl / 16).clamp(SHORTEST, LOOK_EVERY / 12));
                    tokio::time::sleep(left.map_or(pause, |left| left.min(pause))).await;
                }
            }
        }
    }
}

/// From one renewal to the next.
fn between(ttl: Option<Duration>) -> Duration {
    ttl.map_or(LOOK_EVERY, |ttl| (ttl / 4).min(RENEW_WITHIN))
}

fn is_the_end(problem: &Problem) -> bool {
    matches!(problem.code, ErrorCode::Gone | ErrorCode::UnknownTicket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewals_come_while_the_server_remembers_how_a_ticket_ended() {
        for (ttl_s, expected_s) in [(Some(60), 15), (Some(1200), 300), (Some(86_400), 300), (None, 60)] {
            let expected = Duration::from_secs(expected_s);
            assert_eq!(between(ttl_s.map(Duration::from_secs)), expected, "{ttl_s:?}");
        }
    }
}
