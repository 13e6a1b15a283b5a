//! The configuration file against live changes (design, section 5).

use crate::scenario::play;

#[test]
fn file_an_unchanged_value_leaves_a_live_change_alone_and_a_changed_one_wins() {
    // Each parameter: made with one value, changed live, same file again, another file.
    for (option, made, live, word) in [
        ("size", "3", "5", "size"),
        ("grace", "10", "20", "grace_time"),
        ("expiration", "10", "20", "expiration_time"),
        ("max_lock", "10", "20", "max_lock_time"),
        ("max_hold", "10", "20", "max_hold_time"),
        ("max_ttl", "10", "20", "max_ttl"),
        ("delay", "10", "20", "lock_delay"),
        ("max_queue", "10", "20", "max_queue"),
        ("description", "old", "new", "description"),
    ] {
        let (other, first) = if option == "size" { ("", "7") } else { ("size=3", "7") };
        let size = if option == "size" { [made, live, first] } else { ["3"; 3] };
        let [before, changed, after] = size.map(|n| format!("size {n} free {n} in-use 0 withheld 0 queued 0"));
        play(&format!(
            "file san {other} {option}={made} -> configured created san
             view san -> {before}
             patch san {option}={live} -> {changed} overridden {word}
             file san {other} {option}={made} -> configured
             view san -> {changed} overridden {word}
             restart
             +1 file san {other} {option}={made} -> configured
             view san -> {changed} overridden {word}
             file san {other} {option}={first} -> configured changed san
             view san -> {after}
             patch san {option}={live} -> {changed} overridden {word}
             file san {other} {option}={live} -> configured
             view san -> {changed}
             file san {other} {option}={live}, other size=1 -> configured created other"
        ));
    }
}

#[test]
fn file_a_lock_made_by_request_is_taken_over_by_its_first_section_and_kept_without_one() {
    play(
        "lock san size=2
         file other size=1 -> configured created other
         view san -> size 2 free 2 in-use 0 withheld 0 queued 0
         file san size=3 -> configured changed san retired other; other deleted
         view san -> size 3 free 3 in-use 0 withheld 0 queued 0
         file -> configured retired san; san deleted",
    );
}

#[test]
fn file_a_lock_whose_section_is_gone_finishes_its_tickets() {
    play(
        "file san size=1 delay=30 -> configured created san
         a takes san ttl=600 -> held 0
         b asks san ttl=600 -> queued ahead 0
         file -> configured retired san
         c takes san -> refused: retiring
         c takes san try -> refused: retiring
         b gets -> queued ahead 0
         restart
         a renews -> held 0
         view san -> size 1 free 0 in-use 1 withheld 0 queued 1 retiring
         file -> configured
         a releases -> released; b granted 0
         b gets -> held 0
         revoke san b -> revoked; b revoked
         c takes san -> refused: retiring
         +30 -> san restored; san deleted
         c takes san -> refused: unknown lock",
    );
}

#[test]
fn file_a_section_that_returns_brings_its_lock_back() {
    play(
        "file san size=1
         a takes san -> held 0
         patch san size=2
         file -> configured retired san
         file san size=1 -> configured changed san
         view san -> size 2 free 1 in-use 1 withheld 0 queued 0 overridden size
         b takes san -> held 1
         a releases -> released
         b releases -> released
         view san -> size 2 free 2 in-use 0 withheld 0 queued 0 overridden size",
    );
}

#[test]
fn file_a_size_after_0_ends_the_pause_that_the_file_made_and_no_other() {
    play(
        "file san size=1 paused -> configured created san
         a asks san -> queued ahead 0
         file san size=2 -> configured changed san; a granted 0
         file san size=2 paused -> configured changed san
         patch san resume
         patch san pause=tapes
         file san size=2 -> configured
         view san -> size 2 free 1 in-use 1 withheld 0 queued 0 paused",
    );
}

#[test]
fn file_size_0_starts_paused_and_a_reload_does_not_pause_again() {
    play(
        "file san size=1 paused -> configured created san
         a asks san -> queued ahead 0
         file san size=1 paused -> configured
         patch san resume -> size 1 free 0 in-use 1 withheld 0 queued 0; a granted 0
         file san size=1 paused -> configured
         view san -> size 1 free 0 in-use 1 withheld 0 queued 0
         patch san pause=live
         file san size=2 paused -> configured changed san
         view san -> size 2 free 1 in-use 1 withheld 0 queued 0 paused",
    );
}

#[test]
fn file_of_many_servers_only_makes_what_is_missing() {
    play(
        "lock san size=2
         file-of-many san size=5, new size=1, job-* size=1 -> configured created job-*,new
         view san -> size 2 free 2 in-use 0 withheld 0 queued 0
         file-of-many new size=9, job-* size=9 -> configured
         view new -> size 1 free 1 in-use 0 withheld 0 queued 0
         view job-1 -> size 1 free 1 in-use 0 withheld 0 queued 0
         file-of-many -> configured
         locks -> locks new,san",
    );
}

#[test]
fn file_a_section_that_cannot_be_applied_leaves_its_lock_alone() {
    play(
        "file san size=1, job-* size=1
         a takes san -> held 0
         j takes job-1 -> held 0
         file san size=0, job-* size=0 -> configured refused san: size must be from 1 to 1000000,job-*: size must be from 1 to 1000000
         view san -> size 1 free 0 in-use 1 withheld 0 queued 0
         view job-1 -> size 1 free 0 in-use 1 withheld 0 queued 0
         view job-2 -> size 1 free 1 in-use 0 withheld 0 queued 0",
    );
}

#[test]
fn file_a_section_in_place_of_a_template_keeps_tickets() {
    play(
        "file job-* size=1
         a takes job-1 -> held 0
         file job-* size=1, job-1 size=1 -> configured
         a releases -> released
         +600 view job-1 -> size 1 free 1 in-use 0 withheld 0 queued 0
         locks -> locks job-1
         file job-* size=1 -> configured
         +60 -> job-1 deleted",
    );
}
