//! Slots with names, and templates.

use crate::scenario::play;

#[test]
fn rule_11_names_alone_set_the_size_and_holders_are_told_theirs() {
    play(
        "lock lab names=red+green+blue -> size 3 free 3 in-use 0 withheld 0 queued 0 names 0=red,1=green,2=blue
         a takes lab -> held 0 red
         b takes lab permits=2 -> held 1-2 green,blue
         c asks lab -> queued ahead 0
         a releases -> released; c granted 0 red
         d asks lab permits=4 -> refused: 4 of 3 permits
         lock lab names=red+red -> refused: invalid",
    );
}

#[test]
fn rule_11_reordering_renames_nothing() {
    play(
        "lock lab names=red+green+blue
         a takes lab -> held 0 red
         patch lab names=blue+green+red -> size 3 free 2 in-use 1 withheld 0 queued 0 names 0=red,1=green,2=blue
         b takes lab -> held 1 green
         restart
         +1 c takes lab -> held 2 blue",
    );
}

#[test]
fn rule_11_a_removed_name_is_not_given_again_and_its_holder_keeps_it() {
    play(
        "lock lab names=red+green
         a takes lab -> held 0 red
         patch lab names=green -> size 1 free 0 in-use 1 withheld 0 queued 0 names 1=green
         b asks lab -> queued ahead 0
         b gets -> queued ahead 0
         restart
         +1 a reads -> held 0 red
         a releases -> released; b granted 1 green
         c asks lab -> queued ahead 0
         patch lab names=green+cyan -> size 2 free 0 in-use 2 withheld 0 queued 0 names 0=cyan,1=green; c granted 0 cyan",
    );
}

#[test]
fn rule_11_a_name_is_given_to_nobody_while_a_live_ticket_has_it() {
    play(
        "lock lab names=red+green
         a takes lab -> held 0 red
         patch lab names=green+blue -> size 2 free 1 in-use 1 withheld 0 queued 0 names 1=green,2=blue
         restart
         patch lab names=blue+green+red -> size 3 free 2 in-use 1 withheld 0 queued 0 names 0=red,1=green,2=blue
         b takes lab permits=2 -> held 1-2 green,blue
         c asks lab -> queued ahead 0
         a releases -> released; c granted 0 red",
    );
}

#[test]
fn rule_11_a_name_is_given_to_nobody_while_a_withheld_permit_has_it() {
    play(
        "lock lab names=red+green delay=30
         a takes lab ttl=100 -> held 0 red
         revoke lab a -> revoked; a revoked
         patch lab names=blue+red -> size 2 free 1 in-use 0 withheld 1 queued 0 names 0=red,1=blue
         b takes lab ttl=600 -> held 1 blue
         c asks lab ttl=600 -> queued ahead 0
         c gets -> queued ahead 0
         restart
         patch lab size=3 -> size 3 free 0 in-use 2 withheld 1 queued 0; c granted 2
         c gets -> held 2
         patch lab names=red+blue+green
         +29.999 ->
         +0.001 -> lab restored
         d takes lab -> held 0 red",
    );
}

#[test]
fn rule_11_a_ticket_keeps_its_slots_and_names_to_its_end() {
    play(
        "lock lab size=3
         a takes lab permits=2 -> held 0-1
         patch lab names=red+green+blue -> size 3 free 1 in-use 2 withheld 0 queued 0 names 0=red,1=green,2=blue
         show a state -> held 0-1
         b takes lab -> held 2 blue
         patch lab size=3
         show b state -> held 2 blue
         patch lab names=blue+x -> size 2 free 0 in-use 3 withheld 0 queued 0 names 0=x,2=blue
         a releases -> released
         c takes lab -> held 0 x",
    );
}

#[test]
fn rule_12_a_new_ticket_makes_the_lock_and_a_read_makes_nothing() {
    play(
        "file job-* size=2 -> configured created job-*
         view job-a -> size 2 free 2 in-use 0 withheld 0 queued 0
         verify job-a 1 -> refused: not a holder
         locks -> locks
         a takes job-a -> held 0
         locks -> locks job-a
         b takes job-b permits=3 -> refused: 3 of 2 permits
         x takes other -> refused: unknown lock
         locks -> locks job-a
         patch job-c grace=20 -> size 2 free 2 in-use 0 withheld 0 queued 0 overridden grace_time
         locks -> locks job-a,job-c",
    );
}

#[test]
fn rule_12_a_read_shows_the_idle_lock_as_it_would_be() {
    play(
        "file lab-* names=red+green paused -> configured created lab-*
         view lab-1 -> size 2 free 2 in-use 0 withheld 0 queued 0 paused names 0=red,1=green
         locks -> locks
         a asks lab-1 -> queued ahead 0
         view lab-1 -> size 2 free 2 in-use 0 withheld 0 queued 1 paused names 0=red,1=green
         b takes lab-2 try -> refused: busy
         locks -> locks lab-1",
    );
}

#[test]
fn rule_12_an_exact_name_goes_before_the_longest_prefix() {
    play(
        "file * size=1, job-* size=2, job-big-* size=3, job-big-1 size=4
         view x -> size 1 free 1 in-use 0 withheld 0 queued 0
         view job-1 -> size 2 free 2 in-use 0 withheld 0 queued 0
         view job-big- -> size 3 free 3 in-use 0 withheld 0 queued 0
         view job-big-2 -> size 3 free 3 in-use 0 withheld 0 queued 0
         view job-big-1 -> size 4 free 4 in-use 0 withheld 0 queued 0
         a takes job-big-1 permits=4 -> held 0-3
         b takes job-big-2 permits=4 -> refused: 4 of 3 permits",
    );
}

#[test]
fn rule_12_an_instance_goes_after_an_idle_minute() {
    play(
        "file job-* size=1 delay=30
         a takes job-a ttl=600 -> held 0
         +600 a gets -> held 0
         b takes job-b -> held 0
         b releases -> released
         a releases -> released
         +59.999 b takes job-b -> held 0
         +0.001 -> job-a deleted
         revoke job-b b -> revoked; b revoked
         +30 -> job-b restored
         +59.999 ->
         +0.001 -> job-b deleted
         locks -> locks",
    );
}

#[test]
fn rule_12_a_reload_does_not_prolong_the_idle_minute() {
    play(
        "file job-* size=1
         a takes job-a
         a releases -> released
         +30 file job-* size=1 -> configured
         +30 -> job-a deleted",
    );
}

#[test]
fn rule_12_an_instance_that_differs_from_its_template_stays() {
    play(
        "file job-* size=1
         patch job-a size=2
         patch job-b pause=why
         +1000 ->
         restart
         +1000 ->
         locks -> locks job-a,job-b
         patch job-a size=1
         patch job-b resume
         +60 -> job-a deleted; job-b deleted",
    );
}

#[test]
fn rule_12_instances_follow_their_template() {
    play(
        "file job-* size=1
         a takes job-a -> held 0
         b asks job-a -> queued ahead 0
         patch job-b size=5
         file job-* size=2 -> configured changed job-*,job-a,job-b; b granted 1
         view job-b -> size 2 free 2 in-use 0 withheld 0 queued 0
         file job-* size=2, job-a size=3 -> configured changed job-a
         a releases -> released
         b releases -> released
         +60 -> job-b deleted
         +1000 ->
         file job-* size=2 -> configured changed job-a
         +60 -> job-a deleted",
    );
}

#[test]
fn rule_12_instances_of_a_template_that_is_gone_retire() {
    play(
        "file job-* size=1, * size=9
         a takes job-a -> held 0
         file job-* size=1 -> configured retired *
         file -> configured retired job-*,job-a
         b takes job-a -> refused: retiring
         b takes job-b -> refused: unknown lock
         a releases -> released; job-a deleted",
    );
}
