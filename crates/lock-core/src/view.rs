//! What is shown of tickets and locks.

use crate::limits::LISTED_SLOTS_MAX;
use crate::{
    Capacity, EndedAs, LockName, LockRecord, Ms, Part, Permits, SlotName, SlotRanges, Stage, State, TicketRecord,
    Until, WallMs, WithheldCause, Withholding, ranges,
};

/// A ticket as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketView {
    /// All that is durable of it. A protocol shows the id to the client that made the ticket only.
    pub ticket: TicketRecord,
    /// Tickets before it in the queue, of a bundle in that of its first lock, or in the listing of a lock in that lock's queue. 0 unless
    /// it is queued.
    pub ahead: u64,
    /// The further locks of a bundle (rule 13), in the order of their names.
    pub others: Vec<PartView>,
    /// Time until its lease ends without another heartbeat; `None` for never, or while a request waits for it.
    pub expires_in: Option<Ms>,
    /// Time until it has been held for as long as it may be, whatever is renewed; `None` for never, or unless it is held.
    pub overdue_in: Option<Ms>,
    /// The lease it has in its present state.
    pub ttl: Option<Ms>,
    /// Changes with each heartbeat; goes back in [`crate::Command::Undelivered`].
    pub activity_seq: u64,
    /// This answer is the one that claimed it.
    pub claimed: bool,
    /// When it was so: all times until something are from then.
    pub moment: Moment,
}

/// What a bundle asks for and has of one of its further locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartView {
    /// The lock.
    pub lock: LockName,
    /// What it asks for there.
    pub permits: Permits,
    /// Slots that it has.
    pub slots: SlotRanges,
    /// Their names, if they have any.
    pub slot_names: Vec<SlotName>,
    /// Tickets before it in the queue of that lock, 0 unless it is queued. `None` in listings of a lock, which tell its own only.
    pub ahead: Option<u64>,
}

impl PartView {
    /// What a ticket asks for and has of a lock, without its place in the queue.
    pub(crate) fn of(part: &Part) -> Self {
        let Part { lock, permits, slots, slot_names, not_before: _ } = part.clone();
        Self { lock, permits, slots, slot_names, ahead: None }
    }
}

/// When a step was made, by clocks that no rule looks at: what is shown to people, and what is told later than it was decided,
/// is counted from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Unix time.
    pub wall: WallMs,
    /// Milliseconds of whatever monotonic clock drives the table.
    pub mono: Ms,
}

impl TicketView {
    /// How it ended.
    #[must_use]
    pub fn ended(&self) -> Option<EndedAs> {
        match self.ticket.state {
            State::Ended { how, .. } => Some(how),
            _ => None,
        }
    }

    /// About the bytes of it as JSON.
    pub(crate) fn weight(&self) -> usize {
        let ticket = &self.ticket;
        let selection = ticket.more().selection.as_ref().map_or(0, |selection| selection.weight());
        let others: usize = self
            .others
            .iter()
            .map(|part| 100 + part.lock.as_str().len() + slots_weight(&part.slots, &part.slot_names))
            .sum();
        600 + ticket.info.len() + slots_weight(&ticket.slots, &ticket.slot_names) + selection + others
    }

    /// Tickets before it in the queue of its locks that has most of them, so far as this view tells. 0 unless it is queued.
    #[must_use]
    pub fn most_ahead(&self) -> u64 {
        self.others.iter().filter_map(|part| part.ahead).fold(self.ahead, u64::max)
    }

    /// Time until it surely ends without another heartbeat: its lease or its longest hold, whichever is over first.
    #[must_use]
    pub fn ends_in(&self) -> Option<Ms> {
        self.expires_in.into_iter().chain(self.overdue_in).min()
    }

    pub(crate) fn ended_word(&self) -> &'static str {
        self.ended().map_or("not at all", EndedAs::as_str)
    }

    pub(crate) fn stage_word(&self) -> &'static str {
        self.ticket.stage().map_or("ended", Stage::as_str)
    }

    /// Whether it has its permits and its client knows.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.ticket.state == State::Held
    }
}

/// Numbers of slots and their names, as they are told: the first of them, and all ranges.
fn slots_weight(slots: &SlotRanges, names: &[SlotName]) -> usize {
    let numbers = ranges::count(slots).min(LISTED_SLOTS_MAX as u64) as usize * 4;
    let names: usize = names.iter().take(LISTED_SLOTS_MAX).map(|name| name.as_str().len() + 3).sum();
    numbers + slots.len() * 12 + names
}

/// Counts since the lock was made or loaded. Not durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Tickets made.
    pub queries: u64,
    /// Grants.
    pub grants: u64,
    /// Answers that said "you have it": claims and renewals.
    pub got: u64,
    /// Grants that nobody claimed in time.
    pub lapsed: u64,
    /// Ends, by [`EndedAs`] in its order.
    pub ended: [u64; EndedAs::ALL.len()],
}

impl Statistics {
    /// Tickets that ended so.
    #[must_use]
    pub fn ended_as(&self, how: EndedAs) -> u64 {
        self.ended[how as usize]
    }
}

/// A lock in numbers, or all instances of a template together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageTotals {
    /// Locks that these numbers are of; 0 for a template without instances.
    pub locks: u64,
    /// Those of them that are paused.
    pub paused: u64,
    /// Permits.
    pub size: u64,
    /// Permits that are held.
    pub held: u64,
    /// Permits that are granted and not claimed.
    pub granted: u64,
    /// Permits that are withheld.
    pub withheld: u64,
    /// The same by why, in the order of [`WithheldCause::ALL`].
    pub withheld_by: [u64; WithheldCause::ALL.len()],
    /// Tickets in the queue, dormant ones included.
    pub queued: u64,
    /// Dormant tickets in the queue.
    pub dormant: u64,
    /// Time since the ticket that is in line longest was made, in wall milliseconds; 0 if nobody is in line. Of several
    /// locks, the longest.
    pub oldest_waiter: Ms,
    /// Time since the first of the present holders was granted its permits, in wall milliseconds; 0 if nobody has any. Of
    /// several locks, the longest.
    pub oldest_holder: Ms,
}

impl UsageTotals {
    /// The numbers of both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            locks: self.locks + other.locks,
            paused: self.paused + other.paused,
            size: self.size + other.size,
            held: self.held + other.held,
            granted: self.granted + other.granted,
            withheld: self.withheld + other.withheld,
            withheld_by: std::array::from_fn(|cause| self.withheld_by[cause] + other.withheld_by[cause]),
            queued: self.queued + other.queued,
            dormant: self.dormant + other.dormant,
            oldest_waiter: self.oldest_waiter.max(other.oldest_waiter),
            oldest_holder: self.oldest_holder.max(other.oldest_holder),
        }
    }
}

/// A lock in numbers, small enough to go with each event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Permits.
    pub size: u32,
    /// Permits that could be given now.
    pub free: u64,
    /// Permits that are granted or held.
    pub in_use: u64,
    /// Those of them that are granted and not claimed.
    pub granted: u64,
    /// Permits that are withheld.
    pub withheld: u64,
    /// Tickets with permits.
    pub holding: u64,
    /// Tickets in the queue, dormant ones included.
    pub queued: u64,
    /// Those of them that a sum over all locks leaves out: bundles, each of which counts for the first of its locks by name.
    pub queued_elsewhere: u64,
    /// What the first in line asks for; dormant tickets are not in line, nor are bundles that are not first in all of their queues.
    pub head: Option<Permits>,
    /// Nobody is in line, and bundles wait that are not first in all of their queues (rule 13): for other locks, or for a place there.
    pub elsewhere: bool,
    /// Permits that the tickets in the queue ask for together, without dormant ones; one that asks for all counts as the size.
    pub wanted: u64,
    /// A ticket that asked for all has its permits, or they are withheld after it: nothing is granted beside it.
    pub exclusive: bool,
    /// Grants are stopped.
    pub paused: bool,
    /// When the ticket that is in line longest was made.
    pub waiting_since: Option<WallMs>,
    /// When the first of the present holders was granted its permits.
    pub holding_since: Option<WallMs>,
    /// When the last of them was.
    pub last_granted: Option<WallMs>,
}

impl Usage {
    /// Whether every permit is out or withheld: nothing could be given, though nothing stopped the grants.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.exclusive || self.in_use + self.withheld >= u64::from(self.size)
    }
}

/// A place in the listings of a lock's holders and waiters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TicketsAfter {
    /// Holders with higher fencing tokens.
    pub token: u64,
    /// Waiters behind this priority and place in it; all of them without.
    pub place: Option<(i8, u64)>,
}

/// Some of the locks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocksPage {
    /// In the order of their names.
    pub locks: Vec<LockView>,
    /// Locks that come after these.
    pub more: u64,
}

impl LocksPage {
    /// The name after which the next page begins.
    #[must_use]
    pub fn next(&self) -> Option<&LockName> {
        self.locks.last().filter(|_| self.more > 0).map(|lock| &lock.lock.name)
    }

    /// About the bytes of all that as JSON.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.locks.iter().map(LockView::weight).sum()
    }
}

/// Some of somebody's tickets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TicketsPage {
    /// In the order of their numbers.
    pub tickets: Vec<TicketView>,
    /// The number after which the next page begins, if there is more to look through.
    pub next: Option<u64>,
    /// Tickets that were looked at: addresses of one network have one list.
    pub visited: usize,
}

impl TicketsPage {
    /// About the bytes of all that as JSON.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.tickets.iter().map(TicketView::weight).sum()
    }
}

/// A lock as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockView {
    /// All that is durable of it.
    pub lock: LockRecord,
    /// It in numbers.
    pub usage: Usage,
    /// Withheld permits, the oldest first; bounded.
    pub withholdings: Vec<Withholding>,
    /// Tickets with permits in the order of their grants; bounded as asked.
    pub holders: Vec<TicketView>,
    /// The queue in its order; bounded as asked.
    pub queue: Vec<TicketView>,
    /// Where the listings of holders and waiters go on, if there are more than these.
    pub next: Option<TicketsAfter>,
    /// Counts.
    pub statistics: Statistics,
    /// Time until a pause ends by itself.
    pub pause_ends_in: Option<Ms>,
    /// Service time of this view, which [`Withholding::until`] is compared with.
    pub now: Ms,
    /// Wall time of this view, which [`Withholding::until_wall`] is compared with.
    pub wall: WallMs,
    /// Names of the settings that were changed live since the file set them.
    pub overridden: Vec<&'static str>,
}

impl LockView {
    /// Time until these permits can be given again by themselves.
    #[must_use]
    pub fn restored_in(&self, withholding: &Withholding) -> Option<Ms> {
        withholding.ends().map(|until| match until {
            Until::Service(until) => until.saturating_sub(self.now),
            Until::Wall(until) => until.saturating_sub(self.wall),
        })
    }

    /// About the bytes of it as JSON.
    #[must_use]
    pub fn weight(&self) -> usize {
        let names: usize = match &self.lock.settings.capacity {
            Capacity::Size(_) => 0,
            Capacity::Named(names) => names.iter().map(|name| name.as_str().len() + 3).sum(),
        };
        let withholdings = self.withholdings.iter().map(|one| {
            let awaited: usize = one.awaited_names.iter().map(|name| name.as_str().len() + 3).sum();
            200 + one.reason.as_deref().map_or(0, str::len) + slots_weight(&one.slots, &one.slot_names) + awaited
        });
        let tickets = self.holders.iter().chain(&self.queue).map(TicketView::weight);
        let tags: usize = self
            .lock
            .settings
            .tags
            .iter()
            .map(|(name, tags)| name.as_str().len() + 10 + tags.iter().map(|tag| tag.as_str().len() + 3).sum::<usize>())
            .sum();
        let names = names + tags;
        // The reason of a pause is told twice.
        let reason = self.lock.pause.as_ref().map_or(0, |pause| 2 * pause.reason.len());
        1400 + reason + self.lock.settings.description.len() + names + withholdings.chain(tickets).sum::<usize>()
    }

    /// What was visited for it: a name costs little beside a ticket.
    pub(crate) fn visited(&self) -> usize {
        let names = match &self.lock.settings.capacity {
            Capacity::Size(_) => 0,
            Capacity::Named(names) => names.len() / 16,
        };
        1 + self.holders.len() + self.queue.len() + self.withholdings.len() + names
    }
}
