//! Service time and counters.

use crate::scenario::play;

#[test]
fn rule_09_heartbeats_in_a_batch_count_before_expiry() {
    play(
        "lock san size=3 grace=10 max_lock=60
         a takes san -> held 0
         b asks san permits=3 -> queued ahead 0
         +60 a renews & b gets -> held 0 & queued ahead 0
         +60 a gets & b waits -> held 0 & waits ahead 0
         +60 -> a lost; b served 0-2",
    );
}

#[test]
fn rule_09_a_claim_in_the_batch_counts_before_the_lapse() {
    play(
        "lock san size=4 grace=10
         a asks san -> granted 0
         b asks san -> granted 1
         c asks san -> granted 2
         d asks san request=1234567890abcdef -> granted 3
         +10 a gets & b reads & c waits & d takes san request=1234567890abcdef -> held 0 & held 1 & held 2 & held 3",
    );
}

#[test]
fn rule_09_a_repeated_request_in_the_batch_counts_before_expiry() {
    play(
        "lock san size=1 max_lock=20
         a takes san request=1234567890abcdef -> held 0
         +20 a2 takes san request=1234567890abcdef -> held 0
         show a left -> left 20
         h asks san holder=me -> queued ahead 0
         +60 h asks san holder=me -> granted 0; a lost; h granted 0",
    );
}

#[test]
fn rule_09_what_is_refused_is_no_heartbeat() {
    play(
        "lock san size=1 max_lock=20
         lock other size=1
         a takes san key=ci -> held 0
         +20 a renews key=thief -> refused: unknown ticket; a lost
         b takes san -> held 0
         +20 b gets lock=other -> refused: unknown ticket; b lost
         c takes san request=1234567890abcdef -> held 0
         +20 c2 takes san request=1234567890abcdef permits=2 -> refused: request_id reused; c lost
         d takes san -> held 0
         +20 d renews ttl=0.1 -> refused: invalid; d lost
         e takes san -> held 0
         +20 e reads -> lost; e lost",
    );
}

#[test]
fn rule_09_every_lease_starts_again_in_full_at_load() {
    play(
        "lock san size=2 grace=60 max_lock=100
         a takes san -> held 0
         o takes san -> held 1
         g asks san -> queued ahead 0
         q asks san ttl=90 -> queued ahead 1
         g gets & q gets -> queued ahead 0 & queued ahead 1
         o releases -> released; g granted 1
         +50 restart
         show a left -> left 100
         show g left -> left 60
         show q left -> left 90
         +60 -> g lapsed; q granted 1
         +40 -> a lost",
    );
}

#[test]
fn rule_09_grace_is_at_least_30_seconds_after_a_load() {
    play(
        "lock san size=1 grace=5
         o takes san -> held 0
         a asks san -> queued ahead 0
         b asks san ttl=600 -> queued ahead 1
         a gets & b gets -> queued ahead 0 & queued ahead 1
         o releases -> released; a granted 0
         +4 restart
         show a left -> left 30
         +29.999 ->
         +0.001 -> a lapsed; b granted 0
         b gets -> held 0
         b releases -> released
         a gets -> held 0
         a undelivered -> done
         show a left -> left 5",
    );
}

#[test]
fn rule_09_a_lease_begins_anew_at_two_starts_and_goes_on_at_all_others() {
    play(
        "lock san size=2 max_lock=30
         a takes san -> held 0
         b takes san -> held 1
         +20 crash
         show a left -> left 30
         +5 crash
         # Whether a was heard of just before the crash is not known.
         show a left -> left 30
         +5 b gets -> held 1
         +5 crash
         show a left -> left 20
         show b left -> left 30
         +5 crash
         show a left -> left 15
         show b left -> left 30
         +5 crash
         show b left -> left 25
         +10 -> a lost
         +5 b gets -> held 1
         +1 crash
         show b left -> left 30",
    );
}

#[test]
fn rule_09_a_dead_client_with_a_grant_does_not_outlive_a_loop_of_starts() {
    play(
        "lock san size=1 grace=5
         o takes san -> held 0
         a asks san -> queued ahead 0
         b asks san ttl=600 -> queued ahead 1
         a gets & b gets -> queued ahead 0 & queued ahead 1
         o releases -> released; a granted 0
         +1 restart
         +10 restart
         show a left -> left 30
         +10 restart
         show a left -> left 20
         +10 restart
         show a left -> left 10
         +10 -> a lapsed; b granted 0",
    );
}

#[test]
fn rule_09_holds_and_withheld_permits_continue_over_a_load() {
    play(
        "lock san size=2 delay=30 max_lock=50 max_hold=100
         a takes san -> held 0
         b takes san -> held 1
         revoke san b -> revoked; b revoked
         +20 a renews & restart -> held 0
         show a left -> left 50
         +9.999 ->
         +0.001 -> san restored
         +40 a renews & restart -> held 0
         +29.999 a renews & restart -> held 0
         +0.001 -> a overdue",
    );
}

#[test]
fn rule_09_a_gap_leaves_every_lease_at_least_five_seconds() {
    play(
        "lock san size=2 grace=10 max_lock=20 max_hold=21
         a takes san -> held 0
         +9 g asks san -> granted 1
         q asks san ttl=1 -> queued ahead 0
         +2 gap ->
         show g left -> left 8
         show q left -> left 5
         +4.999 ->
         +0.001 -> q expired
         +2.999 ->
         +0.001 -> g lapsed
         +1 -> a lost",
    );
    play(
        "lock san size=2 max_lock=20 max_hold=21
         a takes san -> held 0
         +19 b takes san -> held 1
         +1.9 a gets & gap -> held 0
         +0.1 -> a overdue",
    );
}

#[test]
fn rule_09_an_unfinished_wait_is_an_ordinary_queued_ticket_after_a_load() {
    play(
        "lock san size=1 grace=5
         a takes san -> held 0
         b asks san -> queued ahead 0
         b waits -> waits ahead 0
         +50 restart
         show b state left -> queued ahead 0 left 60
         a releases -> released; b granted 0
         show b left -> left 30
         b reads -> held 0",
    );
}

#[test]
fn rule_09_a_grant_that_nobody_may_know_of_stands_in_nobodys_way_after_a_crash() {
    play(
        "lock san size=1 grace=10 expiration=600
         lost asks san xml -> granted 0
         b asks san xml -> queued ahead 0
         b gets -> queued ahead 0
         c asks san xml -> queued ahead 1
         restart
         +1 -> lost lapsed; b granted 0
         show lost state token left -> dormant ahead 0 token 0 left 600
         show c state -> dormant ahead 0
         verify san 1 -> refused: not a holder
         b gets -> held 0
         c gets -> queued ahead 0
         lost gets -> queued ahead 0
         show c state -> queued ahead 1
         b releases -> released; lost granted 0
         lost gets -> held 0
         show lost token -> token 3",
    );
}

#[test]
fn rule_09_a_place_that_nobody_may_know_of_is_dormant_until_its_next_heartbeat() {
    play(
        "lock san size=1 expiration=100
         a takes san ttl=600 -> held 0
         lost asks san xml -> queued ahead 0
         slow asks san xml -> queued ahead 1
         b asks san xml -> queued ahead 2
         b gets -> queued ahead 2
         restart
         +1 show lost state -> dormant ahead 0
         show b state -> queued ahead 0
         slow reads -> dormant ahead 0
         slow gets -> queued ahead 0
         a releases -> released; slow granted 0
         +98 slow gets & b gets -> held 0 & queued ahead 0
         +1 -> lost expired",
    );
    play(
        "lock san size=1
         a asks san -> granted 0
         b asks san -> queued ahead 0
         restart
         +1 -> a lapsed
         b gets -> held 0
         a gets -> queued ahead 0",
    );
}

#[test]
fn rule_09_whatever_names_a_ticket_shows_that_its_client_knows_of_it() {
    play(
        "lock san size=1
         a takes san ttl=600 -> held 0
         show a known -> unknown
         reader asks san -> queued ahead 0
         reader reads -> queued ahead 0
         waiter asks san -> queued ahead 1
         waiter waits -> waits ahead 1
         lively asks san -> queued ahead 2
         lively renews -> queued ahead 2
         classic asks san -> queued ahead 3
         classic releases only-held -> nothing
         again asks san request=1234567890abcdef -> queued ahead 4
         again asks san request=1234567890abcdef -> queued ahead 4
         named asks san holder=me -> queued ahead 5
         named asks san holder=me -> queued ahead 5
         once asks san request=1234567890abcdeg -> queued ahead 6
         maker asks san wait -> waits ahead 7
         gone asks san wait -> waits ahead 8
         gone stops-waiting -> queued ahead 8
         foreign asks san key=ci -> queued ahead 9
         foreign reads key=thief -> refused: unknown ticket
         foreign renews ttl=0.1 -> refused: invalid
         listed asks san -> queued ahead 10
         view san & locks & mine
         restart
         +1 show reader state -> queued ahead 0
         show waiter state -> queued ahead 1
         show lively state -> queued ahead 2
         show classic state -> queued ahead 3
         show again state -> queued ahead 4
         show named state -> queued ahead 5
         show once state -> dormant ahead 6
         show maker state -> dormant ahead 6
         show gone state -> dormant ahead 6
         show foreign state -> dormant ahead 6
         show listed state -> dormant ahead 6
         once asks san request=1234567890abcdeg -> queued ahead 6",
    );
}

#[test]
fn rule_09_who_may_have_been_told_that_it_holds_keeps_its_permit_for_its_lease() {
    play(
        "lock san size=2 max_lock=40
         a takes san -> held 0
         w asks san permits=2 wait -> waits ahead 0
         a releases -> released; w served 0-1
         show w known -> unknown
         crash
         +39 show w state left -> held 0-1 left 1
         w renews -> held 0-1
         +20 crash
         +39.999 ->
         +0.001 -> w lost",
    );
}

#[test]
fn rule_09_an_answer_that_was_lost_before_the_crash_leaves_no_grant_behind_it() {
    play(
        "lock san size=1 grace=10
         a takes san request=1234567890abcdef -> held 0
         a undelivered made -> done
         show a state -> granted 0
         b asks san -> queued ahead 0
         b gets -> queued ahead 0
         restart
         +1 -> a lapsed; b granted 0
         a takes san request=1234567890abcdef -> queued ahead 0
         b gets -> held 0
         b releases -> released; a granted 0",
    );
}

#[test]
fn rule_09_what_is_not_written_yet_costs_no_more_than_a_heartbeat() {
    play(
        "lock san size=1 grace=10 expiration=600
         a takes san ttl=600 -> held 0
         b asks san xml -> queued ahead 0
         c asks san xml -> queued ahead 1
         c gets -> queued ahead 1
         b gets -> queued ahead 0
         show b known -> known
         crash
         +1 show b state known -> dormant ahead 0 unknown
         c gets & b gets -> queued ahead 0 & queued ahead 0
         show b known -> known
         a releases -> released; b granted 0
         crash
         +1 show b state -> granted 0
         show c state -> queued ahead 0      # the end of dormancy is written at once, and what is known with it
         restart
         +1 show b left -> left 29
         b gets -> held 0",
    );
}

#[test]
fn rule_09_a_heartbeat_in_the_first_batch_comes_before() {
    play(
        "lock san size=1
         a asks san -> granted 0
         b asks san -> queued ahead 0
         c asks san -> queued ahead 1
         restart
         +1 a gets & b gets -> held 0 & queued ahead 0
         show b state -> queued ahead 0
         show c state -> dormant ahead 1",
    );
}

#[test]
fn rule_09_a_grant_given_back_after_a_crash_may_have_become_impossible() {
    play(
        "lock san size=3
         a asks san permits=3 -> granted 0-2
         patch san size=2 -> size 2 free 0 in-use 3 withheld 0 queued 0
         all asks san permits=all -> queued ahead 0
         all gets -> queued ahead 0
         restart
         +1 -> a lapsed; a oversized; all granted 0-1",
    );
}

#[test]
fn rule_10_tokens_and_numbers_always_rise() {
    play(
        "lock san size=2
         lock other size=1
         a takes san -> held 0
         b takes other -> held 0
         c takes san -> held 1
         show a token number -> token 1 number 1
         show b token number -> token 2 number 2
         show c token number -> token 3 number 3
         a releases -> released
         d takes san -> held 0
         show d token number -> token 4 number 4
         verify san 1 -> refused: not a holder
         verify san 4 -> held 0
         verify san 2 -> refused: not a holder
         verify other 2 -> held 0
         verify nowhere 2 -> refused: unknown lock",
    );
}

#[test]
fn rule_10_counters_are_never_derived_from_tickets() {
    play(
        "lock san size=1
         a takes san -> held 0
         a releases -> released
         +600 a gets -> refused: unknown ticket
         delete san -> done; san deleted
         restart
         lock san size=1
         +1 b takes san -> held 0
         show b token number seq -> token 2 number 2 seq 2",
    );
}

#[test]
fn rule_10_each_grant_has_its_own_token() {
    play(
        "lock san size=1 grace=10
         a asks san -> granted 0
         show a token -> token 1
         +10 -> a lapsed
         verify san 1 -> refused: not a holder
         a gets -> held 0
         show a token -> token 2
         restart
         +1 verify san 2 -> held 0",
    );
}

#[test]
fn rule_10_a_copied_store_begins_at_unix_time_if_that_is_higher() {
    play(
        "lock san size=3
         a takes san -> held 0
         restart copied=1700000000000000
         +1 b takes san -> held 1
         show b token number -> token 1700000000000001 number 1700000000000001
         verify san 1 -> held 0
         restart copied=5
         +1 c takes san -> held 2
         show c token number -> token 1700000000000002 number 1700000000000002",
    );
}
