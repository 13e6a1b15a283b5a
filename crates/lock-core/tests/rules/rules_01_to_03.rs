//! Never more than size, order, at once.

use crate::scenario::play;

#[test]
fn rule_01_permits_beyond_the_size_wait() {
    play(
        "lock san size=2
         a asks san -> granted 0
         b asks san -> granted 1
         c asks san -> queued ahead 0
         a gets & b gets & c gets -> held 0 & held 1 & queued ahead 0
         view san -> size 2 free 0 in-use 2 withheld 0 queued 1
         restart
         +1 view san -> size 2 free 0 in-use 2 withheld 0 queued 1
         a releases -> released; c granted 0",
    );
}

#[test]
fn rule_01_a_shrink_leaves_holders_alone_and_lets_nobody_in_until_enough_left() {
    play(
        "lock san size=3
         a takes san -> held 0
         b takes san -> held 1
         c takes san -> held 2
         patch san size=1 -> size 1 free 0 in-use 3 withheld 0 queued 0
         d asks san -> queued ahead 0
         d2 takes san try -> refused: busy
         a releases & d gets -> released & queued ahead 0
         restart
         +1 show c state -> held 2
         b releases -> released
         c releases -> released; d granted 0",
    );
}

#[test]
fn rule_01_a_shrink_that_makes_waiters_impossible_needs_force() {
    play(
        "lock san size=4
         a takes san permits=4 -> held 0-3
         b asks san permits=3 -> queued ahead 0
         c asks san permits=2 -> queued ahead 1
         w asks san permits=all -> queued ahead 2
         patch san size=2 -> refused: would end 1
         lock san size=2 -> refused: would end 1
         patch san size=2 force expect=2 -> refused: would end 1
         show b state -> queued ahead 0
         view san -> size 4 free 0 in-use 4 withheld 0 queued 3
         patch san size=2 force expect=1 -> size 2 free 0 in-use 4 withheld 0 queued 2; b oversized
         b reads -> oversized
         b renews -> refused: gone, oversized
         a releases -> released; c granted 0-1
         c releases -> released; w granted 0-1",
    );
}

#[test]
fn rule_01_a_shrink_from_the_file_is_applied() {
    play(
        "file san size=4 -> configured created san
         a takes san permits=4 -> held 0-3
         b asks san permits=3 -> queued ahead 0
         c asks san -> queued ahead 1
         file san size=2 -> configured changed san; b oversized
         a releases -> released; c granted 0",
    );
}

#[test]
fn rule_01_a_grant_that_lapses_after_a_shrink_has_become_impossible() {
    play(
        "lock san size=3 grace=5
         a asks san permits=3 -> granted 0-2
         patch san size=2 -> size 2 free 0 in-use 3 withheld 0 queued 0
         b asks san -> queued ahead 0
         +5 -> a lapsed; a oversized; b granted 0",
    );
}

#[test]
fn rule_01_size_is_at_least_one() {
    play(
        "lock san size=0 -> refused: invalid
         lock san size=1000001 -> refused: invalid
         lock san size=1000000 -> size 1000000 free 1000000 in-use 0 withheld 0 queued 0
         patch san size=0 -> refused: invalid
         all takes san permits=all -> held 0-999999
         view san -> size 1000000 free 0 in-use 1000000 withheld 0 queued 0",
    );
}

#[test]
fn rule_01_withheld_permits_count() {
    play(
        "lock san size=2 delay=60 max_lock=20
         a takes san -> held 0
         +10 b takes san -> held 1
         c asks san ttl=600 -> queued ahead 0
         +10 -> a lost
         view san -> size 2 free 0 in-use 1 withheld 1 queued 1
         patch san size=1 -> size 1 free 0 in-use 1 withheld 1 queued 1
         b releases -> released
         view san -> size 1 free 0 in-use 0 withheld 1 queued 1
         c gets -> queued ahead 0
         restart
         +1 view san -> size 1 free 0 in-use 0 withheld 1 queued 1
         +59 -> san restored; c granted 0",
    );
}

#[test]
fn rule_02_nobody_overtakes_a_head_that_needs_more_than_is_free() {
    play(
        "lock san size=3
         a takes san permits=2 -> held 0-1
         big asks san permits=3 -> queued ahead 0
         small asks san -> queued ahead 1
         x takes san try -> refused: busy
         a releases -> released; big granted 0-2
         big releases -> released; small granted 0",
    );
}

#[test]
fn rule_02_no_permit_that_the_head_could_use_stays_idle() {
    play(
        "lock san size=3
         a takes san permits=3 -> held 0-2
         b asks san permits=2 -> queued ahead 0
         c asks san -> queued ahead 1
         d asks san -> queued ahead 2
         a releases -> released; b granted 0-1; c granted 2
         b releases -> released; d granted 0",
    );
}

#[test]
fn rule_02_higher_priorities_go_first_and_equal_ones_in_order_of_arrival() {
    play(
        "lock san size=1
         a takes san -> held 0
         low asks san priority=-100 -> queued ahead 0
         mid asks san -> queued ahead 0
         high asks san priority=100 -> queued ahead 0
         mid2 asks san -> queued ahead 2
         over asks san priority=101 -> refused: invalid
         under asks san priority=-101 -> refused: invalid
         low gets & mid gets & high gets & mid2 gets
         restart
         +0 show low state -> queued ahead 3
         a releases -> released; high granted 0
         high releases -> released; mid granted 0
         mid releases -> released; mid2 granted 0
         mid2 releases -> released; low granted 0",
    );
}

#[test]
fn rule_02_a_higher_priority_passes_a_big_head() {
    play(
        "lock san size=2
         a takes san -> held 0
         big asks san permits=2 -> queued ahead 0
         same takes san try -> refused: busy
         vip takes san priority=1 try -> held 1
         a releases -> released
         vip releases -> released; big granted 0-1",
    );
}

#[test]
fn rule_02_a_request_for_more_than_the_size_is_refused_at_once() {
    play(
        "lock san size=2
         a asks san permits=3 -> refused: 3 of 2 permits
         a asks san permits=0 -> refused: invalid
         a asks san permits=1000001 -> refused: invalid
         a asks nowhere -> refused: unknown lock
         view san -> size 2 free 2 in-use 0 withheld 0 queued 0",
    );
}

#[test]
fn rule_02_all_is_alone_whatever_the_size_becomes() {
    play(
        "lock san size=2
         r1 takes san -> held 0
         w asks san permits=all -> queued ahead 0
         r2 asks san -> queued ahead 1
         x takes san try -> refused: busy
         r1 releases -> released; w granted 0-1
         w gets -> held 0-1
         patch san size=5 -> size 5 free 0 in-use 2 withheld 0 queued 1
         r2 gets -> queued ahead 0
         restart
         +1 x takes san try -> refused: busy
         patch san size=1 -> size 1 free 0 in-use 2 withheld 0 queued 1
         w releases -> released; r2 granted 0",
    );
}

#[test]
fn rule_02_all_waits_for_withheld_permits_and_withholds_everything_after_a_bad_end() {
    play(
        "lock san size=2 delay=30 max_lock=10
         r1 takes san -> held 0
         w asks san permits=all ttl=600 -> queued ahead 0
         +10 -> r1 lost
         +30 -> san restored; w granted 0-1
         w gets -> held 0-1
         r2 asks san ttl=600 -> queued ahead 0
         revoke san w -> revoked; w revoked
         patch san size=4 -> size 4 free 0 in-use 0 withheld 2 queued 1
         r2 gets -> queued ahead 0
         restart
         +29.999 ->
         +0.001 -> san restored; r2 granted 0",
    );
}

#[test]
fn rule_02_a_lapse_gives_a_new_place_which_a_restart_keeps() {
    play(
        "lock san size=1 grace=10
         a asks san ttl=600 -> granted 0
         b asks san ttl=600 -> queued ahead 0
         c asks san ttl=600 -> queued ahead 1
         b gets & c gets -> queued ahead 0 & queued ahead 1
         +10 -> a lapsed; b granted 0
         a gets -> queued ahead 1
         restart
         +1 show a state -> queued ahead 1
         b gets -> held 0
         b releases -> released; c granted 0
         c gets -> held 0
         c releases -> released; a granted 0",
    );
}

#[test]
fn rule_03_every_end_grants_in_its_own_step() {
    play(
        "lock san size=1 max_lock=30
         a takes san -> held 0
         b asks san wait ttl=600 -> waits ahead 0
         c asks san wait ttl=600 -> waits ahead 1
         d asks san wait hold=5 -> waits ahead 2
         e asks san wait -> waits ahead 3
         a releases -> released; b served 0
         revoke san b -> revoked; b revoked; c served 0
         c undelivered made -> done; d served 0
         +5 -> d overdue; e served 0
         e releases -> released",
    );
}

#[test]
fn rule_03_the_end_of_a_big_head_lets_the_small_ones_in() {
    play(
        "lock san size=2
         a takes san ttl=600 -> held 0
         big asks san permits=2 -> queued ahead 0
         small asks san ttl=600 -> queued ahead 1
         +60 -> big expired; small granted 1
         small releases -> released
         big asks san permits=2 -> queued ahead 0
         small asks san -> queued ahead 1
         big releases -> cancelled; small granted 1",
    );
}

#[test]
fn rule_03_changes_of_a_lock_grant_in_their_own_step() {
    play(
        "lock san size=1 delay=60
         a takes san -> held 0
         b asks san -> queued ahead 0
         c asks san -> queued ahead 1
         patch san size=2 -> size 2 free 0 in-use 2 withheld 0 queued 1; b granted 1
         revoke san a -> revoked; a revoked
         restore san a -> size 2 free 0 in-use 2 withheld 0 queued 0; c granted 0
         patch san pause=why
         d asks san -> queued ahead 0
         patch san size=3 -> size 3 free 1 in-use 2 withheld 0 queued 1 paused
         patch san resume -> size 3 free 0 in-use 3 withheld 0 queued 0; d granted 2",
    );
}

#[test]
fn rule_03_a_head_that_becomes_dormant_lets_others_in_at_once() {
    play(
        "lock san size=2
         a takes san -> held 0
         big asks san permits=2 wait -> waits ahead 0
         small asks san -> queued ahead 1
         big stops-waiting lost -> dormant ahead 0; small granted 1
         big gets -> queued ahead 0",
    );
}
