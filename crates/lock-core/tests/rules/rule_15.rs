//! Permits that somebody's word withholds.

use crate::scenario::play;

#[test]
fn rule_15_free_permits_are_withheld_at_once_and_others_when_they_come_back() {
    play(
        "lock san size=3
         a takes san permits=2 -> held 0-1
         withhold san 2 reason=moving -> size 3 free 0 in-use 2 withheld 1 queued 0 awaited 1
         b asks san wait -> waits ahead 0
         # Before anybody who waits.
         a releases -> released; b served 1
         view san -> size 3 free 0 in-use 1 withheld 2 queued 0
         restore san -> size 3 free 2 in-use 1 withheld 0 queued 0",
    );
}

#[test]
fn rule_15_slots_are_withheld_by_name_and_nobody_is_thrown_out() {
    play(
        "lock lab names=a+b+c
         x takes lab -> held 0 a
         withhold lab slots=a+c -> size 3 free 1 in-use 1 withheld 1 queued 0 awaited 1 names 0=a,1=b,2=c
         withhold lab slots=b+c -> refused: invalid
         withhold lab slots=z -> refused: no slot z, there are a b c
         y takes lab -> held 1 b
         restart
         x gets & y gets -> held 0 a & held 1 b
         x releases -> released
         y releases -> released
         z takes lab -> held 1 b
         restore lab slots=b -> refused: invalid
         restore lab slots=a -> size 3 free 1 in-use 1 withheld 1 queued 0 names 0=a,1=b,2=c
         restore lab slots=c -> size 3 free 2 in-use 1 withheld 0 queued 0 names 0=a,1=b,2=c",
    );
}

#[test]
fn rule_15_only_more_than_the_size_is_refused() {
    play(
        "lock san size=3
         withhold san 2 -> size 3 free 1 in-use 0 withheld 2 queued 0
         withhold san 2 -> refused: withhold 2 of 1 left
         withhold san 0 -> refused: invalid
         withhold san slots=a -> refused: no slot a, there are
         a asks san permits=4 -> refused: 4 of 3 permits
         # What is withheld comes back.
         b asks san permits=3 wait -> waits ahead 0
         restore san -> size 3 free 0 in-use 3 withheld 0 queued 0; b served 0-2",
    );
}

#[test]
fn rule_15_it_ends_at_the_time_of_day_that_was_said() {
    play(
        "lock san size=2
         withhold san 1 for=60 -> size 2 free 1 in-use 0 withheld 1 queued 0
         a takes san -> held 1
         b asks san wait -> waits ahead 0
         crash
         +59.999 a gets & b gets wait -> held 1 & waits ahead 0
         +0.001 -> san restored; b served 0",
    );
}

#[test]
fn rule_15_all_waits_for_what_is_withheld() {
    play(
        "lock san size=2
         a takes san permits=all -> held 0-1
         withhold san 1 -> size 2 free 0 in-use 2 withheld 0 queued 0 awaited 1
         b asks san permits=all wait -> waits ahead 0
         a releases -> released
         view san -> size 2 free 1 in-use 0 withheld 1 queued 1
         restore san -> size 2 free 0 in-use 2 withheld 0 queued 0; b served 0-1",
    );
}

#[test]
fn rule_15_a_holder_gives_a_broken_slot_back() {
    play(
        "lock lab names=a+b min_hold=5
         x takes lab -> held 0 a
         x releases broken=no-ping -> released
         y takes lab -> held 1 b
         +300 -> y lost
         view lab -> size 2 free 1 in-use 0 withheld 1 queued 0 names 0=a,1=b
         restart
         view lab -> size 2 free 1 in-use 0 withheld 1 queued 0 names 0=a,1=b
         restore lab x -> size 2 free 2 in-use 0 withheld 0 queued 0 names 0=a,1=b",
    );
}

#[test]
fn rule_15_what_others_use_is_what_our_holders_do_not_have() {
    play(
        "lock licence size=10
         a takes licence permits=2 -> held 0-1
         outside licence 5 for=60 -> size 10 free 5 in-use 2 withheld 3 queued 0
         # A grant that nobody claimed uses nothing yet.
         b asks licence permits=5 -> granted 5-9
         outside licence 12 -> size 10 free 0 in-use 7 withheld 3 queued 0 awaited 7
         b gets -> held 5-9
         outside licence 7 -> size 10 free 3 in-use 7 withheld 0 queued 0
         outside licence 99 -> size 10 free 0 in-use 7 withheld 3 queued 0 awaited 89
         b releases -> released
         view licence -> size 10 free 0 in-use 2 withheld 8 queued 0 awaited 84
         outside licence 3 for=60 -> size 10 free 7 in-use 2 withheld 1 queued 0
         +60 a gets -> held 0-1; licence restored; licence stale
         view licence -> size 10 free 8 in-use 2 withheld 0 queued 0",
    );
}

#[test]
fn rule_15_a_report_of_more_than_the_size_holds_when_the_lock_grows() {
    play(
        "lock licence size=3
         outside licence 5 for=60 -> size 3 free 0 in-use 0 withheld 3 queued 0 awaited 2
         patch licence size=6
         view licence -> size 6 free 1 in-use 0 withheld 5 queued 0",
    );
}

#[test]
fn rule_15_a_report_is_taken_back_and_kept_over_a_restart() {
    play(
        "file lic-* size=4
         outside lic-a off -> nothing
         outside lic-a 3 for=60 -> size 4 free 1 in-use 0 withheld 3 queued 0
         restart
         +30 view lic-a -> size 4 free 1 in-use 0 withheld 3 queued 0
         outside lic-a off -> size 4 free 4 in-use 0 withheld 0 queued 0
         outside lic-a 0 for=100 -> size 4 free 4 in-use 0 withheld 0 queued 0
         # An instance stays for its report, and for what is withheld.
         +70 locks -> locks lic-a
         +30 -> lic-a stale
         withhold lic-a 1
         +70 locks -> locks lic-a
         restore lic-a
         +60 -> lic-a deleted",
    );
}

#[test]
fn rule_15_what_an_administrator_withholds_goes_with_the_lock() {
    play(
        "file san size=2
         withhold san 1
         a takes san -> held 1
         file
         a releases -> released; san deleted
         lock san size=1 -> size 1 free 1 in-use 0 withheld 0 queued 0
         withhold san 1
         delete san -> refused: would end 0
         delete san force -> done; san deleted
         lock san size=1 -> size 1 free 1 in-use 0 withheld 0 queued 0",
    );
}
