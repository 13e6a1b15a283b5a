//! Histories with a mistake in each: the judge finds it, and finds nothing in what is right.

use super::{Promise, judge};
use crate::history::{Answer, Ask, Call, Fault, History, SECOND, Seen, Told};

/// A history in whole seconds.
pub(super) struct Story(pub(super) History);

impl Story {
    pub(super) fn of(size: u32) -> Self {
        Self(History { locks: vec![("x".to_owned(), size)], ..History::default() })
    }

    fn call(mut self, sent: u64, answered: u64, ask: Ask, answer: Answer) -> Self {
        let (sent, answered) = (sent * SECOND, answered * SECOND);
        self.0.calls.push(Call { client: 0, server: 0, sent, answered, ask, answer });
        self
    }

    pub(super) fn acquire(self, sent: u64, answered: u64, number: u64, answer: Answer) -> Self {
        let ask = Ask::Acquire { lock: "x".to_owned(), request_id: format!("r{number}"), permits: 1 };
        self.call(sent, answered, ask, answer)
    }

    fn wait(self, sent: u64, answered: u64, number: u64, answer: Answer) -> Self {
        self.call(sent, answered, Ask::Wait { ticket: number.to_string(), waits: true }, answer)
    }

    pub(super) fn renew(self, sent: u64, answered: u64, number: u64, answer: Answer) -> Self {
        self.call(sent, answered, Ask::Renew { ticket: number.to_string() }, answer)
    }

    pub(super) fn release(self, sent: u64, answered: u64, number: u64, answer: Answer) -> Self {
        self.call(sent, answered, Ask::Release { ticket: number.to_string() }, answer)
    }

    fn resize(self, sent: u64, answered: u64, size: u32, answer: Answer) -> Self {
        self.call(sent, answered, Ask::Resize { lock: "x".to_owned(), size }, answer)
    }

    fn look(self, sent: u64, answered: u64, size: u32, holders: &[u64], queue: &[u64]) -> Self {
        let seen = Seen { size, holders: holders.to_vec(), queue: queue.to_vec() };
        self.call(sent, answered, Ask::Look { lock: "x".to_owned() }, Answer::Seen(seen))
    }

    fn fault(mut self, from: u64, until: u64) -> Self {
        self.0.faults.push(Fault {
            kind: "planted",
            from: from * SECOND,
            mended: until * SECOND,
            until: until * SECOND,
        });
        self
    }

    fn verify(self, sent: u64, answered: u64, token: u64, holds: bool) -> Self {
        self.call(sent, answered, Ask::Verify { lock: "x".to_owned(), token }, Answer::Verified(holds))
    }

    /// The leader died or was cut off.
    pub(super) fn takeover(mut self, at: u64) -> Self {
        self.0.takeovers.push(at * SECOND);
        self
    }

    pub(super) fn breaks(self, promises: &[Promise]) {
        let findings = judge(&self.0);
        let mut broken: Vec<Promise> = findings.iter().map(|finding| finding.promise).collect();
        broken.sort_unstable();
        broken.dedup();
        assert_eq!(broken, promises, "{findings:?}");
    }
}

/// It holds this slot with a lease of 10 s.
pub(super) fn held(number: u64, slot: u64, token: u64) -> Answer {
    let ttl = 10 * SECOND;
    Answer::Ticket(Told { id: number.to_string(), number, held: true, slots: vec![slot], token, ttl })
}

/// It queues, and does so for 60 s.
fn queued(number: u64) -> Answer {
    let ttl = 60 * SECOND;
    Answer::Ticket(Told { id: number.to_string(), number, held: false, slots: Vec::new(), token: 0, ttl })
}

fn unknown() -> Answer {
    Answer::Unknown("cut".to_owned())
}

#[test]
fn what_is_right_is_found_to_be_right() {
    Story::of(2)
        .acquire(1, 2, 1, held(1, 0, 1))
        .acquire(1, 2, 2, held(2, 1, 2))
        .acquire(3, 4, 3, queued(3))
        .acquire(5, 6, 4, queued(4))
        .look(6, 7, 2, &[1, 2], &[3, 4])
        .renew(7, 8, 2, held(2, 1, 2))
        .release(8, 9, 1, Answer::Released)
        .wait(5, 9, 3, held(3, 0, 3))
        // The second one dies, and its lease is over.
        .wait(7, 18, 4, held(4, 1, 4))
        .renew(19, 20, 2, Answer::Gone("lost".to_owned()))
        .look(19, 20, 2, &[4], &[])
        .breaks(&[]);
}

#[test]
fn two_holders_of_one_permit() {
    Story::of(1)
        .acquire(1, 2, 1, held(1, 0, 1))
        .acquire(3, 4, 2, held(2, 0, 2))
        .breaks(&[Promise::Size, Promise::Tokens]);
    let one_after_the_other = Story::of(1).acquire(1, 2, 1, held(1, 0, 1)).release(3, 4, 1, unknown());
    one_after_the_other.acquire(3, 4, 2, held(2, 0, 2)).breaks(&[]);
}

#[test]
fn a_renewal_keeps_the_permit_and_the_next_holder_is_one_too_many() {
    let renewed = Story::of(1).acquire(1, 2, 1, held(1, 0, 1)).renew(9, 10, 1, held(1, 0, 1));
    renewed.acquire(12, 13, 2, held(2, 0, 2)).breaks(&[Promise::Size, Promise::Tokens]);
    let in_vain = Story::of(1).acquire(1, 2, 1, held(1, 0, 1)).renew(9, 10, 1, unknown());
    in_vain.acquire(12, 13, 2, held(2, 0, 2)).breaks(&[]);
}

#[test]
fn more_than_a_size_that_was_set() {
    let grown = || Story::of(1).resize(1, 2, 2, Answer::Resized).acquire(3, 4, 1, held(1, 0, 1));
    grown().acquire(3, 4, 2, held(2, 1, 2)).resize(5, 6, 1, Answer::Resized).breaks(&[]);
    // Made smaller, it lets nobody in until enough have gone.
    let smaller = grown().resize(5, 6, 1, Answer::Resized);
    smaller.acquire(7, 8, 2, held(2, 1, 2)).breaks(&[Promise::Size]);
    let perhaps = grown().resize(5, 6, 1, unknown());
    perhaps.acquire(7, 8, 2, held(2, 1, 2)).breaks(&[]);
}

#[test]
fn a_token_that_falls() {
    Story::of(2).acquire(1, 2, 1, held(1, 0, 7)).acquire(3, 4, 2, held(2, 1, 6)).breaks(&[Promise::Tokens]);
    Story::of(1)
        .acquire(1, 2, 1, held(1, 0, 7))
        .release(3, 4, 1, Answer::Released)
        .acquire(5, 6, 2, held(2, 0, 7))
        .breaks(&[Promise::Tokens]);
}

#[test]
fn a_number_that_falls() {
    Story::of(2).acquire(1, 2, 9, held(9, 0, 1)).acquire(3, 4, 8, held(8, 1, 2)).breaks(&[Promise::Tokens]);
}

#[test]
fn a_grant_that_is_lost() {
    let told = || Story::of(1).acquire(1, 2, 1, held(1, 0, 1));
    told().renew(3, 4, 1, Answer::UnknownTicket).breaks(&[Promise::Grants]);
    told().renew(3, 4, 1, Answer::Gone("lost".to_owned())).breaks(&[Promise::Grants]);
    told().renew(3, 4, 1, queued(1)).breaks(&[Promise::Grants]);
    told().look(3, 4, 1, &[], &[]).breaks(&[Promise::Grants]);
    told().acquire(3, 4, 1, Answer::Refused("busy".to_owned())).breaks(&[Promise::Grants]);
    told().renew(3, 12, 1, Answer::Gone("lost".to_owned())).breaks(&[]);
}

#[test]
fn a_release_that_is_lost() {
    let released = || Story::of(1).acquire(1, 2, 1, held(1, 0, 1)).release(3, 4, 1, Answer::Released);
    released().look(5, 6, 1, &[1], &[]).breaks(&[Promise::Releases]);
    released().renew(5, 6, 1, held(1, 0, 1)).breaks(&[Promise::Releases]);
    released().acquire(5, 6, 1, held(1, 0, 1)).breaks(&[Promise::Releases]);
    released().look(3, 6, 1, &[1], &[]).breaks(&[]);
}

#[test]
fn a_place_that_is_lost() {
    let place = || Story::of(1).acquire(1, 2, 1, queued(1));
    place().wait(3, 4, 1, Answer::UnknownTicket).breaks(&[Promise::Places]);
    place().wait(3, 4, 1, Answer::Gone("expired".to_owned())).breaks(&[Promise::Places]);
    place().look(3, 4, 1, &[], &[]).wait(5, 6, 1, queued(1)).breaks(&[Promise::Places]);
}

#[test]
fn a_size_that_is_lost() {
    let set = || Story::of(1).resize(1, 2, 3, Answer::Resized);
    set().look(3, 4, 1, &[], &[]).breaks(&[Promise::Resizes]);
    set().look(1, 4, 1, &[], &[]).breaks(&[]);
    set().resize(3, 4, 5, unknown()).look(10, 11, 5, &[], &[]).look(12, 13, 3, &[], &[]).breaks(&[]);
    set()
        .resize(3, 4, 5, Answer::Refused("unavailable".to_owned()))
        .look(10, 11, 5, &[], &[])
        .breaks(&[Promise::Resizes]);
}

#[test]
fn one_who_overtakes() {
    let overtaking = || {
        let full = Story::of(1).acquire(1, 2, 1, held(1, 0, 1));
        let waits = full.acquire(3, 4, 2, queued(2)).wait(4, 6, 2, queued(2)).wait(6, 12, 2, queued(2));
        let comes = waits.acquire(7, 8, 3, queued(3)).release(8, 9, 1, Answer::Released);
        comes.wait(8, 10, 3, held(3, 0, 2)).wait(12, 13, 2, queued(2))
    };
    overtaking().breaks(&[Promise::Order]);
    // A server that starts anew serves those whose clients it hears.
    overtaking().fault(5, 6).breaks(&[]);
    // A read that does not wait is not heard (rule 5).
    let read = |mut story: Story| {
        for call in &mut story.0.calls {
            if let Ask::Wait { waits, .. } = &mut call.ask {
                *waits = false;
            }
        }
        story
    };
    read(overtaking()).fault(2, 3).breaks(&[]);
    overtaking().fault(2, 3).breaks(&[Promise::Order]);
}

#[test]
fn a_request_that_made_two_tickets() {
    let twice = Story::of(2).acquire(1, 2, 1, held(1, 0, 1));
    let ask = Ask::Acquire { lock: "x".to_owned(), request_id: "r1".to_owned(), permits: 1 };
    twice.call(3, 4, ask, held(2, 1, 2)).breaks(&[Promise::RequestIds]);
}

#[test]
fn a_token_that_is_not_a_holders() {
    let told = || Story::of(1).acquire(1, 2, 1, held(1, 0, 7));
    told().verify(3, 4, 7, true).verify(12, 13, 7, false).breaks(&[]);
    told().verify(3, 4, 7, false).breaks(&[Promise::Grants]);
    let released = || told().release(3, 4, 1, Answer::Released);
    released().verify(3, 5, 7, true).breaks(&[]);
    released().verify(5, 6, 7, true).breaks(&[Promise::Releases]);
    let lost = || told().acquire(15, 16, 2, held(2, 0, 8));
    lost().verify(15, 17, 7, true).verify(17, 18, 8, true).breaks(&[]);
    lost().verify(17, 18, 7, true).breaks(&[Promise::Size]);
}

#[test]
fn what_was_refused_and_done_all_the_same() {
    let refused = || Answer::Refused("unavailable".to_owned());
    let told = || Story::of(1).acquire(1, 2, 1, held(1, 0, 1));
    told().release(3, 4, 1, refused()).look(5, 6, 1, &[], &[]).breaks(&[Promise::Grants]);
    told().release(3, 4, 1, refused()).renew(5, 6, 1, Answer::Gone("released".to_owned())).breaks(&[Promise::Grants]);
    told().release(3, 4, 1, unknown()).renew(5, 6, 1, Answer::Gone("released".to_owned())).breaks(&[]);
    let before = || Story::of(3).acquire(1, 2, 5, refused()).acquire(3, 4, 6, held(6, 0, 6));
    before().acquire(5, 6, 5, held(5, 1, 7)).breaks(&[Promise::Tokens]);
}

#[test]
fn a_takeover_that_shortens_a_lease() {
    let told = || Story::of(1).acquire(1, 2, 1, held(1, 0, 1)).takeover(10);
    told().renew(16, 17, 1, held(1, 0, 1)).breaks(&[]);
    told().renew(16, 17, 1, Answer::Gone("lost".to_owned())).breaks(&[Promise::Grants]);
    told().renew(18, 21, 1, Answer::Gone("lost".to_owned())).breaks(&[]);
    told().acquire(16, 17, 2, held(2, 0, 2)).breaks(&[Promise::Size, Promise::Tokens]);
    // Of many restarts the later ones may let it go on.
    told().fault(4, 5).renew(16, 17, 1, Answer::Gone("lost".to_owned())).breaks(&[]);
    told().takeover(17).renew(22, 23, 1, Answer::Gone("lost".to_owned())).breaks(&[]);
}

#[test]
fn a_server_that_ends_by_itself() {
    let mut story = Story::of(1);
    story.0.ended.push("it ended by itself".to_owned());
    story.breaks(&[Promise::Service]);
}
