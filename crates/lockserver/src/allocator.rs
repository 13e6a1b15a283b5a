//! Where memory comes from, and how what is free goes back.

use mimalloc::MiMalloc;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Threads that serve connections hand requests and answers to one another: glibc's allocator has them wait for its arenas.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A thread that has nothing to do looks so often at most for memory to give back.
const TIDY_PAUSE: Duration = Duration::from_secs(1);

thread_local! {
    static TIDIED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// A thread has nothing to do: gives back what it has not used for a while. The allocator does so only when it is asked for more.
pub(crate) fn tidy_up() {
    let now = Instant::now();
    if TIDIED.get().is_none_or(|at| now.duration_since(at) >= TIDY_PAUSE) {
        TIDIED.set(Some(now));
        collect(false);
    }
}

/// Gives the system back what this thread has freed, which the allocator would keep for a while. Takes milliseconds.
pub(crate) fn give_back() {
    collect(true);
}

fn collect(force: bool) {
    #[expect(unsafe_code, reason = "a call of the allocator's own, which has no safe wrapper")]
    // SAFETY: it may be called at any time, by any thread; what is in use stays.
    unsafe {
        libmimalloc_sys::mi_collect(force);
    }
}
