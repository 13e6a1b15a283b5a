//! Caps, permits that are not given again too soon, and the latest only.

use crate::scenario::play;

#[test]
fn rule_16_who_is_at_the_cap_is_passed_over_and_keeps_its_place() {
    play(
        "lock san size=3 cap=2
         a takes san key=ci -> held 0
         b takes san key=ci -> held 1
         c asks san key=ci -> queued ahead 0
         d asks san key=ops -> granted 2
         e asks san key=ops -> queued ahead 0
         # The place of c is before that of e.
         a releases -> released; c granted 0
         c gets -> held 0
         b releases -> released; e granted 1",
    );
}

#[test]
fn rule_16_a_free_permit_stays_free_rather_than_that_one_owner_has_too_many() {
    play(
        "lock san size=3 cap=1
         a takes san key=ci -> held 0
         b asks san key=ci try -> refused: busy
         b asks san key=ci wait -> waits ahead 0
         view san -> size 3 free 2 in-use 1 withheld 0 queued 1
         c takes san from=10.0.0.1 -> held 1
         d asks san from=10.0.0.1 -> queued ahead 0
         e takes san from=10.0.0.2 -> held 2
         a releases -> released; b served 0
         c releases -> released; d granted 1",
    );
}

#[test]
fn rule_16_more_than_the_cap_is_refused_at_once() {
    play(
        "lock san size=5 cap=2
         a asks san permits=3 -> refused: 3 permits, 2 for one owner
         a asks san permits=6 -> refused: 6 of 5 permits
         a asks san permits=all -> refused: 5 permits, 2 for one owner
         patch san size=2
         a takes san permits=all -> held 0-1",
    );
}

#[test]
fn rule_16_who_asks_for_less_passes_its_owners_bigger_request() {
    play(
        "lock san size=5 cap=3
         a takes san permits=2 key=ci -> held 0-1
         b asks san permits=2 key=ci -> queued ahead 0
         c asks san key=ci -> granted 2
         c gets -> held 2
         c releases -> released
         a releases -> released; b granted 0-1",
    );
}

#[test]
fn rule_16_holders_stay_when_it_is_lowered_and_waiters_that_cannot_be_served_end() {
    play(
        "lock san size=4 cap=3
         a takes san permits=3 key=ci -> held 0-2
         b takes san key=ops -> held 3
         c asks san permits=2 key=ops -> queued ahead 0
         d asks san key=ops -> queued ahead 1
         patch san cap=1 -> refused: would end 1
         patch san cap=1 force expect=1 -> size 4 free 0 in-use 4 withheld 0 queued 1; c oversized
         b releases -> released; d granted 3
         a releases -> released
         e asks san key=ops -> queued ahead 0
         patch san cap=0 -> size 4 free 2 in-use 2 withheld 0 queued 0; e granted 0",
    );
}

#[test]
fn rule_16_a_cap_that_comes_later_counts_what_is_out() {
    play(
        "lock san size=2
         a takes san key=ci -> held 0
         b takes san key=ops -> held 1
         c asks san key=ci -> queued ahead 0
         d asks san key=ops -> queued ahead 1
         patch san cap=1
         b releases -> released; d granted 1
         restart
         d gets -> held 1
         c gets -> queued ahead 0
         a releases -> released; c granted 0",
    );
}

#[test]
fn rule_16_the_next_of_an_owner_has_its_turn_when_the_first_is_dormant() {
    play(
        "lock san size=3 cap=1 grace=10
         a takes san key=ci -> held 0
         b asks san key=ci wait -> waits ahead 0
         c asks san key=ci wait -> waits ahead 0
         b hangs-up
         a releases -> released; c served 0
         b stops-waiting lost -> dormant ahead 0
         b gets -> queued ahead 0
         c releases -> released; b granted 0",
    );
}

#[test]
fn rule_17_a_permit_is_not_given_again_too_soon_after_its_claim() {
    play(
        "lock api size=2 min_hold=60
         a takes api -> held 0
         +10 b takes api -> held 1
         a releases -> released
         view api -> size 2 free 0 in-use 1 withheld 1 queued 0
         c asks api wait -> waits ahead 0
         +49.999 ->
         +0.001 -> api restored; c served 0
         b releases -> released
         d asks api wait -> waits ahead 0
         +10 -> api restored; d served 1
         +70 c releases -> released
         e takes api -> held 0",
    );
}

#[test]
fn rule_17_however_the_ticket_ended_and_also_over_a_restart() {
    play(
        "lock api size=3 min_hold=600 max_lock=20 delay=5
         a takes api -> held 0
         b takes api ttl=3600 -> held 1
         +20 -> a lost
         revoke api b -> revoked; b revoked
         view api -> size 3 free 1 in-use 0 withheld 2 queued 0
         crash
         +60 view api -> size 3 free 1 in-use 0 withheld 2 queued 0
         restart
         +519.999 view api -> size 3 free 1 in-use 0 withheld 2 queued 0
         +0.001 view api -> size 3 free 3 in-use 0 withheld 0 queued 0; api restored; api restored",
    );
}

#[test]
fn rule_17_who_never_claimed_its_grant_has_started_nothing() {
    play(
        "lock api size=1 min_hold=60 grace=10
         a asks api -> granted 0
         a releases -> released
         b asks api -> granted 0
         +10 -> b lapsed
         c takes api -> held 0
         +1 c undelivered -> done
         c releases -> released
         d takes api -> held 0",
    );
}

#[test]
fn rule_17_a_risk_that_lasts_longer_is_what_withholds() {
    play(
        "lock api size=1 min_hold=60 delay=100
         a takes api -> held 0
         revoke api a -> revoked; a revoked
         +60 view api -> size 1 free 0 in-use 0 withheld 1 queued 0
         +40 -> api restored",
    );
}

#[test]
fn rule_17_a_release_may_ask_that_its_permits_rest() {
    play(
        "lock gpu size=1 max_ttl=90
         a takes gpu -> held 0
         a releases keep=30 -> released
         b asks gpu wait -> waits ahead 0
         +30 -> gpu restored; b served 0
         # No longer than a lease may be.
         b releases keep=3600 -> released
         +89.999 view gpu -> size 1 free 0 in-use 0 withheld 1 queued 0
         +0.001 -> gpu restored
         c takes gpu -> held 0
         d asks gpu -> queued ahead 0
         d releases keep=30 -> cancelled
         # However much longer: a release that is refused would keep the permit from everybody.
         c releases keep=99999999 -> released
         +89.999 view gpu -> size 1 free 0 in-use 0 withheld 1 queued 0
         restore gpu -> size 1 free 1 in-use 0 withheld 0 queued 0",
    );
}

#[test]
fn rule_17_the_name_of_a_deleted_lock_rests_as_its_permits_would() {
    play(
        "lock api size=1 min_hold=60
         a takes api -> held 0
         +10 delete api force -> done; a lock_deleted; api deleted
         lock api size=5 -> refused: name withheld for 50
         lock san size=1 min_hold=60
         b takes san -> held 0
         b releases -> released
         delete san force -> done; san deleted
         lock san size=1 -> refused: name withheld for 60",
    );
}

#[test]
fn rule_18_a_newer_ticket_takes_the_place_of_those_that_wait() {
    play(
        "lock deploy size=1
         a takes deploy key=ci supersede=main -> held 0
         b asks deploy key=ci supersede=main wait -> waits ahead 0
         c asks deploy key=ci supersede=main wait -> waits ahead 0; b superseded
         show b state by -> superseded by c
         # Another word, another owner, and none.
         d asks deploy key=ci supersede=test -> queued ahead 1
         e asks deploy key=ops supersede=main -> queued ahead 2
         f asks deploy key=ci -> queued ahead 3
         g asks deploy key=ci supersede=main -> queued ahead 3; c superseded
         b gets -> superseded
         b releases -> refused: gone, superseded
         a releases -> released; d granted 0",
    );
}

#[test]
fn rule_18_holders_are_not_touched_and_a_lapsed_one_waits_again() {
    play(
        "lock deploy size=2 grace=10
         a asks deploy supersede=main -> granted 0
         b takes deploy supersede=main -> held 1
         c asks deploy supersede=main ttl=100 -> queued ahead 0
         show a state -> granted 0
         +10 -> a lapsed; c granted 0
         c gets -> held 0
         d asks deploy supersede=main -> queued ahead 0; a superseded
         restart
         e asks deploy supersede=main -> queued ahead 0; d superseded
         show a by -> by d
         show d by -> by e",
    );
}

#[test]
fn rule_18_what_is_superseded_makes_room_in_a_short_queue() {
    play(
        "lock deploy size=1 max_queue=1
         a takes deploy -> held 0
         b asks deploy supersede=main request=0123456789abcdef-b -> queued ahead 0
         c asks deploy -> refused: max_queue 1
         c asks deploy supersede=test -> refused: max_queue 1
         c asks deploy supersede=main try -> refused: busy
         show b state -> queued ahead 0
         b asks deploy supersede=main request=0123456789abcdef-b -> queued ahead 0
         b asks deploy supersede=test request=0123456789abcdef-b -> refused: request_id reused
         c asks deploy supersede=main -> queued ahead 0; b superseded
         b asks deploy supersede=main request=0123456789abcdef-b -> refused: gone, superseded",
    );
}
