//! Which slot.

use crate::scenario::play;

#[test]
fn rule_14_a_ticket_gets_the_slots_that_it_names() {
    play(
        "lock gpu names=g0+g1+g2
         a takes gpu slots=g2+g0 -> held 0,2 g0,g2
         b asks gpu slots=g0 wait -> waits ahead 0
         # Somebody behind it takes what it cannot use.
         c takes gpu -> held 1 g1
         d asks gpu slots=g1+g2 wait -> waits ahead 1
         a releases -> released; b served 0 g0
         c releases -> released; d served 1-2 g1,g2",
    );
}

#[test]
fn rule_14_or_any_that_have_all_of_its_tags() {
    play(
        "lock gpu names=g0{a100}+g1{a100,nvlink}+g2{t4}
         a takes gpu tags=a100 -> held 0 g0
         b takes gpu tags=nvlink+a100 -> held 1 g1
         c asks gpu tags=a100 wait -> waits ahead 0
         d takes gpu tags=t4 -> held 2 g2
         b releases -> released; c served 1 g1",
    );
}

#[test]
fn rule_14_no_slot_that_an_earlier_waiter_could_use_is_given_to_a_later_one() {
    play(
        "lock gpu names=g0{a}+g1{a}+g2{b}
         x takes gpu slots=g0 -> held 0 g0
         # It needs two, and one that it could use is free.
         a asks gpu tags=a permits=2 wait -> waits ahead 0
         b asks gpu tags=a wait -> waits ahead 1
         c asks gpu slots=g1 wait -> waits ahead 2
         d takes gpu -> held 2 g2
         e asks gpu try -> refused: busy
         e asks gpu slots=g2 wait -> waits ahead 3
         d releases -> released; e served 2 g2
         x releases -> released; a served 0-1 g0,g1
         a releases -> released; b served 0 g0; c served 1 g1",
    );
}

#[test]
fn rule_14_who_takes_any_holds_up_everybody_behind_it() {
    play(
        "lock gpu names=g0{a}+g1{b}
         x takes gpu permits=2 -> held 0-1 g0,g1
         a asks gpu permits=2 wait -> waits ahead 0
         b asks gpu tags=a wait -> waits ahead 1
         c asks gpu tags=b priority=1 wait -> waits ahead 0
         x releases -> released; c served 1 g1
         c releases -> released; a served 0-1 g0,g1
         a releases -> released; b served 0 g0",
    );
}

#[test]
fn rule_14_all_waits_for_every_slot_and_lets_nobody_pass() {
    play(
        "lock gpu names=g0{a}+g1{b}
         x takes gpu tags=a -> held 0 g0
         w asks gpu permits=all wait -> waits ahead 0
         b asks gpu tags=b wait -> waits ahead 1
         b asks gpu permits=all tags=b -> refused: invalid
         x releases -> released; w served 0-1 g0,g1
         w releases -> released; b served 1 g1",
    );
}

#[test]
fn rule_14_the_plainest_slot_is_given_first() {
    play(
        "lock gpu names=g0{a,b}+g1{a}+g2
         a takes gpu -> held 2 g2
         b takes gpu -> held 1 g1
         c takes gpu -> held 0 g0
         b releases -> released
         a releases -> released
         d takes gpu tags=a -> held 1 g1",
    );
}

#[test]
fn rule_14_of_equal_ones_the_lowest_or_the_one_that_is_unused_for_longest() {
    play(
        "lock lab names=p+q+r pick=lru
         a takes lab -> held 0 p
         +1 a releases -> released
         b takes lab -> held 1 q
         +1 b releases -> released
         c takes lab -> held 2 r
         +1 c releases -> released
         restart
         d takes lab -> held 0 p
         e takes lab permits=2 -> held 1-2 q,r
         +1 e releases -> released
         +1 d releases -> released
         f takes lab -> held 1 q
         f releases -> released
         patch lab pick=first
         g takes lab -> held 0 p",
    );
}

#[test]
fn rule_14_what_is_not_there_is_refused_with_what_is() {
    play(
        "lock gpu names=g0{a100}+g1{a100,nvlink}
         lock san size=3
         a asks gpu slots=g7 -> refused: no slot g7, there are g0 g1
         a asks gpu tags=h100 -> refused: no tag h100, there are a100 nvlink
         a asks gpu tags=nvlink permits=2 -> refused: 2 of 1 slots
         a asks gpu slots=g0+g1 permits=1 -> refused: invalid
         a asks san slots=g0 -> refused: no slot g0, there are
         a asks san tags=fast -> refused: no tag fast, there are",
    );
}

#[test]
fn rule_14_a_change_that_removes_what_waiters_select_ends_them() {
    play(
        "lock gpu names=g0{a}+g1{b}+g2{b}
         x takes gpu permits=3 -> held 0-2 g0,g1,g2
         a asks gpu slots=g0 -> queued ahead 0
         b asks gpu tags=b permits=2 -> queued ahead 1
         c asks gpu tags=b -> queued ahead 2
         patch gpu names=g0{a}+g1{b} -> refused: would end 1
         patch gpu names=g0{a}+g1{b} force -> size 2 free 0 in-use 3 withheld 0 queued 2 names 0=g0,1=g1; b oversized
         patch gpu names=g1{b}+g3 force expect=1 -> size 2 free 0 in-use 3 withheld 0 queued 1 names 1=g1,3=g3; a oversized
         patch gpu names=g1+g3 force -> size 2 free 0 in-use 3 withheld 0 queued 0 names 1=g1,3=g3; c oversized",
    );
}

#[test]
fn rule_14_a_waiter_without_any_fitting_slot_is_counted_once() {
    play(
        "lock gpu names=g0{a}+g1{b}+g2{b}
         x takes gpu permits=3 -> held 0-2 g0,g1,g2
         a asks gpu slots=g0+g1 -> queued ahead 0
         b asks gpu tags=b permits=2 -> queued ahead 1
         patch gpu names=g3 -> refused: would end 2
         patch gpu names=g3 force expect=2 -> size 1 free 0 in-use 3 withheld 0 queued 0 names 3=g3; a oversized; b oversized",
    );
}

#[test]
fn rule_14_places_are_kept_over_a_restart_and_repeated_requests_must_select_the_same() {
    play(
        "lock gpu names=g0{a}+g1{b}
         x takes gpu permits=2 -> held 0-1 g0,g1
         a asks gpu tags=b request=0123456789abcdef-a -> queued ahead 0
         b asks gpu slots=g1+g0 request=0123456789abcdef-b -> queued ahead 1
         b asks gpu slots=g0+g1 request=0123456789abcdef-b -> queued ahead 1
         b asks gpu slots=g0 request=0123456789abcdef-b -> refused: request_id reused
         restart
         x gets & a gets -> held 0-1 g0,g1 & queued ahead 0
         b gets -> queued ahead 1
         x releases -> released; a granted 1 g1
         a gets -> held 1 g1
         a releases -> released; b granted 0-1 g0,g1",
    );
}

#[test]
fn rule_14_with_a_cap_who_is_passed_over_sets_nothing_aside() {
    play(
        "lock gpu names=g0{a}+g1{a}+g2{b} cap=1
         x takes gpu tags=a key=ci -> held 0 g0
         a asks gpu tags=a key=ci -> queued ahead 0
         b takes gpu tags=a key=ops -> held 1 g1
         b releases -> released
         x releases -> released; a granted 0 g0",
    );
}
