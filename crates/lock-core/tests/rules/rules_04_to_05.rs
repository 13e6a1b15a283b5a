//! Timers and claiming.

use crate::scenario::play;

#[test]
fn rule_04_a_queued_ticket_expires_after_its_last_heartbeat() {
    play(
        "lock san size=1 expiration=90
         a takes san ttl=3600 -> held 0
         json asks san -> queued ahead 0
         xml asks san xml -> queued ahead 1
         own asks san ttl=5 -> queued ahead 2
         show json ttl left -> ttl 60 left 60
         +4.999 own renews -> queued ahead 2
         +4.999 ->
         +0.001 -> own expired
         +40 json renews -> queued ahead 0
         +40.001 -> xml expired
         +19.999 -> json expired
         json gets -> expired",
    );
}

#[test]
fn rule_04_zero_means_never() {
    play(
        "lock san size=1 expiration=0 max_lock=0 max_hold=0
         a takes san -> held 0
         b asks san xml -> queued ahead 0
         +100000000 ->
         show a state left -> held 0 left never
         show b state left -> queued ahead 0 left never
         a releases -> released; b granted 0",
    );
}

#[test]
fn rule_04_a_grant_not_claimed_goes_to_the_end_of_its_priority_and_is_dormant() {
    play(
        "lock san size=1 grace=10
         a asks san priority=1 -> granted 0
         b asks san priority=1 ttl=600 -> queued ahead 0
         c asks san ttl=600 -> queued ahead 1
         +9.999 ->
         +0.001 -> a lapsed; b granted 0
         show a state ttl -> dormant ahead 0 ttl 60
         +10 -> b lapsed; c granted 0
         +5 c gets -> held 0
         b gets -> queued ahead 0
         a gets -> queued ahead 0
         show b state -> queued ahead 1
         c releases -> released; a granted 0",
    );
}

#[test]
fn rule_04_a_dormant_ticket_may_be_granted_by_its_heartbeat() {
    play(
        "lock san size=1 grace=10
         a asks san -> granted 0
         +10 -> a lapsed
         view san -> size 1 free 1 in-use 0 withheld 0 queued 1
         a reads -> dormant ahead 0
         a gets -> held 0
         show a token -> token 2
         a releases -> released
         b asks san -> granted 0
         +10 -> b lapsed
         +60 -> b expired",
    );
}

#[test]
fn rule_04_grace_is_at_least_a_second() {
    play(
        "lock san size=1 grace=0
         a asks san -> granted 0
         show a left -> left 1
         +0.999 ->
         +0.001 -> a lapsed",
    );
}

#[test]
fn rule_04_a_holder_without_a_heartbeat_is_lost() {
    play(
        "lock san size=2 max_lock=20
         a takes san -> held 0
         b takes san ttl=100 -> held 1
         +19.999 a gets -> held 0
         +19.999 ->
         +0.001 -> a lost
         a gets -> lost
         a renews -> refused: gone, lost
         a releases -> refused: gone, lost
         +60 b renews ttl=5 -> held 1
         +5 -> b lost",
    );
}

#[test]
fn rule_04_a_hold_ends_as_overdue_whatever_it_renews() {
    play(
        "lock san size=3 max_hold=100 max_lock=60
         a asks san -> granted 0
         +5 a gets -> held 0
         b takes san hold=50 -> held 1
         c takes san hold=500 -> held 2
         +49.999 a renews & b renews & c renews -> held 0 & held 1 & held 2
         +0.001 b renews -> refused: gone, overdue; b overdue
         restart
         +49.999 a renews & c renews -> held 0 & held 2
         +0.001 -> a overdue; c overdue
         never takes san hold=0.5 -> refused: invalid",
    );
}

#[test]
fn rule_04_a_lease_is_capped_by_the_lock() {
    play(
        "lock san size=9 max_ttl=50
         a takes san ttl=100 -> held 0
         show a ttl left -> ttl 50 left 50
         a renews ttl=40 -> held 0
         show a ttl left -> ttl 40 left 40
         a renews ttl=51 -> held 0
         show a ttl -> ttl 50
         lock hour size=9 max_lock=10
         b takes hour ttl=4000 -> held 0
         show b ttl -> ttl 3600
         lock long size=9 max_lock=7200
         c takes long ttl=8000 -> held 0
         show c ttl -> ttl 7200
         d takes long ttl=0.999 -> refused: invalid
         d takes long ttl=2592001 -> refused: invalid
         c renews ttl=0 -> refused: invalid
         show c ttl -> ttl 7200",
    );
}

#[test]
fn rule_04_a_revocation_for_one_state_does_nothing_in_another() {
    play(
        "lock san size=1 grace=10
         a takes san -> held 0
         b asks san -> queued ahead 0
         revoke san b state=held -> refused: moved, queued
         revoke san a user key=other state=queued -> refused: not allowed
         a releases -> released; b granted 0
         revoke san b state=queued -> refused: moved, granted
         b gets -> held 0
         revoke san b state=granted -> refused: moved, held
         revoke san b state=held -> revoked; b revoked
         revoke san b state=held -> refused: unknown ticket",
    );
}

#[test]
fn rule_04_permits_are_withheld_after_lost_overdue_and_revoked_only() {
    play(
        "lock san size=4 delay=30 max_lock=10
         a takes san -> held 0
         b takes san ttl=100 hold=10 -> held 1
         c takes san ttl=100 -> held 2
         d takes san ttl=100 -> held 3
         d releases -> released
         view san -> size 4 free 1 in-use 3 withheld 0 queued 0
         +10 -> a lost; b overdue
         revoke san c reason=enough -> revoked; c revoked
         view san -> size 4 free 1 in-use 0 withheld 3 queued 0
         all asks san permits=4 ttl=600 -> queued ahead 0
         +20 all gets & restart -> queued ahead 0
         +9.999 ->
         restore san c -> size 4 free 2 in-use 0 withheld 2 queued 1
         restore san c -> refused: unknown ticket
         +0.001 -> san restored; san restored; all granted 0-3",
    );
}

#[test]
fn rule_04_a_lapse_and_a_cancelled_queue_close_nothing() {
    play(
        "lock san size=1 delay=30 grace=5
         a asks san -> granted 0
         b asks san -> queued ahead 0
         revoke san b -> revoked; b revoked
         c asks san -> queued ahead 0
         +5 -> a lapsed; c granted 0
         c undelivered made -> done
         view san -> size 1 free 1 in-use 0 withheld 0 queued 1",
    );
}

#[test]
fn rule_04_a_ticket_without_a_lease_holds_for_ever_and_queues_as_others_do() {
    play(
        "lock boot size=1 grace=10
         a takes boot holder=host-a leaseless -> held 0
         +10000000 ->
         show a state left -> held 0 left never
         b asks boot holder=host-b leaseless -> queued ahead 0
         show b left -> left 60
         +60 -> b expired
         a releases boot holder=host-a -> released",
    );
}

#[test]
fn rule_05_being_told_claims() {
    play(
        "lock san size=4
         a asks san -> granted 0
         b asks san -> granted 1
         c asks san -> granted 2
         d asks san -> granted 3
         a gets -> held 0
         b reads -> held 1
         c renews -> held 2
         d waits -> held 3
         locks -> locks san
         mine -> 4 tickets",
    );
}

#[test]
fn rule_05_lists_pick_nothing_up_and_renew_nothing() {
    play(
        "lock san size=1 grace=10
         a asks san -> granted 0
         +5 view san & locks & mine & verify san 1 -> size 1 free 0 in-use 1 withheld 0 queued 0 & locks san & 1 tickets & refused: not a holder
         show a state left -> granted 0 left 5
         +5 -> a lapsed",
    );
}

#[test]
fn rule_05_get_lock_and_renew_always_renew_and_a_read_only_while_it_waits_or_claims() {
    play(
        "lock san size=1 max_lock=30
         a takes san -> held 0
         b asks san -> queued ahead 0
         +10 a reads & b reads -> held 0 & queued ahead 0
         show a left -> left 20
         show b left -> left 50
         a waits -> held 0
         show a left -> left 20
         a gets & b gets -> held 0 & queued ahead 0
         show a left -> left 30
         show b left -> left 60
         +10 a renews & b waits -> held 0 & waits ahead 0
         show a left -> left 30
         show b left -> left never
         a reads -> held 0
         +10 a reads -> held 0
         +20 -> a lost; b served 0
         show b left -> left 30",
    );
}

#[test]
fn rule_05_a_waiting_request_is_a_heartbeat_all_the_while() {
    play(
        "lock san size=1
         a takes san ttl=3600 -> held 0
         b takes san wait -> waits ahead 0
         +600 ->
         b stops-waiting -> queued ahead 0
         show b left -> left 60
         +59 b waits -> waits ahead 0
         +100 a releases -> released; b served 0",
    );
}

#[test]
fn rule_05_all_requests_that_wait_for_a_ticket_are_answered() {
    play(
        "lock san size=1
         a takes san -> held 0
         b asks san wait -> waits ahead 0
         b waits -> waits ahead 0
         b stops-waiting lost -> queued ahead 0
         b waits -> waits ahead 0
         a releases -> released; b served 0
         b releases -> released
         a takes san
         b asks san wait -> waits ahead 0
         b waits -> waits ahead 0
         revoke san b -> revoked; b revoked",
    );
}

#[test]
fn rule_05_who_lost_its_connection_is_skipped_in_its_place() {
    play(
        "lock san size=1
         a takes san -> held 0
         b asks san wait -> waits ahead 0
         c asks san wait -> waits ahead 1
         d asks san -> queued ahead 2
         d gets -> queued ahead 2
         b stops-waiting lost -> dormant ahead 0
         c hangs-up
         a releases -> released; d granted 0
         c stops-waiting lost -> dormant ahead 0
         show c state left -> dormant ahead 0 left 60
         restart
         +10 show b state left -> dormant ahead 0 left 50
         c renews -> queued ahead 0
         b renews -> queued ahead 0
         show c state -> queued ahead 1
         d releases -> released; b granted 0",
    );
}

#[test]
fn rule_05_a_wait_that_ended_in_order_keeps_its_turn() {
    play(
        "lock san size=1
         a takes san -> held 0
         b asks san wait -> waits ahead 0
         b stops-waiting -> queued ahead 0
         a releases -> released; b granted 0
         b reads -> held 0",
    );
}

#[test]
fn rule_05_an_answer_that_was_not_delivered_is_granted_again_with_a_new_grace() {
    play(
        "lock san size=1 grace=10 max_lock=30 max_hold=40
         a asks san -> granted 0
         +5 a gets -> held 0
         +5 a undelivered -> done
         show a state left -> granted 0 left 10
         verify san 1 -> refused: not a holder
         +9 a gets -> held 0
         +29 a renews -> held 0
         +10.999 a renews -> held 0
         +0.001 -> a overdue",
    );
}

#[test]
fn rule_05_a_later_heartbeat_outweighs_an_undelivered_answer() {
    play(
        "lock san size=1 grace=10
         a asks san -> granted 0
         a gets -> held 0
         other takes san try -> refused: busy
         a gets & a undelivered -> held 0 & done
         show a state -> held 0",
    );
    play(
        "lock san size=1
         a takes san request=one-request-of-mine -> held 0
         late takes san request=one-request-of-mine -> held 0
         a undelivered made -> done
         show a state -> held 0
         late undelivered -> done; a undelivered
         show a state -> granted 0
         +10 -> a lapsed
         late undelivered -> done
         show a state -> dormant ahead 0",
    );
}

#[test]
fn rule_05_another_keys_ticket_looks_like_none() {
    play(
        "lock san size=1
         lock other size=1
         a takes san key=ci -> held 0
         a gets key=other -> refused: unknown ticket
         a renews from=elsewhere -> refused: unknown ticket
         a releases key=other -> refused: unknown ticket
         a gets lock=other -> refused: unknown ticket
         a gets lock=nowhere -> refused: unknown lock
         a releases lock=other -> refused: unknown ticket
         a renews key=root admin -> held 0
         a gets lock=san -> held 0",
    );
}

#[test]
fn rule_05_whose_key_is_for_other_locks_only_gives_its_own_back() {
    play(
        "lock san size=1
         lock other size=1
         a takes san key=ci ttl=600 -> held 0
         b asks san key=ci -> queued ahead 0
         a gets key=ci only=other -> refused: out of reach
         a renews key=ci only=other -> refused: out of reach
         b gets key=ci only=other wait -> refused: out of reach
         +59 b renews key=ci only=other -> refused: out of reach
         +1 -> b expired
         a releases key=ci only=other -> released
         a releases key=ci only=other -> nothing
         c takes san -> held 0
         c releases key=ci only=other -> refused: unknown ticket
         c releases key=ci only=san -> released",
    );
}
