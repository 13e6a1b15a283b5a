//! Random changes, random batches, closed and opened at random points.

use super::model::Model;
use super::records::{self, plain_ticket, slot_names, texts};
use super::{Make, load};
use lock_core::limits::COUNTER_MAX;
use lock_core::{Change, EndedAs, Lease, Meta, Permits, State, TicketRecord};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use std::sync::Arc;

/// Away from the numbers of the fixed tickets: no two tickets have the same one.
const NUMBERS: u64 = 1_000_000;

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Change>),
    Load,
    Reopen,
}

pub(super) fn any_sequence_gives_what_a_map_would(make: Make<'_>) {
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&proptest::collection::vec(step(), 1..24), |steps| {
        let mut place = make();
        let mut store = place.open();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Commit(changes) => {
                    let changes = records::one_of_each_key(&changes);
                    store.commit(&changes).map_err(|error| TestCaseError::fail(error.to_string()))?;
                    model.apply(&changes);
                }
                Step::Load => prop_assert_eq!(load(&mut *store), model.snapshot()),
                Step::Reopen => {
                    store = place.reopen(store);
                    prop_assert_eq!(load(&mut *store), model.snapshot());
                }
            }
        }
        prop_assert_eq!(load(&mut *store), model.snapshot());
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => proptest::collection::vec(change(), 0..12).prop_map(Step::Commit),
        1 => Just(Step::Load),
        1 => Just(Step::Reopen),
    ]
}

/// Few keys, so that they meet.
fn change() -> impl Strategy<Value = Change> {
    let fixed: Vec<Change> = records::all().into_iter().chain(records::alike()).collect();
    let of_few_keys: Vec<Change> = fixed.iter().map(records::with_the_same_key).collect();
    let deletions: Vec<Change> = fixed.iter().chain(&of_few_keys).filter_map(records::deletion).collect();
    prop_oneof![
        4 => ticket().prop_map(Change::PutTicket),
        2 => (1_u64..20).prop_map(|key| {
            let TicketRecord { number, id, .. } = plain_ticket(NUMBERS + key);
            Change::DeleteTicket { number, id }
        }),
        2 => select(of_few_keys),
        2 => select(fixed),
        2 => select(deletions),
        1 => (any::<[u32; 5]>(), 0_u64..20).prop_map(|(numbers, dormant)| {
            let [service_ms, last_token, last_number, last_seq, last_revision] = numbers.map(u64::from);
            let dormant_to = NUMBERS + dormant;
            Change::Meta(Meta { service_ms, last_token, last_number, last_seq, last_revision, dormant_to, ..Meta::default() })
        }),
    ]
}

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![select(texts()), any::<String>().prop_map(Arc::from)]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(COUNTER_MAX), 0..COUNTER_MAX]
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        any::<bool>().prop_map(|dormant| State::Queued { dormant }),
        Just(State::Granted),
        Just(State::Held),
        (select(EndedAs::ALL.to_vec()), number(), proptest::option::of(text()))
            .prop_map(|(how, at, reason)| State::Ended { how, at, reason }),
    ]
}

fn ticket() -> impl Strategy<Value = TicketRecord> {
    let option = || proptest::option::of(number());
    let texts = (text(), text(), proptest::option::of(text()), proptest::option::of(text()));
    let permits = prop_oneof![Just(Permits::All), any::<u32>().prop_map(Permits::Count)];
    let lease = prop_oneof![Just(Lease::OfLock), Just(Lease::Never), number().prop_map(Lease::Given)];
    let ranges = proptest::collection::btree_set(0_u32..2000, 0..20)
        .prop_map(|starts| starts.into_iter().map(|start| (start * 3, start * 3 + start % 2)).collect::<Vec<_>>());
    let times = (option(), option(), option(), option(), option(), option());
    let rest = (any::<i8>(), number(), 0..slot_names().len(), any::<bool>());
    (1_u64..20, texts, permits, lease, state(), ranges, times, rest).prop_map(
        |(
            key,
            (from, info, owner, holder),
            permits,
            lease,
            state,
            slots,
            times,
            (priority, seq, names, acknowledged),
        )| {
            let (max_hold, token, hold_until, granted_at, held_at, ended_at) = times;
            TicketRecord {
                from,
                info,
                owner,
                holder,
                permits,
                lease,
                acknowledged,
                state,
                slots,
                priority,
                seq,
                slot_names: slot_names()[..names].to_vec(),
                max_hold,
                token,
                hold_until,
                granted_at,
                held_at,
                ended_at,
                ..plain_ticket(NUMBERS + key)
            }
        },
    )
}
