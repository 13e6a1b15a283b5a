//! Making tickets, pause and delete, the memory of ended tickets.

use crate::scenario::play;

#[test]
fn rule_06_a_request_that_ended_without_an_answer_leaves_nothing() {
    play(
        "lock san size=1 delay=60
         a takes san -> held 0
         a undelivered made -> done
         a reads -> cancelled
         view san -> size 1 free 1 in-use 0 withheld 0 queued 0
         b takes san -> held 0
         c takes san wait -> waits ahead 0
         d takes san wait -> waits ahead 1
         c undelivered made -> done
         c reads -> cancelled
         b releases -> released; d served 0",
    );
}

#[test]
fn rule_06_a_request_id_keeps_the_ticket_and_finds_it_again() {
    play(
        "lock san size=1
         a takes san request=1234567890abcdef key=ci -> held 0
         a undelivered made -> done
         show a state -> granted 0
         a2 takes san request=1234567890abcdef key=ci -> held 0; a held
         show a2 number token -> number 1 token 1
         foreign takes san request=1234567890abcdef key=other try -> refused: busy
         foreign asks san request=1234567890abcdef -> queued ahead 0
         w takes san request=1234567890abcdeg key=ci wait -> waits ahead 1
         w stops-waiting lost -> dormant ahead 1
         w takes san request=1234567890abcdeg key=ci wait -> waits ahead 1
         foreign releases -> cancelled
         a releases -> released; w served 0",
    );
}

#[test]
fn rule_06_the_same_request_id_with_other_parameters_is_refused() {
    play(
        "lock san size=4
         lock other size=4
         a takes san request=1234567890abcdef ttl=20 hold=50 info=x -> held 0
         a takes san request=1234567890abcdef ttl=20 hold=50 info=x -> held 0
         b takes san request=1234567890abcdef ttl=21 hold=50 info=x -> refused: request_id reused
         b takes san request=1234567890abcdef ttl=20 info=x -> refused: request_id reused
         b takes san request=1234567890abcdef ttl=20 hold=50 info=y -> refused: request_id reused
         b takes san request=1234567890abcdef ttl=20 hold=50 info=x permits=2 -> refused: request_id reused
         b takes san request=1234567890abcdef ttl=20 hold=50 info=x priority=1 -> refused: request_id reused
         b takes other request=1234567890abcdef -> held 0
         a releases -> released
         b takes san request=1234567890abcdef -> refused: request_id reused
         b takes san request=1234567890abcdef ttl=20 hold=50 info=x -> refused: gone, released",
    );
}

#[test]
fn rule_06_a_capped_ttl_is_no_other_parameter_nor_is_a_renewed_one() {
    play(
        "lock san size=4 max_ttl=50
         a takes san request=1234567890abcdef ttl=100 -> held 0
         a renews ttl=30 -> held 0
         restart
         +1 b takes san request=1234567890abcdef ttl=100 -> held 0
         show b number ttl -> number 1 ttl 30",
    );
}

#[test]
fn rule_06_an_ended_request_id_is_gone_for_ten_minutes() {
    play(
        "lock san size=1 max_lock=10
         a takes san request=1234567890abcdef -> held 0
         +10 -> a lost
         b takes san request=1234567890abcdef -> refused: gone, lost
         b releases san request=1234567890abcdef -> refused: gone, lost
         restart
         +599.999 b takes san request=1234567890abcdef -> refused: gone, lost
         +0.001 b takes san request=1234567890abcdef -> held 0
         show b number -> number 2",
    );
}

#[test]
fn rule_06_a_request_id_ended_before_it_arrived_takes_nothing() {
    play(
        "lock san size=1
         a releases san request=1234567890abcdef key=ci -> nothing
         a takes san request=1234567890abcdef key=ci -> refused: withdrawn
         a takes san request=1234567890abcdef permits=1 ttl=9 key=ci -> refused: withdrawn
         other takes san request=1234567890abcdef key=other -> held 0
         other releases -> released
         restart
         +599.999 a takes san request=1234567890abcdef key=ci -> refused: withdrawn
         +0.001 a takes san request=1234567890abcdef key=ci -> held 0
         a releases nowhere request=1234567890abcdef -> refused: unknown lock",
    );
}

#[test]
fn rule_06_a_ticket_can_be_ended_by_its_request_id() {
    play(
        "lock san size=1
         a takes san request=1234567890abcdef -> held 0
         b asks san request=1234567890abcdeg -> queued ahead 0
         x releases san request=1234567890abcdeg -> cancelled; b cancelled
         x releases san request=1234567890abcdef -> released; a released
         x releases san request=1234567890abcdef -> nothing
         x releases san request=tooshort -> refused: invalid
         x takes san request=fifteen-chars-x -> refused: invalid
         x takes san request=sixteen-chars-xx -> held 0",
    );
}

#[test]
fn rule_06_a_holder_has_one_live_ticket_of_a_lock() {
    play(
        "lock boot size=2
         lock more size=1
         a takes boot holder=host-a key=k leaseless try -> held 0
         a2 takes boot holder=host-a key=k leaseless try -> held 0
         show a2 number -> number 1
         b takes boot holder=host-b key=k leaseless try -> held 1
         c takes boot holder=host-c key=k leaseless try -> refused: busy
         thief takes boot holder=host-a key=other leaseless try -> refused: holder taken
         thief releases boot holder=host-a key=other -> refused: holder taken
         m takes more holder=host-a key=k try -> held 0
         a releases boot holder=host-a -> released
         a releases boot holder=host-a -> nothing
         thief takes boot holder=host-a key=other leaseless try -> held 0
         restart
         +1 thief takes boot holder=host-a key=other leaseless try -> held 0
         a takes boot holder=host-a key=k try -> refused: holder taken",
    );
}

#[test]
fn rule_06_a_release_is_answered_as_often_as_asked() {
    play(
        "lock san size=1
         a takes san -> held 0
         b asks san -> queued ahead 0
         b releases only-held -> nothing
         show b state -> queued ahead 0
         b releases -> cancelled
         b releases -> nothing
         a releases only-held -> released
         a releases -> nothing
         a gets -> released
         +600 a releases -> refused: unknown ticket",
    );
}

#[test]
fn rule_07_a_pause_stops_grants_not_holders() {
    play(
        "lock san size=2 grace=10
         a takes san -> held 0
         b asks san -> granted 1
         patch san pause=tapes -> size 2 free 0 in-use 2 withheld 0 queued 0 paused
         c takes san wait ttl=100 -> waits ahead 0
         d takes san try -> refused: busy
         b gets -> held 1
         a releases -> released
         restart
         +50 c renews -> queued ahead 0
         +50 c renews -> queued ahead 0
         b renews -> held 1
         patch san resume -> size 2 free 0 in-use 2 withheld 0 queued 0; c granted 0",
    );
}

#[test]
fn rule_07_a_pause_may_end_by_itself() {
    play(
        "lock san size=1
         patch san pause=tapes for=100 -> size 1 free 1 in-use 0 withheld 0 queued 0 paused
         a asks san ttl=600 wait -> waits ahead 0
         +50 patch san grace=20 -> size 1 free 1 in-use 0 withheld 0 queued 1 paused
         +49.999 ->
         +0.001 -> a served 0
         patch san pause=again for=10
         a releases -> released
         restart
         b asks san ttl=600 -> queued ahead 0
         +5 patch san pause=longer
         +100 ->
         patch san resume -> size 1 free 0 in-use 1 withheld 0 queued 0; b granted 0",
    );
}

#[test]
fn rule_07_queued_tickets_of_a_paused_lock_expire_without_life() {
    play(
        "lock san size=1
         patch san pause=tapes
         a asks san -> queued ahead 0
         b asks san -> queued ahead 1
         +30 b renews -> queued ahead 1
         +30 -> a expired
         +29 b renews -> queued ahead 0
         patch san resume -> size 1 free 0 in-use 1 withheld 0 queued 0; b granted 0",
    );
}

#[test]
fn rule_07_deleting_a_lock_in_use_needs_force_and_closes_its_name() {
    play(
        "lock san size=2 delay=30
         a takes san -> held 0
         b asks san permits=2 wait -> waits ahead 0
         delete san -> refused: would end 2
         delete san force expect=3 -> refused: would end 2
         delete san force expect=2 -> done; a lock_deleted; b lock_deleted; san deleted
         a renews -> refused: gone, lock_deleted
         b reads -> lock_deleted
         c asks san -> refused: name withheld for 30
         lock san size=1 -> refused: name withheld for 30
         restart
         +29.999 lock san size=1 -> refused: name withheld for 0.001
         +0.001 lock san size=1 -> size 1 free 1 in-use 0 withheld 0 queued 0
         delete san -> done; san deleted
         lock san size=1 absent -> size 1 free 1 in-use 0 withheld 0 queued 0",
    );
}

#[test]
fn rule_07_withheld_permits_keep_the_name_of_a_deleted_lock_withheld() {
    play(
        "lock san size=2 delay=30 max_lock=10
         a takes san -> held 0
         +10 -> a lost
         delete san -> refused: would end 0
         +10 delete san force -> done; san deleted
         lock san size=1 -> refused: name withheld for 20
         +20 lock san size=1 -> size 1 free 1 in-use 0 withheld 0 queued 0",
    );
}

#[test]
fn rule_07_a_lock_with_waiters_only_closes_no_name() {
    play(
        "lock san size=1 delay=30
         patch san pause=why
         a asks san -> queued ahead 0
         delete san force -> done; a lock_deleted; san deleted
         lock san size=1 -> size 1 free 1 in-use 0 withheld 0 queued 0",
    );
}

#[test]
fn rule_07_a_withheld_name_also_stops_templates_and_pauses_what_a_file_makes() {
    play(
        "file job-* size=1 delay=30
         a takes job-1 -> held 0
         delete job-1 force -> done; a lock_deleted; job-1 deleted
         b takes job-1 -> refused: name withheld for 30
         patch job-1 size=5 -> refused: name withheld for 30
         file job-* size=1 delay=30, job-1 size=2 -> configured created job-1
         b asks job-1 -> queued ahead 0
         +29.999 ->
         +0.001 -> b granted 0",
    );
    play(
        "lock san size=1 delay=30
         a takes san
         delete san force
         file san size=1 paused -> configured created san
         b asks san ttl=600 -> queued ahead 0
         +30 ->
         view san -> size 1 free 1 in-use 0 withheld 0 queued 1 paused",
    );
}

#[test]
fn rule_07_changes_may_be_conditional() {
    play(
        "lock san size=1 absent -> size 1 free 1 in-use 0 withheld 0 queued 0
         lock san size=2 absent -> refused: exists
         patch san size=2 revision=7 -> refused: changed since
         delete san revision=7 -> refused: changed since
         lock new size=1 revision=1 -> refused: unknown lock
         patch new size=1 -> refused: unknown lock
         delete new -> refused: unknown lock
         patch san size=2 revision=1 -> size 2 free 2 in-use 0 withheld 0 queued 0
         patch san pause=x revision=2 -> size 2 free 2 in-use 0 withheld 0 queued 0 paused
         patch san resume revision=2 -> refused: changed since",
    );
}

#[test]
fn rule_08_a_late_client_hears_for_ten_minutes_how_its_ticket_ended() {
    play(
        "lock san size=9 max_lock=10
         a takes san -> held 0
         b takes san -> held 1
         c takes san ttl=60 -> held 2
         b releases -> released
         +10 -> a lost
         revoke san c reason=enough -> revoked; c revoked
         +589.999 b gets -> released
         +0.001 b gets -> refused: unknown ticket
         a gets -> lost
         +9.999 a renews -> refused: gone, lost
         c renews -> refused: gone, revoked
         +0.001 a gets -> refused: unknown ticket
         c reads -> refused: unknown ticket",
    );
}

#[test]
fn rule_08_the_memory_outlives_a_restart_and_the_lock() {
    play(
        "lock san size=1
         a takes san -> held 0
         +300 -> a lost
         delete san -> done; san deleted
         restart
         +599.999 a gets -> lost
         +0.001 a gets -> refused: unknown ticket",
    );
}

#[test]
fn rule_08_an_ended_ticket_stays_ended() {
    play(
        "lock san size=1
         a takes san -> held 0
         a releases -> released
         b takes san -> held 0
         a renews -> refused: gone, released
         a gets -> released
         a waits -> released
         a undelivered -> done
         a undelivered made -> done
         revoke san a -> refused: unknown ticket
         show b state -> held 0
         show a state -> released",
    );
}

#[test]
fn rule_08_only_the_same_key_hears_of_it() {
    play(
        "lock san size=1
         a takes san key=ci -> held 0
         revoke san a user key=other -> refused: not allowed
         revoke san a user -> refused: not allowed
         revoke san a user key=ci -> revoked; a revoked
         a gets key=other -> refused: unknown ticket
         a gets key=ci -> revoked",
    );
}
