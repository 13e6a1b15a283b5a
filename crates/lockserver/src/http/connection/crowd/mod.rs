//! Whose connections there are, and who gives way when there are too many. Plain state: it asks nobody and waits for nothing.
//!
//! At a bound the network with the most connections gives way, and of its connections the one that is missed least: first
//! heads and handshakes that are unfinished, the oldest first; then idle ones, the one idle longest first; then those that
//! take no bytes of their answer; then any that is busy. Who waits for a permit, or follows events, keeps its connection:
//! of those there are never so many that no room is left for others (see [`Crowd::hold`]). Networks with a few connections
//! are alike, so that among them only the order counts. A proxy that is trusted counts as such a network, and is never cut
//! off in an answer: its connections are many people's.
//!
//! A connection is *new* until a request on it was allowed something. New ones have a share of their own: a client that only
//! connects takes no place of those who are served.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;

/// Whose a connection is: a network as [`lock_core::network`] has it; `None` for users of this machine.
pub(super) type Network = Option<IpAddr>;

/// The owner of connections that wait: whether it is a key, and its name or that of its network.
pub(in crate::http) type Holder = (bool, Arc<str>);

/// What a connection does, as far as it matters to whether it is missed; the least missed comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// A handshake or the head of a request is unfinished, or nothing has come at all.
    Opening,
    /// Between two requests.
    Idle,
    /// Its client takes no bytes of an answer.
    Stalled,
    /// A request is read, answered, or its answer written.
    Busy,
}

/// Networks with fewer connections than this are alike.
const FEW: usize = 16;
/// Of what is left for waiting, a holder may have so many times what remains.
const HOLDERS_TIMES: usize = 3;

/// One connection.
struct Seat {
    network: Network,
    /// Its task has come to its turn.
    begun: bool,
    new: bool,
    proxy: bool,
    standing: Standing,
    /// When it came to stand so.
    since: u64,
    /// It was asked to give way, as it stood then.
    asked: Option<Standing>,
    evict: Arc<Notify>,
    /// Requests on it that wait, and event streams.
    holds: usize,
    holder: Option<Holder>,
    /// Bytes of answers that are not written yet.
    bytes: usize,
}

/// Hashes the numbers that we give to connections. What a client chooses needs a hash whose key it does not know.
#[derive(Default)]
struct OwnNumbers(u64);

impl Hasher for OwnNumbers {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed by this");
    }

    fn write_u64(&mut self, number: u64) {
        // By 2^64 over the golden ratio: both ends of the product differ for numbers in a row.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Candidate = (Standing, u64, u64);

/// The connections of one network.
#[derive(Default)]
struct Group {
    open: usize,
    in_line: usize,
    new: usize,
    proxies: usize,
    bytes: usize,
    /// The connections that may be asked to give way.
    candidates: BTreeSet<Candidate>,
    /// Of those, the new ones.
    new_candidates: BTreeSet<Candidate>,
}

/// Greatest last: the heaviest network, and of equal ones the one whose first candidate comes first.
type Rank = (u32, Reverse<Candidate>, Network);

/// All connections.
#[derive(Default)]
pub(super) struct Crowd {
    seats: HashMap<u64, Seat, BuildHasherDefault<OwnNumbers>>,
    groups: HashMap<Network, Group>,
    ranks: BTreeSet<Rank>,
    new_ranks: BTreeSet<Rank>,
    next: u64,
    new: usize,
    asked: usize,
    /// Connections that are held, and by whom.
    held: usize,
    holders: HashMap<Holder, usize>,
    bytes: usize,
}

impl Crowd {
    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.seats.len()
    }

    /// Of those, the ones that were asked to leave.
    pub(super) const fn leaving(&self) -> usize {
        self.asked
    }

    /// Connections on which no request was allowed anything so far.
    pub(super) const fn new_ones(&self) -> usize {
        self.new
    }

    /// A connection comes to its turn. How many of its network are in line for theirs, this one included.
    pub(super) fn begin(&mut self, id: u64) -> usize {
        let group = self.seats.get(&id).and_then(|seat| self.groups.get(&seat.network));
        let in_line = group.map_or(0, |group| group.in_line);
        self.change(id, |seat| seat.begun = true);
        in_line
    }

    /// Connections of one network that are no proxy's.
    pub(super) fn of_network(&self, network: Network) -> usize {
        self.groups.get(&network).filter(|group| group.proxies == 0).map_or(0, |group| group.open)
    }

    /// A connection was made. Its number, and what tells it to give way.
    pub(super) fn enter(&mut self, network: Network) -> (u64, Arc<Notify>) {
        let (id, evict) = (self.tick(), Arc::<Notify>::default());
        let seat = Seat {
            network,
            begun: false,
            new: true,
            proxy: false,
            standing: Standing::Opening,
            since: id,
            asked: None,
            evict: Arc::clone(&evict),
            holds: 0,
            holder: None,
            bytes: 0,
        };
        self.new += 1;
        self.unrank(network);
        self.groups.entry(network).or_default().add(id, &seat);
        self.rank(network);
        self.seats.insert(id, seat);
        (id, evict)
    }

    /// A connection is gone.
    pub(super) fn leave(&mut self, id: u64) {
        let Some(seat) = self.seats.remove(&id) else { return };
        let network = seat.network;
        self.new -= usize::from(seat.new);
        self.asked -= usize::from(seat.asked.is_some());
        self.bytes -= seat.bytes;
        if let Some(holder) = &seat.holder {
            self.let_go(&holder.clone());
        }
        self.unrank(network);
        let group = self.groups.get_mut(&network).expect("each seat's network is there");
        group.remove(id, &seat);
        if group.open == 0 {
            self.groups.remove(&network);
        } else {
            self.rank(network);
        }
    }

    /// It does something else from now on.
    pub(super) fn stands(&mut self, id: u64, standing: Standing) {
        let now = self.tick();
        self.change(id, |seat| {
            seat.standing = standing;
            seat.since = now;
        });
    }

    /// A request on it was allowed something; `proxy`: it came through a proxy that is trusted.
    pub(super) fn known(&mut self, id: u64, proxy: bool) {
        let Some(seat) = self.seats.get(&id) else { return };
        self.new -= usize::from(seat.new);
        self.change(id, |seat| {
            seat.new = false;
            seat.proxy |= proxy;
        });
    }

    /// A request on it is about to wait, or an event stream to begin. False if its holder has so many connections that too
    /// few would be left for others, out of `room` that may be held at all; nothing is changed then. The nearer the room is
    /// to its end the smaller is everybody's share of it, so that a newcomer finds some whatever one holder does.
    pub(super) fn hold(&mut self, id: u64, holder: &Holder, room: usize) -> bool {
        let Some(seat) = self.seats.get(&id) else { return true };
        if seat.holds == 0 {
            let own = self.holders.get(holder).copied().unwrap_or(0);
            if own >= room.saturating_sub(self.held).saturating_mul(HOLDERS_TIMES) {
                return false;
            }
            self.held += 1;
            *self.holders.entry(holder.clone()).or_default() += 1;
        }
        self.change(id, |seat| {
            seat.holds += 1;
            seat.holder.get_or_insert_with(|| holder.clone());
        });
        true
    }

    /// What [`Self::hold`] allowed is over.
    pub(super) fn held_no_more(&mut self, id: u64) {
        let mut over = None;
        self.change(id, |seat| {
            seat.holds -= 1;
            if seat.holds == 0 {
                over = seat.holder.take();
            }
        });
        if let Some(holder) = over {
            self.let_go(&holder);
        }
    }

    /// So many bytes of an answer wait to be written.
    pub(super) fn owes(&mut self, id: u64, bytes: usize) {
        if self.seats.contains_key(&id) {
            self.bytes += bytes;
            self.change(id, |seat| seat.bytes += bytes);
        }
    }

    /// They were written, or never will be.
    pub(super) fn paid(&mut self, id: u64, bytes: usize) {
        if self.seats.contains_key(&id) {
            self.bytes -= bytes;
            self.change(id, |seat| seat.bytes -= bytes);
        }
    }

    /// Bytes of answers that wait to be written: of everybody, and of the network of this connection.
    pub(super) fn bytes(&self, id: u64) -> (usize, usize) {
        let group = self.seats.get(&id).and_then(|seat| self.groups.get(&seat.network));
        (self.bytes, group.map_or(0, |group| group.bytes))
    }

    /// How a connection stood when it was asked to give way, if it was.
    pub(super) fn asked(&self, id: u64) -> Option<Standing> {
        self.seats.get(&id)?.asked
    }

    /// It was asked and stays: somebody else is asked next.
    pub(super) fn stays(&mut self, id: u64) {
        let now = self.tick();
        let Some(seat) = self.seats.get(&id) else { return };
        self.asked -= usize::from(seat.asked.is_some());
        self.change(id, |seat| {
            seat.asked = None;
            seat.since = now;
        });
    }

    /// Asks somebody to give way: a new connection if there is one and that is what is wanted, else any. False if nobody can be
    /// asked.
    pub(super) fn ask(&mut self, rather_new: bool) -> bool {
        let new = self.new_ranks.last().filter(|_| rather_new);
        let Some(&(_, Reverse((_, _, id)), _)) = new.or_else(|| self.ranks.last()) else { return false };
        self.ask_this(id);
        true
    }

    /// [`Self::ask`] for a new connection, and nobody else.
    pub(super) fn ask_new(&mut self) -> bool {
        !self.new_ranks.is_empty() && self.ask(true)
    }

    /// Asks somebody of this network.
    pub(super) fn ask_of(&mut self, network: Network) -> bool {
        let first = self.groups.get(&network).and_then(|group| group.candidates.first());
        let Some(&(_, _, id)) = first else { return false };
        self.ask_this(id);
        true
    }

    /// Asks the one of a network whose client has taken nothing of its answer for longest; of any network that has one if
    /// the connection's own has none.
    pub(super) fn ask_stalled(&mut self, of: u64) -> bool {
        let first = |group: &Group| {
            let stalled = (Standing::Stalled, 0, 0)..(Standing::Busy, 0, 0);
            group.candidates.range(stalled).next().copied()
        };
        let own = self.seats.get(&of).and_then(|seat| first(self.groups.get(&seat.network)?));
        let heaviest = || {
            let stalled = self.groups.values().filter_map(|group| Some((group.bytes, first(group)?)));
            stalled.max_by_key(|(bytes, _)| *bytes).map(|(_, candidate)| candidate)
        };
        let Some((_, _, id)) = own.or_else(heaviest) else { return false };
        self.ask_this(id);
        true
    }

    fn ask_this(&mut self, id: u64) {
        self.asked += 1;
        self.change(id, |seat| {
            seat.asked = Some(seat.standing);
            seat.evict.notify_one();
        });
    }

    fn let_go(&mut self, holder: &Holder) {
        self.held -= 1;
        if let Some(own) = self.holders.get_mut(holder) {
            *own -= 1;
            if *own == 0 {
                self.holders.remove(holder);
            }
        }
    }

    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Changes a connection, and keeps what is derived from it in step.
    fn change(&mut self, id: u64, change: impl FnOnce(&mut Seat)) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let network = seat.network;
        let group = self.groups.get_mut(&network).expect("each seat's network is there");
        let before = group.ranks(network);
        group.remove(id, seat);
        change(seat);
        group.add(id, seat);
        let after = group.ranks(network);
        // Mostly another connection of its network comes first, before and after.
        if before != after {
            self.forget_ranks(before);
            self.note_ranks(after);
        }
    }

    fn rank(&mut self, network: Network) {
        if let Some(group) = self.groups.get(&network) {
            self.note_ranks(group.ranks(network));
        }
    }

    fn unrank(&mut self, network: Network) {
        if let Some(group) = self.groups.get(&network) {
            self.forget_ranks(group.ranks(network));
        }
    }

    fn note_ranks(&mut self, (all, new): (Option<Rank>, Option<Rank>)) {
        self.ranks.extend(all);
        self.new_ranks.extend(new);
    }

    fn forget_ranks(&mut self, (all, new): (Option<Rank>, Option<Rank>)) {
        all.map(|rank| self.ranks.remove(&rank));
        new.map(|rank| self.new_ranks.remove(&rank));
    }
}

impl Group {
    /// Its place among all networks, and among those with new connections.
    fn ranks(&self, network: Network) -> (Option<Rank>, Option<Rank>) {
        let rank = |count: usize, candidates: &BTreeSet<Candidate>| {
            let weight = if self.proxies > 0 { FEW } else { count.max(FEW) };
            candidates.first().map(|first| (weight.ilog2(), Reverse(*first), network))
        };
        (rank(self.open, &self.candidates), rank(self.new, &self.new_candidates))
    }

    fn add(&mut self, id: u64, seat: &Seat) {
        self.open += 1;
        self.in_line += usize::from(!seat.begun);
        self.new += usize::from(seat.new);
        self.proxies += usize::from(seat.proxy);
        self.bytes += seat.bytes;
        let of_many = seat.proxy && seat.standing >= Standing::Stalled;
        if seat.asked.is_none() && seat.holds == 0 && !of_many {
            let candidate = (seat.standing, seat.since, id);
            self.candidates.insert(candidate);
            if seat.new {
                self.new_candidates.insert(candidate);
            }
        }
    }

    fn remove(&mut self, id: u64, seat: &Seat) {
        self.open -= 1;
        self.in_line -= usize::from(!seat.begun);
        self.new -= usize::from(seat.new);
        self.proxies -= usize::from(seat.proxy);
        self.bytes -= seat.bytes;
        let candidate = (seat.standing, seat.since, id);
        self.candidates.remove(&candidate);
        self.new_candidates.remove(&candidate);
    }
}
