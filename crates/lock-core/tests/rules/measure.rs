//! A lock in numbers, as the metrics show it.

use crate::scenario::play;

#[test]
fn permits_and_waiters_are_counted_where_they_are() {
    play(
        "lock san size=3 grace=10 delay=30
         measure san -> locks 1 size 3
         a takes san -> held 0
         b asks san permits=2 -> granted 1-2
         measure san -> locks 1 size 3 held 1 granted 2
         b gets -> held 1-2
         measure san -> locks 1 size 3 held 3
         c asks san -> queued ahead 0
         +2 d asks san -> queued ahead 1
         +3 measure san -> locks 1 size 3 held 3 queued 2 oldest 5 holder 5
         c gets & d gets -> queued ahead 0 & queued ahead 1
         revoke san b -> revoked; b revoked
         measure san -> locks 1 size 3 held 1 withheld 2 queued 2 lost_holder 2 oldest 5 holder 5
         patch san size=1
         measure san -> locks 1 size 1 held 1 withheld 2 queued 2 lost_holder 2 oldest 5 holder 5
         +30 -> san restored
         measure san -> locks 1 size 1 held 1 queued 2 oldest 35 holder 35
         a releases -> released; c granted 0
         measure san -> locks 1 size 1 granted 1 queued 1 oldest 33
         restart
         measure san -> locks 1 size 1 granted 1 queued 1 oldest 33
         patch san pause=firmware
         measure san -> locks 1 size 1 paused 1 granted 1 queued 1 oldest 33
         delete san force
         measure san -> not measured",
    );
}

#[test]
fn who_is_dormant_is_not_in_line() {
    play(
        "lock san size=1 grace=10
         a takes san -> held 0
         b asks san -> queued ahead 0
         +1 c asks san priority=5 -> queued ahead 0
         +4 measure san -> locks 1 size 1 held 1 queued 2 oldest 5 holder 5
         a releases -> released; c granted 0
         c gets -> held 0
         c releases -> released; b granted 0
         +10 -> b lapsed
         measure san -> locks 1 size 1 queued 1 dormant 1
         b gets -> held 0
         measure san -> locks 1 size 1 held 1",
    );
}

#[test]
fn instances_of_a_template_are_one() {
    play(
        "file job-* size=2, job-big size=5
         measure job-* -> locks 0 size 0
         a takes job-a -> held 0
         b takes job-b permits=2 -> held 0-1
         +1 c asks job-b -> queued ahead 0
         +1 d asks job-a permits=2 -> queued ahead 0
         +5 measure job-* -> locks 2 size 4 held 3 queued 2 oldest 6 holder 7
         measure job-a -> not measured
         measure job-big -> locks 1 size 5
         a releases -> released; d granted 0-1
         measure job-* -> locks 2 size 4 held 2 granted 2 queued 1 oldest 6 holder 7",
    );
}
