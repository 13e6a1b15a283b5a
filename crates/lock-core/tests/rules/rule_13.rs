//! Several locks in one ticket, all or nothing.

use crate::scenario::play;

#[test]
fn rule_13_a_bundle_has_permits_of_all_of_its_locks_or_of_none() {
    play(
        "lock san size=2
         lock tape size=3
         a takes san=1,tape=2 -> held san:0 tape:0-1
         b asks san=1,tape=2 wait -> waits ahead san:0 tape:0
         view san -> size 2 free 1 in-use 1 withheld 0 queued 1
         view tape -> size 3 free 1 in-use 2 withheld 0 queued 1
         a releases -> released; b served san:0 tape:0-1
         view san -> size 2 free 1 in-use 1 withheld 0 queued 0",
    );
}

#[test]
fn rule_13_it_has_one_token_and_one_number() {
    play(
        "lock san
         lock tape
         a takes san,tape -> held san:0 tape:0
         show a token number -> token 1 number 1
         verify san 1 -> held san:0 tape:0
         verify tape 1 -> held san:0 tape:0
         b asks tape -> queued ahead 0
         a gets lock=tape -> held san:0 tape:0
         a gets lock=other -> refused: unknown lock
         a releases lock=tape -> released; b granted 0
         verify san 1 -> refused: not a holder",
    );
}

#[test]
fn rule_13_until_it_is_first_in_all_of_its_queues_it_holds_up_nobody() {
    play(
        "lock san
         lock tape
         x takes tape -> held 0
         w asks tape wait -> waits ahead 0
         # It waits behind w in tape, so whoever comes behind it in san passes.
         b asks san=1,tape=1 wait -> waits ahead san:0 tape:1
         y takes san -> held 0
         z asks san wait -> waits ahead 1
         y releases -> released; z served 0
         # Now it is first in both: san is kept for it.
         x releases -> released; w served 0
         v asks san wait -> waits ahead 1
         z releases -> released
         view san -> size 1 free 1 in-use 0 withheld 0 queued 2
         w releases -> released; b served san:0 tape:0
         b releases -> released; v served 0",
    );
}

#[test]
fn rule_13_a_bundle_before_it_counts_only_if_it_is_first_itself() {
    play(
        "lock a
         lock b
         lock c
         x takes a -> held 0
         y takes c -> held 0
         z asks c wait -> waits ahead 0
         one asks b=1,c=1 wait -> waits ahead b:0 c:1
         # In b it stands behind one, which waits for c and holds up nobody.
         two asks a=1,b=1 wait -> waits ahead a:0 b:1
         three asks b wait -> waits ahead 2
         x releases -> released; two served a:0 b:0
         two releases -> released; three served 0
         y releases -> released; z served 0
         three releases -> released
         z releases -> released; one served b:0 c:0",
    );
}

#[test]
fn rule_13_what_makes_it_the_first_in_the_same_step_holds_up_those_behind_it() {
    // Whatever the locks are called.
    for (x, y) in [("a", "b"), ("b", "a")] {
        play(&format!(
            "lock {x}
             lock {y}
             p takes {x} -> held 0
             q takes {y} -> held 0
             first asks {y} wait -> waits ahead 0
             bundle asks a=1,b=1 wait -> waits ahead {bundle}
             last asks {x} wait -> waits ahead 1
             # Both locks become free at once: first has y, and the bundle is first in both.
             +300 -> p lost; q lost; first served 0
             view {x} -> size 1 free 1 in-use 0 withheld 0 queued 2
             first releases -> released; bundle served a:0 b:0
             bundle releases -> released; last served 0",
            bundle = if x == "a" { "a:0 b:1" } else { "a:1 b:0" },
        ));
    }
}

#[test]
fn rule_13_circles_cannot_form() {
    play(
        "lock a
         lock b
         lock c
         x takes a,b,c -> held a:0 b:0 c:0
         one asks a,b wait -> waits ahead a:0 b:0
         two asks b,c wait -> waits ahead b:1 c:0
         three asks a,c wait -> waits ahead a:1 c:1
         x releases -> released; one served a:0 b:0
         # Two is first in both of its queues now and waits for b; three waits behind it in c.
         view c -> size 1 free 1 in-use 0 withheld 0 queued 2
         one releases -> released; two served b:0 c:0
         two releases -> released; three served a:0 c:0",
    );
}

#[test]
fn rule_13_priority_is_one_order_in_all_queues() {
    play(
        "lock a
         lock b
         x takes a,b -> held a:0 b:0
         one asks a,b wait -> waits ahead a:0 b:0
         two asks a,b priority=1 wait -> waits ahead a:0 b:0
         three asks b priority=2 wait -> waits ahead 0
         x releases -> released; three served 0
         three releases -> released; two served a:0 b:0
         two releases -> released; one served a:0 b:0",
    );
}

#[test]
fn rule_13_a_pause_of_one_lock_lets_those_behind_it_pass_in_the_others() {
    play(
        "lock a
         lock b
         x takes a -> held 0
         bundle asks a,b wait -> waits ahead a:0 b:0
         y asks b wait -> waits ahead 1
         patch a pause=disk -> size 1 free 0 in-use 1 withheld 0 queued 1 paused; y served 0
         y releases -> released
         z takes b -> held 0
         x releases -> released
         patch a resume -> size 1 free 1 in-use 0 withheld 0 queued 1
         z releases -> released; bundle served a:0 b:0",
    );
}

#[test]
fn rule_13_a_dormant_bundle_holds_up_nobody_and_keeps_its_place_everywhere() {
    play(
        "lock a
         lock b
         x takes a -> held 0
         bundle asks a,b wait -> waits ahead a:0 b:0
         y asks b wait -> waits ahead 1
         bundle stops-waiting lost -> dormant ahead a:0 b:0; y served 0
         z asks b -> queued ahead 0
         bundle gets -> queued ahead a:0 b:0
         y releases -> released
         x releases -> released; bundle granted a:0 b:0
         # Nobody claims it: it lapses, and stands behind everybody in both.
         +10 -> bundle lapsed; z granted 0
         bundle gets -> queued ahead a:0 b:0",
    );
}

#[test]
fn rule_13_a_client_that_is_gone_is_found_before_its_grant() {
    play(
        "lock a
         lock b
         x takes a,b -> held a:0 b:0
         bundle asks a,b wait -> waits ahead a:0 b:0
         y asks b wait -> waits ahead 1
         bundle hangs-up
         x releases -> released; y served 0
         show bundle state -> dormant ahead a:0 b:0",
    );
}

#[test]
fn rule_13_not_free_at_once_is_refused_with_the_lock_that_is_busy() {
    play(
        "lock a size=2
         lock b size=2
         lock c
         x takes c -> held 0
         y asks a=1,b=1,c=1 try -> refused: c: busy
         y asks a=1,b=3 try -> refused: b: 3 of 2 permits
         y asks a=1,d=1 try -> refused: d: unknown lock
         patch b pause=disk
         y asks a=1,b=1 try -> refused: b: busy
         patch b resume
         y takes a=2,b=all try -> held a:0-1 b:0-1
         w asks a,b,c wait -> waits ahead a:0 b:0 c:0
         # Somebody who waits is before it.
         z asks a,b try -> refused: a: busy",
    );
}

#[test]
fn rule_13_all_of_one_lock_among_others() {
    play(
        "lock a size=2
         lock b size=2
         x takes a -> held 0
         bundle asks a=all,b=1 wait -> waits ahead a:0 b:0
         y asks a wait -> waits ahead 1
         z asks b wait -> waits ahead 1
         x releases -> released; bundle served a:0-1 b:0; z served 1
         bundle releases -> released; y served 0",
    );
}

#[test]
fn rule_13_its_times_are_the_strictest_of_its_locks() {
    play(
        "lock a max_lock=100 grace=20 max_hold=500 max_ttl=90
         lock b max_lock=60 grace=5 max_hold=400 max_ttl=80
         x asks a,b -> granted a:0 b:0
         show x ttl -> ttl 5
         +4 x gets -> held a:0 b:0
         show x ttl -> ttl 60
         x renews ttl=300 -> held a:0 b:0
         show x ttl -> ttl 80
         +79 x renews -> held a:0 b:0
         +79 x renews -> held a:0 b:0
         +79 x renews -> held a:0 b:0
         +79 x renews -> held a:0 b:0
         +79 x renews -> held a:0 b:0
         +5 -> x overdue",
    );
}

#[test]
fn rule_13_what_is_withheld_after_it_is_each_locks_own() {
    play(
        "lock a delay=30
         lock b
         lock c delay=60
         x takes a,b,c ttl=10 -> held a:0 b:0 c:0
         +10 -> x lost
         view a -> size 1 free 0 in-use 0 withheld 1 queued 0
         view b -> size 1 free 1 in-use 0 withheld 0 queued 0
         view c -> size 1 free 0 in-use 0 withheld 1 queued 0
         y asks a,b,c wait ttl=100 -> waits ahead a:0 b:0 c:0
         +30 -> a restored
         +30 -> c restored; y served a:0 b:0 c:0",
    );
}

#[test]
fn rule_13_a_rest_after_it_is_each_locks_own() {
    play(
        "lock a min_hold=20
         lock b min_hold=5
         x takes a,b -> held a:0 b:0
         +10 x releases -> released
         view a -> size 1 free 0 in-use 0 withheld 1 queued 0
         view b -> size 1 free 1 in-use 0 withheld 0 queued 0
         y asks a,b -> queued ahead a:0 b:0
         +10 -> a restored; y granted a:0 b:0
         y gets -> held a:0 b:0
         y releases broken=dust -> released
         view a -> size 1 free 0 in-use 0 withheld 1 queued 0
         restore b -> size 1 free 1 in-use 0 withheld 0 queued 0",
    );
}

#[test]
fn rule_13_over_the_cap_of_one_lock_it_is_passed_over_in_all() {
    play(
        "lock a size=2 cap=1
         lock b size=2
         x takes a key=ci -> held 0
         bundle asks a=1,b=2 key=ci -> queued ahead a:0 b:0
         y takes b key=ops -> held 0
         z takes a key=ops -> held 1
         v asks a,b key=dev -> queued ahead a:0 b:0
         z releases -> released; v granted a:1 b:1
         x releases -> released
         show bundle state -> queued ahead a:0 b:0
         v releases -> released
         y releases -> released; bundle granted a:0 b:0-1",
    );
}

#[test]
fn rule_13_the_latest_only_of_the_same_locks() {
    play(
        "lock a
         lock b
         lock c
         x takes a,b,c -> held a:0 b:0 c:0
         one asks a,b supersede=main key=ci -> queued ahead a:0 b:0
         two asks a,c supersede=main key=ci -> queued ahead a:1 c:0
         three asks a supersede=main key=ci -> queued ahead 2
         four asks a,b supersede=main key=ci -> queued ahead a:2 b:0; one superseded
         show one by -> by four",
    );
}

#[test]
fn rule_13_one_key_has_a_request_id_once_for_each_set_of_locks() {
    play(
        "lock a size=9
         lock b size=9
         x takes a,b request=0123456789abcdef key=ci -> held a:0 b:0
         x takes a,b request=0123456789abcdef key=ci -> held a:0 b:0
         y takes a=2,b=1 request=0123456789abcdef key=ci -> refused: request_id reused
         z takes a request=0123456789abcdef key=ci -> held 1
         x releases a,b request=0123456789abcdef -> released
         x takes a,b request=0123456789abcdef key=ci -> refused: gone, released
         # It may end before it arrives.
         w releases a,b request=fedcba9876543210 key=ci -> nothing
         w takes a,b request=fedcba9876543210 key=ci -> refused: withdrawn
         w takes b request=fedcba9876543210 key=ci -> held 0
         w releases a,zz request=fedcba9876543210 key=ci -> refused: zz: unknown lock",
    );
}

#[test]
fn rule_13_a_smaller_lock_ends_it_in_all_of_them() {
    play(
        "lock a size=3
         lock b
         x takes a -> held 0
         y takes b -> held 0
         bundle asks a=3,b=1 -> queued ahead a:0 b:0
         patch a size=2 -> refused: would end 1
         patch a size=2 force -> size 2 free 1 in-use 1 withheld 0 queued 0; bundle oversized
         view b -> size 1 free 0 in-use 1 withheld 0 queued 0",
    );
}

#[test]
fn rule_13_a_deleted_lock_ends_it_in_all_of_them() {
    play(
        "lock a delay=10
         lock b delay=20
         x takes a,b -> held a:0 b:0
         y asks a,b -> queued ahead a:0 b:0
         z asks b -> queued ahead 1
         delete a -> refused: would end 2
         delete a force -> done; x lock_deleted; y lock_deleted; a deleted
         # Its holder may still be at work with b, as with the lock that is gone.
         view b -> size 1 free 0 in-use 0 withheld 1 queued 1
         lock a -> refused: name withheld for 10
         +20 -> b restored; z granted 0",
    );
}

#[test]
fn rule_13_a_lock_whose_section_is_gone_takes_no_new_bundle() {
    play(
        "file a size=1, b size=1
         x takes a,b -> held a:0 b:0
         file a size=1 -> configured retired b
         y asks a,b -> refused: b: retiring
         x releases -> released; b deleted",
    );
}

#[test]
fn rule_13_instances_of_templates_are_made_for_each_of_its_locks() {
    play(
        "file deploy-* size=1
         lock san
         x takes deploy-api,deploy-web,san -> held deploy-api:0 deploy-web:0 san:0
         view deploy-web -> size 1 free 0 in-use 1 withheld 0 queued 0
         # Either all or none.
         y asks deploy-x,other try -> refused: other: unknown lock
         locks -> locks deploy-api,deploy-web,san
         x releases -> released
         +60 -> deploy-api deleted; deploy-web deleted",
    );
}

#[test]
fn rule_13_the_right_to_use_is_needed_for_all_of_its_locks() {
    play(
        "lock a
         lock b
         x takes a,b key=ci only=a -> refused: b: not usable
         x takes a,b key=ci -> held a:0 b:0
         y asks a,b key=ops -> queued ahead a:0 b:0
         revoke b x user key=ops -> refused: not allowed
         revoke b x -> revoked; x revoked; y granted a:0 b:0
         revoke a y user key=ops -> revoked; y revoked",
    );
}

#[test]
fn rule_13_what_cannot_be_a_bundle_is_refused() {
    play(
        "lock a
         lock b names=r+s
         x asks b,a -> refused: invalid
         x asks a,a -> refused: invalid
         x asks a=1,b=0 -> refused: invalid
         x asks a,b slots=r -> refused: invalid
         x asks a,b holder=h -> refused: invalid
         x asks a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q -> refused: invalid
         x takes a,b -> held a:0 b:0 r",
    );
}

#[test]
fn rule_13_places_and_permits_are_kept_over_restart_and_crash() {
    play(
        "lock a
         lock b size=2
         x takes a=1,b=2 -> held a:0 b:0-1
         y asks a,b -> queued ahead a:0 b:0
         z asks b -> queued ahead 1
         y gets -> queued ahead a:0 b:0
         z gets -> queued ahead 1
         restart
         x gets -> held a:0 b:0-1
         show y state -> queued ahead a:0 b:0
         w asks a -> queued ahead 1
         crash
         # Nobody knows whether w was told; y and z have named their tickets.
         show w state -> dormant ahead 1
         x releases -> released; y granted a:0 b:0; z granted 1
         crash
         show y state -> granted a:0 b:0",
    );
}

#[test]
fn rule_13_with_selections_of_slots_in_one_of_its_locks() {
    play(
        "lock gpu names=g0{a}+g1{b}
         lock san
         x takes gpu slots=g0 -> held 0 g0
         s asks gpu tags=a wait -> waits ahead 0
         # Somebody before it waits for g0, so it is not first and g1 is free for others.
         bundle asks gpu,san wait -> waits ahead gpu:1 san:0
         y takes gpu slots=g1 -> held 1 g1
         z takes san -> held 0
         x releases -> released; s served 0 g0
         v asks gpu slots=g1 wait -> waits ahead 1
         y releases -> released
         z releases -> released; bundle served gpu:1 g1 san:0
         bundle releases -> released; v served 1 g1",
    );
}
