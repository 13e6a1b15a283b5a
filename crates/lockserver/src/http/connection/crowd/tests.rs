//! Who gives way, and who leaves room for whom.

use super::*;

fn network(n: u8) -> Network {
    Some(IpAddr::from([192, 0, 2, n]))
}

fn holder(name: &str) -> Holder {
    (true, Arc::from(name))
}

/// Asks until nobody is left: in which order they were asked.
fn order(crowd: &mut Crowd, rather_new: bool) -> Vec<u64> {
    let mut order = Vec::new();
    loop {
        let before: Vec<u64> = crowd.seats.iter().filter(|(_, seat)| seat.asked.is_some()).map(|(id, _)| *id).collect();
        if !crowd.ask(rather_new) {
            return order;
        }
        let asked = crowd.seats.iter().find(|(id, seat)| seat.asked.is_some() && !before.contains(id));
        order.push(*asked.expect("somebody was asked").0);
    }
}

#[test]
fn who_is_missed_least_gives_way_first() {
    let mut crowd = Crowd::default();
    let ids: Vec<u64> = (0..7).map(|_| crowd.enter(network(1)).0).collect();
    for (at, standing) in
        [(1, Standing::Busy), (2, Standing::Stalled), (3, Standing::Idle), (4, Standing::Idle), (5, Standing::Busy)]
    {
        crowd.stands(ids[at], standing);
    }
    assert!(crowd.hold(ids[5], &holder("a"), 100));
    assert_eq!(order(&mut crowd, false), [0, 6, 3, 4, 2, 1].map(|at: usize| ids[at]), "who waits is not asked");
    assert_eq!((crowd.open(), crowd.leaving()), (7, 6));
    crowd.held_no_more(ids[5]);
    assert_eq!(order(&mut crowd, false), [ids[5]]);
    ids.iter().for_each(|id| crowd.leave(*id));
    assert_eq!((crowd.open(), crowd.leaving(), crowd.new_ones(), crowd.held), (0, 0, 0, 0));
    assert!(crowd.groups.is_empty() && crowd.ranks.is_empty() && crowd.new_ranks.is_empty());
}

#[test]
fn the_network_with_the_most_gives_way_and_a_few_are_alike() {
    let mut crowd = Crowd::default();
    let (oldest, _) = crowd.enter(network(1));
    crowd.stands(oldest, Standing::Idle);
    let crowded: Vec<u64> = (0..4 * FEW).map(|_| crowd.enter(network(2)).0).collect();
    for id in &crowded {
        crowd.stands(*id, Standing::Idle);
    }
    for id in &crowded[..2 * FEW] {
        assert!(crowd.ask(false));
        assert_eq!(crowd.asked(*id), Some(Standing::Idle), "the one idle longest of those who have many");
        crowd.leave(*id);
    }
    crowded[2 * FEW..3 * FEW + 1].iter().for_each(|id| crowd.leave(*id));
    assert!(crowd.ask(false));
    assert!(crowd.asked(oldest).is_some(), "of networks with a few, only the order counts");
}

#[test]
fn new_connections_take_no_place_of_those_who_are_served() {
    let mut crowd = Crowd::default();
    let served: Vec<u64> = (0..4 * FEW).map(|_| crowd.enter(network(1)).0).collect();
    for id in &served {
        crowd.known(*id, false);
        crowd.stands(*id, Standing::Idle);
    }
    let fresh = crowd.enter(network(2)).0;
    assert_eq!(crowd.new_ones(), 1);
    assert!(crowd.ask_new() && crowd.asked(fresh).is_some(), "though its network has one alone");
    assert!(!crowd.ask_new());
    assert!(crowd.ask(true) && crowd.asked(served[0]).is_some(), "without a new one, any");
}

#[test]
fn a_trusted_proxy_counts_as_one_and_is_not_cut_off_in_an_answer() {
    let mut crowd = Crowd::default();
    let own: Vec<u64> = (0..2 * FEW).map(|_| crowd.enter(network(1)).0).collect();
    for id in &own {
        crowd.known(*id, false);
        crowd.stands(*id, Standing::Busy);
    }
    let proxied: Vec<u64> = (0..8 * FEW).map(|_| crowd.enter(network(2)).0).collect();
    for id in &proxied {
        crowd.known(*id, true);
        crowd.stands(*id, Standing::Busy);
    }
    assert_eq!(crowd.of_network(network(2)), 0, "it has no share");
    assert_eq!(order(&mut crowd, false), own);
}

#[test]
fn waiting_clients_leave_room_for_others_to_wait_and_for_everybody_to_renew() {
    let (mut crowd, room) = (Crowd::default(), 400);
    let mut take = |name: &str, network_of: u8| {
        let taken = (0..1000).take_while(|_| {
            let (id, _) = crowd.enter(network(network_of));
            crowd.hold(id, &holder(name), room)
        });
        taken.count()
    };
    let first = take("first", 1);
    assert_eq!(first, 300);
    let others: Vec<usize> = ["b", "c", "d"].iter().zip(2..).map(|(name, n)| take(name, n)).collect();
    assert!(others.iter().all(|taken| *taken > 0), "{others:?}");
    assert!(first + others.iter().sum::<usize>() <= room);
    // Requests on one connection are one.
    let (id, _) = crowd.enter(network(9));
    assert!((0..1000).all(|_| crowd.hold(id, &holder("z"), room)));
    let held = crowd.held;
    (0..999).for_each(|_| crowd.held_no_more(id));
    assert_eq!(crowd.held, held);
    crowd.held_no_more(id);
    assert_eq!(crowd.held, held - 1);
}

#[test]
fn who_takes_nothing_of_its_answers_gives_way_when_too_many_bytes_wait() {
    let mut crowd = Crowd::default();
    let ids: Vec<u64> = (0..3).map(|n| crowd.enter(network(n)).0).collect();
    for id in &ids {
        crowd.stands(*id, Standing::Busy);
        crowd.owes(*id, 1000);
    }
    assert_eq!(crowd.bytes(ids[0]), (3000, 1000));
    assert!(!crowd.ask_stalled(ids[0]), "they are being written");
    crowd.stands(ids[1], Standing::Stalled);
    assert!(crowd.ask_stalled(ids[0]) && crowd.asked(ids[1]) == Some(Standing::Stalled));
    crowd.paid(ids[0], 1000);
    crowd.leave(ids[1]);
    assert_eq!(crowd.bytes(ids[0]), (1000, 0));
}
