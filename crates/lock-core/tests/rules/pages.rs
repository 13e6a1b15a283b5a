//! Listings come in pages, each of which costs what it shows, and together they show everything once.

use lock_core::{
    Caller, Capacity, Command, ConfigureMode, Continuity, Definition, IfBusy, LockName, LockView, LocksPage, NewTicket,
    Outcome, Prefix, Settings, SlotName, Snapshot, StepContext, Table, Target, TicketId, TicketsAfter, limits,
};
use std::sync::Arc;

fn name(text: &str) -> LockName {
    LockName::new(text).expect("a name")
}

fn apply(table: &mut Table, command: &Command) -> Outcome {
    apply_by(table, "host", command)
}

fn apply_by(table: &mut Table, from: &str, command: &Command) -> Outcome {
    let outcome = table
        .apply(StepContext { now: 0, wall: 1_000_000, is_connected: &|_| true }, &Caller::anonymous(from), command)
        .expect("it is allowed");
    table.take_events();
    outcome
}

fn table(definitions: Vec<(String, Capacity)>) -> Table {
    let mut table = Table::load(Snapshot::default(), 0, &Continuity::None).expect("an empty store");
    let definition = |(lock, capacity): (String, Capacity)| {
        let settings = Settings { capacity, ..Settings::new(1) };
        Definition { target: Target::Lock(name(&lock)), settings, paused: false }
    };
    let definitions = definitions.into_iter().map(definition).collect();
    apply(&mut table, &Command::Configure { definitions, mode: ConfigureMode::Apply });
    table
}

fn ask(table: &mut Table, lock: &str, id: u128, from: &str, priority: i8, info: &str) {
    let new = NewTicket {
        priority,
        info: Arc::from(info),
        if_busy: IfBusy::Queue,
        ..NewTicket::new(name(lock), TicketId(id))
    };
    apply_by(table, from, &Command::Acquire(new));
}

fn page(table: &mut Table, after: Option<&LockName>, limit: usize, among: Option<&[&str]>) -> Arc<LocksPage> {
    let target = |text: &&str| match Prefix::from_pattern(text) {
        Ok(prefix) => Target::Template(prefix),
        Err(_) => Target::Lock(name(text)),
    };
    let among = among.map(|all| all.iter().map(target).collect());
    match apply(table, &Command::ListLocks { after: after.cloned(), limit, tickets: 1000, among }) {
        Outcome::Locks(page) => page,
        other => panic!("{other:?}"),
    }
}

fn names(table: &mut Table, limit: usize, among: Option<&[&str]>) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = page(table, after.as_ref(), limit, among);
        assert!(page.locks.len() <= limit);
        all.extend(page.locks.iter().map(|lock| lock.lock.name.to_string()));
        assert_eq!(page.next().is_some(), page.more > 0);
        match page.next() {
            Some(next) => after = Some(next.clone()),
            None => return all,
        }
    }
}

#[test]
fn pages_of_locks_show_each_once_and_only_those_that_may_be_seen() {
    let all = ["a", "ab", "abc", "abd", "b", "ba", "c", "c-1", "c-2"];
    let mut table = table(all.iter().map(|lock| ((*lock).to_owned(), Capacity::Size(1))).collect());
    for limit in 1..=10 {
        assert_eq!(names(&mut table, limit, None), all);
        for (among, seen) in [
            (&["c-*", "ab*", "abc", "abc*", "b", "zz", "b"][..], &["ab", "abc", "abd", "b", "c-1", "c-2"][..]),
            (&["a", "a*"], &["a", "ab", "abc", "abd"]),
            (&["*", "c"], &all),
            (&["abcd", "aa*"], &[]),
            (&[], &[]),
        ] {
            assert_eq!(names(&mut table, limit, Some(among)), seen, "{among:?}, {limit} a page");
        }
    }
    assert_eq!(page(&mut table, None, 2, Some(&["ab*", "c"])).more, 2);
}

fn lock(table: &mut Table, tickets: usize, after: TicketsAfter) -> Arc<LockView> {
    match apply(table, &Command::ViewLock { name: name("x"), tickets, after }) {
        Outcome::Lock(view) => view,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pages_of_holders_and_waiters_show_each_once_in_order() {
    let mut table = table(vec![("x".to_owned(), Capacity::Size(5))]);
    for id in 0..23 {
        ask(&mut table, "x", id, "h", [0, 3, -3][id as usize % 3], "");
    }
    let whole = lock(&mut table, 1000, TicketsAfter::default());
    assert_eq!((whole.holders.len(), whole.queue.len(), whole.next), (5, 18, None));
    for tickets in [1, 2, 3, 7, 18, 100] {
        let (mut holders, mut queue, mut after) = (Vec::new(), Vec::new(), TicketsAfter::default());
        loop {
            let view = lock(&mut table, tickets, after);
            assert!(view.holders.len() <= tickets && view.queue.len() <= tickets);
            holders.extend(view.holders.clone());
            queue.extend(view.queue.clone());
            match view.next {
                Some(next) => after = next,
                None => break,
            }
        }
        assert_eq!(holders, whole.holders, "{tickets} a page");
        // With the same count of those ahead, wherever the page began.
        assert_eq!(queue, whole.queue, "{tickets} a page");
    }
}

#[test]
fn a_page_is_no_longer_than_it_may_be_whatever_is_in_it() {
    let slots =
        |lock: usize| (0..2000).map(move |slot| SlotName::new(&format!("{lock}-{slot}-{}", "n".repeat(80))).unwrap());
    let mut table = table((0..40).map(|one| (format!("x{one:02}"), Capacity::Named(slots(one).collect()))).collect());
    let first = page(&mut table, None, 1000, None);
    assert!(first.locks.len() > 1 && first.more > 0, "{} locks", first.locks.len());
    assert!(first.weight() <= limits::LISTED_BYTES_MAX, "{}", first.weight());
    assert_eq!(names(&mut table, 1000, None).len(), 40);
    for id in 0..3000 {
        ask(&mut table, "x00", id, &format!("h{}", id % 7), 0, &"i".repeat(4000));
    }
    let one = page(&mut table, None, 1000, None);
    assert!(one.locks[0].weight() <= limits::LISTED_BYTES_MAX + 500_000 && one.locks.len() < 3);
    let mine = Command::ListMine { after: 0, tickets: 1000 };
    let Outcome::Tickets(mine) = apply_by(&mut table, "h3", &mine) else { panic!("tickets were asked for") };
    assert!(mine.weight() <= limits::LISTED_BYTES_MAX && mine.next.is_none());
}

#[test]
fn pages_of_ones_own_tickets_show_each_once_and_nobody_elses() {
    let mut table = table(vec![("x".to_owned(), Capacity::Size(5))]);
    for id in 0..50 {
        ask(&mut table, "x", id, ["me", "you"][id as usize % 2], 0, "");
    }
    for tickets in [1, 3, 25, 100] {
        let (mut seen, mut after) = (Vec::new(), 0);
        loop {
            let command = Command::ListMine { after, tickets };
            let Outcome::Tickets(page) = apply_by(&mut table, "me", &command) else { panic!("tickets were asked for") };
            assert!(page.tickets.len() <= tickets);
            seen.extend(page.tickets.iter().map(|view| view.ticket.id.0));
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        assert_eq!(seen, (0..50).step_by(2).collect::<Vec<u128>>(), "{tickets} a page");
    }
}

#[test]
fn who_shares_a_network_sees_its_own_tickets_and_visits_so_many() {
    let mut table = table(vec![("x".to_owned(), Capacity::Size(5))]);
    for id in 0..3000 {
        ask(&mut table, "x", id, "2001:db8::1", 0, "");
    }
    ask(&mut table, "x", 9999, "2001:db8::2", 0, "");
    let list = |after| Command::ListMine { after, tickets: 10 };
    let Outcome::Tickets(first) = apply_by(&mut table, "2001:db8::2", &list(0)) else {
        panic!("tickets were asked for")
    };
    assert_eq!((first.tickets.len(), first.visited), (0, limits::LISTED_VISITS_MAX));
    let Outcome::Tickets(rest) = apply_by(&mut table, "2001:db8::2", &list(first.next.unwrap())) else {
        panic!("tickets were asked for")
    };
    assert_eq!((rest.tickets[0].ticket.id, rest.tickets.len(), rest.next), (TicketId(9999), 1, None));
}
