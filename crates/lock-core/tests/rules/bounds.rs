//! Every bound of the table is refused with its name and changes nothing; what a step may do is bounded too.

use crate::mirror::Mirror;
use crate::scenario::play;
use lock_core::{
    Caller, Change, Command, Continuity, EndedAs, Force, IfBusy, Lease, LockName, NewTicket, Outcome, Permits,
    Precondition, Rejection, ReleaseTarget, Settings, Snapshot, State, StepContext, Table, TicketId, limits,
};
use std::sync::Arc;

/// A table whose changes go to a store only when asked: these tests make a hundred thousand tickets.
struct Crowd {
    table: Table,
    now: u64,
    ids: u128,
}

fn at(now: u64) -> StepContext<'static> {
    StepContext { now, wall: now, is_connected: &|_| true }
}

fn name(text: &str) -> LockName {
    LockName::new(text).unwrap()
}

/// May do everything with everybody's tickets.
fn operator() -> Caller {
    Caller { admin: true, ..Caller::anonymous("host") }
}

impl Crowd {
    fn new() -> Self {
        Self { table: Table::load(Snapshot::default(), 0, &Continuity::None).unwrap(), now: 0, ids: 0 }
    }

    /// With templates of size 1.
    fn of_templates(patterns: &[&str]) -> Self {
        let mut crowd = Self::new();
        let template = |pattern: &&str| lock_core::Definition {
            target: lock_core::Target::Template(lock_core::Prefix::from_pattern(pattern).unwrap()),
            settings: Settings::new(1),
            paused: false,
        };
        let definitions = patterns.iter().map(template).collect();
        let command = Command::Configure { definitions, mode: lock_core::ConfigureMode::Apply };
        crowd.table.apply(at(0), &operator(), &command).unwrap();
        crowd
    }

    fn put(&mut self, lock: &str, settings: Settings) -> Result<Outcome, Rejection> {
        let command = Command::PutLock {
            name: name(lock),
            settings,
            precondition: Precondition::None,
            force: Force { force: true, expect_tickets: None },
        };
        self.table.apply(at(self.now), &operator(), &command)
    }

    fn ask(&mut self, lock: &str, owner: usize, lease: Lease) -> Result<TicketId, Rejection> {
        let owner = Some(Arc::from(format!("key-{owner}")));
        self.ask_as(lock, Caller { owner, ..Caller::anonymous("host") }, lease)
    }

    fn ask_as(&mut self, lock: &str, caller: Caller, lease: Lease) -> Result<TicketId, Rejection> {
        self.ids += 1;
        let new = NewTicket { lease, if_busy: IfBusy::Queue, ..NewTicket::new(name(lock), TicketId(self.ids)) };
        self.table.apply(at(self.now), &caller, &Command::Acquire(new)).map(|_| TicketId(self.ids))
    }

    fn release(&mut self, id: TicketId) {
        let command =
            Command::Release { target: ReleaseTarget::Id(None, id), queued: true, keep: None, withhold: None };
        self.table.apply(at(self.now), &operator(), &command).unwrap();
    }

    /// One step at this time; gives the number of tickets that ended in it.
    fn step(&mut self, now: u64) -> usize {
        self.now = now;
        self.table.begin_step(now);
        self.table.expire(at(now));
        self.ended()
    }

    fn ended(&mut self) -> usize {
        let ended = |change: &Change| matches!(change, Change::PutTicket(t) if !t.is_live());
        self.table.take_changes().iter().filter(|change| ended(change)).count()
    }

    fn live(&self) -> usize {
        self.table.snapshot().tickets.iter().filter(|t| t.is_live()).count()
    }
}

fn full(what: &'static str, max: usize) -> Rejection {
    Rejection::LimitReached { what, max: max as u64 }
}

#[test]
fn bound_of_a_queue() {
    play(
        "lock san size=1 max_queue=2
         a takes san -> held 0
         b asks san -> queued ahead 0
         c asks san -> queued ahead 1
         d asks san -> refused: max_queue 2
         d takes san try -> refused: busy
         view san -> size 1 free 0 in-use 1 withheld 0 queued 2
         a releases -> released; b granted 0
         d asks san -> queued ahead 1
         patch san max_queue=0
         c releases -> cancelled
         d releases -> cancelled
         e asks san -> refused: max_queue 0
         b releases -> released
         e takes san -> held 0",
    );
}

#[test]
fn bounds_of_texts() {
    let info = |bytes: usize| "i".repeat(bytes);
    play(&format!(
        "lock san size=9
         a takes san info={} -> held 0
         b takes san info={} -> refused: invalid
         c takes san holder={} -> held 1
         d takes san holder={} -> refused: invalid
         e takes san request={} -> held 2
         f takes san request={} -> refused: invalid
         patch san description={} -> refused: invalid
         patch san pause={} -> refused: invalid
         revoke san a reason={} -> refused: invalid
         patch san pause=x for=2592001 -> refused: invalid
         patch san delay=2592001 -> refused: invalid
         view san -> size 9 free 6 in-use 3 withheld 0 queued 0",
        info(limits::INFO_BYTES_MAX),
        info(limits::INFO_BYTES_MAX + 1),
        info(limits::HOLDER_BYTES_MAX),
        info(limits::HOLDER_BYTES_MAX + 1),
        info(limits::REQUEST_ID_CHARS_MAX),
        info(limits::REQUEST_ID_CHARS_MAX + 1),
        info(limits::TEXT_BYTES_MAX + 1),
        info(limits::TEXT_BYTES_MAX + 1),
        info(limits::TEXT_BYTES_MAX + 1),
    ));
}

#[test]
fn bounds_of_names() {
    for bad in ["", ".", "..", " a", "a ", "a/b", "a*", "a?", "a\nb", "a\u{7f}", "\u{a0}a", &"x".repeat(201)] {
        assert!(LockName::new(bad).is_err(), "{bad:?}");
    }
    for good in ["a", "...", "a b", "größe", "a:b", &"x".repeat(200)] {
        assert!(LockName::new(good).is_ok(), "{good:?}");
    }
}

#[test]
fn bound_of_the_instances_of_a_template() {
    let mut crowd = Crowd::of_templates(&["job-*"]);
    let max = limits::TEMPLATE_INSTANCES_MAX;
    for number in 0..max {
        crowd.ask(&format!("job-{number}"), number % 4, Lease::Never).unwrap();
    }
    assert_eq!(crowd.ask("job-x", 5, Lease::Never), Err(full("instances of a template", max)));
    crowd.ask("job-7", 5, Lease::Never).unwrap();
    lock_core::invariants::check(&crowd.table).unwrap();
}

#[test]
fn share_of_one_owner_in_the_instances_of_templates() {
    let mut crowd = Crowd::of_templates(&["job-*", "run-*"]);
    let max = limits::OWNER_INSTANCES_MAX;
    let names = |number| format!("{}-{number}", ["job", "run"][number % 2]);
    let ids: Vec<TicketId> = (0..max).map(|number| crowd.ask(&names(number), 0, Lease::Never).unwrap()).collect();
    let refused = full("instances of templates of a key or address", max);
    assert_eq!(crowd.ask("job-x", 0, Lease::Never), Err(refused.clone()));
    crowd.ask("job-x", 1, Lease::Never).expect("of another key there is room");
    crowd.ask(&names(0), 0, Lease::Never).expect("what is there may be used");
    lock_core::invariants::check(&crowd.table).unwrap();
    // A start does not make one's own room larger.
    crowd.table = Table::load(crowd.table.snapshot(), 0, &Continuity::None).unwrap();
    crowd.step(1);
    assert_eq!(crowd.ask("job-y", 0, Lease::Never), Err(refused));
    lock_core::invariants::check(&crowd.table).unwrap();
    for id in &ids[1..] {
        crowd.release(*id);
    }
    crowd.step(2 + limits::INSTANCE_IDLE_MS);
    crowd.ask("job-y", 0, Lease::Never).expect("idle ones have gone");
    lock_core::invariants::check(&crowd.table).unwrap();
}

#[test]
fn an_instance_counts_for_an_owner_whose_ticket_is_in_it() {
    let mut crowd = Crowd::of_templates(&["job-*"]);
    let max = limits::OWNER_INSTANCES_MAX;
    let name = |number| format!("job-{number}");
    let made: Vec<TicketId> = (0..max).map(|number| crowd.ask(&name(number), 0, Lease::Never).unwrap()).collect();
    // Each is used by two others; half of those wait behind the other half.
    for number in 0..max {
        crowd.ask(&name(number), 1, Lease::Never).unwrap();
        crowd.ask(&name(number), 2, Lease::Never).unwrap();
    }
    for id in &made {
        crowd.release(*id);
    }
    lock_core::invariants::check(&crowd.table).unwrap();
    let refused = full("instances of templates of a key or address", max);
    assert_eq!(crowd.ask("job-x", 1, Lease::Never), Err(refused), "they are the first user's now");
    crowd.ask("job-x", 0, Lease::Never).expect("its maker has left them");
    crowd.ask("job-y", 2, Lease::Never).expect("who waits behind another one pays nothing");
    lock_core::invariants::check(&crowd.table).unwrap();
}

#[test]
fn share_of_one_owner_in_the_ended_tickets() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings::new(1_000_000)).unwrap();
    let quiet: Vec<TicketId> = (0..3).map(|_| crowd.ask("san", 1, Lease::Never).unwrap()).collect();
    quiet.iter().for_each(|id| crowd.release(*id));
    for number in 0..limits::ENDED_TICKETS_MAX + 100 {
        crowd.now = 1 + number as u64 / 1000;
        crowd.table.begin_step(crowd.now);
        let id = crowd.ask("san", 0, Lease::Never).unwrap();
        crowd.release(id);
    }
    let snapshot = crowd.table.snapshot();
    assert_eq!(snapshot.tickets.len(), limits::ENDED_TICKETS_MAX);
    assert!(quiet.iter().all(|id| snapshot.tickets.iter().any(|ticket| ticket.id == *id)), "pushed out by another key");
    lock_core::invariants::check(&crowd.table).unwrap();
}

#[test]
fn share_of_one_owner_in_the_withdrawn_request_ids() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings::new(1)).unwrap();
    let withdraw = |crowd: &mut Crowd, owner: usize, number: usize| {
        let caller = Caller { owner: Some(Arc::from(format!("key-{owner}"))), ..Caller::anonymous("host") };
        let target = ReleaseTarget::Request(
            name("san"),
            Box::default(),
            Arc::from(format!("request-of-{owner}-number-{number}")),
        );
        crowd.table.apply(
            at(crowd.now),
            &caller,
            &Command::Release { target, queued: true, keep: None, withhold: None },
        )
    };
    let max = limits::OWNER_WITHDRAWN_MAX;
    for owner in 0..limits::WITHDRAWN_MAX / max {
        for number in 0..max {
            assert_eq!(withdraw(&mut crowd, owner, number), Ok(Outcome::NothingHeld));
        }
        let refused = full("cancelled request ids of a key or address", max);
        assert_eq!(withdraw(&mut crowd, owner, max), Err(refused), "its own share is full");
    }
    // All of it is taken, and others can withdraw: the owner with most loses its oldest.
    assert_eq!(withdraw(&mut crowd, 99, 0), Ok(Outcome::NothingHeld));
    let withdrawn = crowd.table.snapshot().withdrawn;
    assert_eq!(withdrawn.len(), limits::WITHDRAWN_MAX);
    assert!(withdrawn.iter().any(|one| one.scope.owner.as_deref() == Some("key-99")));
    lock_core::invariants::check(&crowd.table).unwrap();
    crowd.table = Table::load(crowd.table.snapshot(), 0, &Continuity::None).unwrap();
    crowd.step(limits::ENDED_MEMORY_MS - 1);
    assert_eq!(withdraw(&mut crowd, 98, 0), Ok(Outcome::NothingHeld));
    // What one step forgets is bounded.
    for _ in 0..limits::WITHDRAWN_MAX.div_ceil(limits::STEP_ENDS_MAX) {
        crowd.step(limits::ENDED_MEMORY_MS);
    }
    assert_eq!(crowd.table.snapshot().withdrawn.len(), 1, "the rest was forgotten in time");
    lock_core::invariants::check(&crowd.table).unwrap();
}

#[test]
fn words_of_ended_tickets_and_of_events_are_short() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings::new(1)).unwrap();
    crowd.table.take_events();
    let info: Arc<str> = Arc::from("ä".repeat(limits::INFO_BYTES_MAX / 2));
    let new = NewTicket {
        info: info.clone(),
        request_id: Some(Arc::from("request-id-number-7")),
        ..NewTicket::new(name("san"), TicketId(7))
    };
    let acquire = Command::Acquire(new.clone());
    crowd.table.apply(at(0), &operator(), &acquire).unwrap();
    assert_eq!(crowd.table.snapshot().tickets[0].info, info, "whole while it lives");
    crowd.release(TicketId(7));
    let kept = crowd.table.snapshot().tickets[0].info.clone();
    assert!(kept.len() <= limits::INFO_KEPT_BYTES_MAX && kept.ends_with('…') && kept.len() > 250, "{kept}");
    for event in crowd.table.take_events() {
        let lock_core::EventKind::Ticket { info, .. } = event.kind else { panic!("{event:?}") };
        assert_eq!(info, kept);
    }
    // The same request once more is known by what is kept of it.
    assert!(matches!(crowd.table.apply(at(0), &operator(), &acquire), Err(Rejection::Gone(_))));
    let other = Command::Acquire(NewTicket { info: Arc::from("else"), ..new });
    assert_eq!(crowd.table.apply(at(0), &operator(), &other), Err(Rejection::RequestIdReused));
}

#[test]
fn unsafe_characters_are_in_no_text() {
    for bad in ["\u{1b}[2J", "a\nb", "\u{202e}b", "a\u{ad}", "\u{61c}", "\u{2028}", "\u{feff}"] {
        let mut crowd = Crowd::new();
        assert!(LockName::new(&format!("x{bad}x")).is_err() && lock_core::SlotName::new(&format!("x{bad}x")).is_err());
        crowd.put("san", Settings::new(1)).unwrap();
        let long = format!("{bad}{}", "x".repeat(20));
        let good = NewTicket::new(name("san"), TicketId(7));
        let text = || Some(Arc::from(long.as_str()));
        for new in [
            NewTicket { info: Arc::from(bad), ..good.clone() },
            NewTicket { holder: text(), ..good.clone() },
            NewTicket { request_id: text(), ..good.clone() },
        ] {
            let refused = crowd.table.apply(at(0), &operator(), &Command::Acquire(new));
            assert!(matches!(refused, Err(Rejection::Invalid(_))), "{bad:?}: {refused:?}");
        }
        assert_eq!(crowd.live(), 0);
        let described = Settings { description: Arc::from(bad), ..Settings::new(1) };
        assert!(matches!(crowd.put("other", described), Err(Rejection::Invalid(_))), "{bad:?}");
    }
}

#[test]
fn bounds_of_tickets_of_a_key_and_of_a_lock() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings::new(1)).unwrap();
    crowd.put("other", Settings::new(1)).unwrap();
    for number in 0..limits::LOCK_TICKETS_MAX {
        crowd.ask("san", number / limits::OWNER_TICKETS_MAX, Lease::Given(3_600_000)).unwrap();
    }
    let of_key = full("tickets of a key or address", limits::OWNER_TICKETS_MAX);
    assert_eq!(crowd.ask("other", 0, Lease::Never), Err(of_key));
    let of_lock = full("tickets of a lock", limits::LOCK_TICKETS_MAX);
    // max_queue has the same value by default and does not count the holder.
    assert_eq!(crowd.ask("san", 99, Lease::Never), Err(of_lock));
    crowd.ask("other", 99, Lease::Never).unwrap();
    crowd.release(TicketId(5));
    crowd.ask("other", 0, Lease::Never).unwrap();
    lock_core::invariants::check(&crowd.table).unwrap();
}

#[test]
fn bound_of_an_address_is_the_bound_of_its_network() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings::new(1)).unwrap();
    let from = |text: String| Caller::anonymous(&text);
    for host in 0..limits::OWNER_TICKETS_MAX {
        crowd.ask_as("san", from(format!("2001:db8::{host:x}")), Lease::Never).unwrap();
    }
    let of_address = full("tickets of a key or address", limits::OWNER_TICKETS_MAX);
    assert_eq!(crowd.ask_as("san", from("2001:db8::1:0:0:1".to_owned()), Lease::Never), Err(of_address));
    crowd.ask_as("san", from("2001:db8:0:1::1".to_owned()), Lease::Never).unwrap();
    crowd.ask_as("san", from("192.0.2.1".to_owned()), Lease::Never).unwrap();
    lock_core::invariants::check(&crowd.table).unwrap();
}

#[test]
fn bound_of_what_one_step_ends_by_the_clock() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings::new(1)).unwrap();
    let holder = crowd.ask("san", 0, Lease::Given(3_600_000)).unwrap();
    for number in 0..25_000 {
        crowd.ask("san", 1 + number / limits::OWNER_TICKETS_MAX, Lease::Given(60_000)).unwrap();
    }
    crowd.table.take_changes();
    assert_eq!(crowd.step(59_999), 0);
    assert_eq!(crowd.step(60_000), 10_000);
    assert_eq!(crowd.table.next_timeout(), Some(60_000), "more is due at once");
    lock_core::invariants::check(&crowd.table).unwrap();
    // The late one sends a heartbeat now and stays.
    let late = crowd.table.snapshot().tickets.iter().find(|t| t.is_live() && t.id != holder).unwrap().id;
    let renew = Command::Renew { id: late, ttl: None };
    crowd.now = 60_001;
    crowd.table.begin_step(60_001);
    crowd.table.heartbeat(&operator(), &renew);
    crowd.table.expire(at(60_001));
    crowd.table.apply(at(60_001), &operator(), &renew).unwrap();
    assert_eq!(crowd.ended(), 10_000);
    assert_eq!(crowd.step(60_001), 4_999);
    assert_eq!(crowd.live(), 2);
}

#[test]
fn bound_of_what_one_step_of_a_deletion_ends() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings { lock_delay: 30_000, ..Settings::new(1) }).unwrap();
    for number in 0..15_000 {
        crowd.ask("san", number / limits::OWNER_TICKETS_MAX, Lease::Never).unwrap();
    }
    crowd.table.take_changes();
    let delete = Command::DeleteLock {
        name: name("san"),
        precondition: Precondition::None,
        force: Force { force: true, expect_tickets: Some(15_000) },
    };
    crowd.step(10);
    assert_eq!(crowd.table.apply(at(10), &operator(), &delete), Ok(Outcome::Incomplete));
    assert_eq!(crowd.ended(), 10_000);
    assert_eq!(crowd.ask("san", 9, Lease::Never), Err(Rejection::Retiring));
    crowd.step(20);
    assert_eq!(crowd.table.apply(at(20), &operator(), &delete), Ok(Outcome::Done));
    assert_eq!(crowd.ended(), 5_000);
    assert_eq!(crowd.put("san", Settings::new(1)), Err(Rejection::NameWithheld(29_990)));
    lock_core::invariants::check(&crowd.table).unwrap();
}

#[test]
fn bound_of_what_one_step_of_a_shrink_ends() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings::new(2)).unwrap();
    let mut store = Mirror::default();
    store.commit_step(&mut crowd.table).unwrap();
    crowd.ask("san", 0, Lease::Never).unwrap();
    for number in 0..12_000_u128 {
        let new = NewTicket {
            permits: Permits::Count(2),
            if_busy: IfBusy::Queue,
            claim: false,
            ..NewTicket::new(name("san"), TicketId(1_000_000 + number))
        };
        let caller = Caller::anonymous(&format!("host-{}", number / 10_000));
        crowd.table.apply(at(0), &caller, &Command::Acquire(new)).unwrap();
    }
    crowd.table.begin_step(1);
    crowd.now = 1;
    crowd.put("san", Settings::new(1)).unwrap();
    store.commit_step(&mut crowd.table).unwrap();
    assert_eq!(crowd.live(), 2_001);
    // A crash here: the size is stored, so the rest follows after the load.
    crowd.table = Table::load(store.snapshot(), 0, &Continuity::None).unwrap();
    assert_eq!(crowd.step(2), 2_000);
    let oversized = |state: &State| matches!(state, State::Ended { how, .. } if *how == EndedAs::Oversized);
    let tickets = crowd.table.snapshot().tickets;
    assert_eq!(tickets.iter().filter(|t| oversized(&t.state)).count(), 12_000);
}

#[test]
fn bound_of_what_one_commit_notes_beside_what_it_is_for() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings::new(1)).unwrap();
    let ids: Vec<TicketId> = (0..2_500).map(|_| crowd.ask("san", 0, Lease::Never).unwrap()).collect();
    let mut store = Mirror::default();
    store.commit_step(&mut crowd.table).unwrap();
    let renew = |id| Command::Renew { id, ttl: None };
    for id in &ids {
        crowd.table.apply(at(0), &operator(), &renew(*id)).unwrap();
    }
    assert!(crowd.table.take_changes().is_empty(), "heartbeats alone need no commit");
    // What is dirty for another reason is written with that.
    crowd.release(ids[0]);
    let mut seen: Vec<TicketId> = Vec::new();
    let changes = crowd.table.take_changes();
    assert!(changes.iter().any(|change| matches!(change, Change::PutTicket(t) if t.id == ids[0] && t.acknowledged)));
    for expected in [1000, 1000, 498, 0] {
        let late = crowd.table.take_deferred_changes();
        assert_eq!(late.len(), expected);
        for change in late {
            let Change::PutTicket(ticket) = change else { panic!("{change:?} is not a deferred change") };
            assert!(ticket.acknowledged);
            seen.push(ticket.id);
        }
    }
    // The one that the release granted was written with the release.
    assert_eq!(seen, ids[2..]);
}

#[test]
fn rule_08_at_most_100_000_ended_tickets_are_remembered_the_oldest_go() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings::new(1_000_000)).unwrap();
    let first = crowd.ask("san", 0, Lease::Never).unwrap();
    crowd.release(first);
    let mut ids = Vec::new();
    for number in 0..limits::ENDED_TICKETS_MAX {
        ids.push(
            crowd
                .ask("san", number / limits::OWNER_TICKETS_MAX, Lease::Never)
                .unwrap_or_else(|why| panic!("{number}: {why}")),
        );
    }
    // All in the same millisecond, and the last to end is the first that was made.
    crowd.step(1);
    for id in ids.iter().rev() {
        crowd.release(*id);
    }
    let again = crowd.ask("san", 0, Lease::Never).unwrap();
    crowd.release(again);
    let snapshot = crowd.table.snapshot();
    assert_eq!(snapshot.tickets.len(), limits::ENDED_TICKETS_MAX);
    assert!(snapshot.tickets.iter().all(|ticket| ticket.id != first));
    lock_core::invariants::check(&crowd.table).unwrap();
}

#[test]
fn rule_08_a_full_memory_takes_in_what_ends_now_whatever_its_number() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings::new(1_000_000)).unwrap();
    let early = crowd.ask("san", 99, Lease::Never).unwrap();
    for number in 0..limits::ENDED_TICKETS_MAX {
        let id = crowd.ask("san", number / limits::OWNER_TICKETS_MAX, Lease::Never).unwrap();
        crowd.release(id);
    }
    crowd.release(early);
    let snapshot = crowd.table.snapshot();
    assert_eq!(snapshot.tickets.len(), limits::ENDED_TICKETS_MAX);
    assert!(snapshot.tickets.iter().any(|ticket| ticket.id == early));
}

#[test]
fn rule_05_a_ticket_is_served_once_a_step_whatever_becomes_of_it() {
    play(
        "lock san size=1
         a takes san -> held 0
         b asks san wait -> waits ahead 0
         a releases & b releases -> released & released; b served 0",
    );
}

#[test]
fn rule_09_a_start_writes_one_number_however_many_become_dormant_and_who_was_heard_of_stays_awake() {
    let mut crowd = Crowd::new();
    crowd.put("san", Settings::new(1)).unwrap();
    let ids: Vec<TicketId> = (0..100).map(|_| crowd.ask("san", 0, Lease::OfLock).unwrap()).collect();
    let mut store = Mirror::default();
    store.commit(crowd.table.take_changes());
    let mut table = Table::load(store.snapshot(), 0, &Continuity::NewLife).unwrap();
    // The first holds. The engine goes on with a wait of the third, and nothing else of its client's.
    let wait = Command::WaitOn { id: ids[2] };
    table.begin_step(1);
    table.heartbeat(&operator(), &wait);
    table.expire(at(1));
    let changes = table.take_changes();
    let written: Vec<_> = changes
        .iter()
        .filter_map(|change| match change {
            Change::PutTicket(ticket) => Some(ticket.id),
            _ => None,
        })
        .collect();
    assert!(written.iter().all(|id| ids[..3].contains(id)), "{written:?}");
    store.commit(changes);
    // One that is dormant wakes by such a wait, too.
    table.apply(at(1), &operator(), &Command::WaitOn { id: ids[50] }).unwrap();
    store.commit_step(&mut table).unwrap();
    let stored = store.snapshot();
    let again = Table::load(stored, 0, &Continuity::SameProcess { activity_seqs: table.activity_seqs() }).unwrap();
    for (place, &id) in ids.iter().enumerate().skip(1) {
        let dormant = ![2, 50].contains(&place);
        for table in [&table, &again] {
            let state = table.look(id).unwrap().ticket.state;
            assert!(dormant == (state == State::Queued { dormant: true }), "{place}: {state:?}");
        }
    }
}
