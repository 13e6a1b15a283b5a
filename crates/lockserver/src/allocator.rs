//! Where memory comes from, and how what is free goes back.

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Threads that serve connections hand requests and answers to one another: glibc's allocator has them wait for its arenas.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// What every block of at least that size is aligned to without being asked.
const ALIGNED: usize = 16;

/// mimalloc, asked for an alignment only where it does not keep that anyway. To be sure of one it makes every block larger that is no
/// power of two: of a ticket's 384 bytes it made 448.
struct Allocator;

/// Whether a plain call of the allocator gives such a block.
const fn is_plain(align: usize, size: usize) -> bool {
    align <= ALIGNED && align <= size
}

#[expect(unsafe_code, reason = "an allocator is unsafe to write; each call is handed on to mimalloc's own")]
// SAFETY: mimalloc keeps what the trait asks for, as `MiMalloc` says; a plain block is aligned to its size up to 16 bytes, as C
// demands of `malloc`. Every kind of block may be resized and freed by the same calls.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_plain(layout.align(), layout.size()) {
            // SAFETY: any size may be asked for.
            unsafe { libmimalloc_sys::mi_malloc(layout.size()).cast() }
        } else {
            // SAFETY: as the caller says.
            unsafe { MiMalloc.alloc(layout) }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_plain(layout.align(), layout.size()) {
            // SAFETY: any size may be asked for.
            unsafe { libmimalloc_sys::mi_zalloc(layout.size()).cast() }
        } else {
            // SAFETY: as the caller says.
            unsafe { MiMalloc.alloc_zeroed(layout) }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { MiMalloc.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_plain(layout.align(), size) {
            // SAFETY: the block is mimalloc's, as the caller says.
            unsafe { libmimalloc_sys::mi_realloc(block.cast(), size).cast() }
        } else {
            // SAFETY: as the caller says.
            unsafe { MiMalloc.realloc(block, layout, size) }
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_aligned_and_keeps_what_is_in_it() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in [1, 8, 15, 16, 24, 40, 184, 192, 276, 384, 5000, 100_000] {
                let layout = Layout::from_size_align(size, align).unwrap();
                #[expect(unsafe_code, reason = "the allocator is called as the language calls it")]
                // SAFETY: sizes are not 0, and each block is freed as what it was made.
                unsafe {
                    // Several, for the first one of a page is aligned to anything.
                    for block in [(); 5].map(|()| ALLOCATOR.alloc(layout)) {
                        assert!(!block.is_null() && block.addr().is_multiple_of(align), "{layout:?}");
                        block.write_bytes(7, size);
                        let block = ALLOCATOR.realloc(block, layout, size * 2);
                        assert!(!block.is_null() && block.addr().is_multiple_of(align), "{layout:?} resized");
                        assert!((0..size).all(|at| *block.add(at) == 7), "{layout:?}");
                        ALLOCATOR.dealloc(block, Layout::from_size_align(size * 2, align).unwrap());
                    }
                    let block = ALLOCATOR.alloc_zeroed(layout);
                    assert!(
                        block.addr().is_multiple_of(align) && (0..size).all(|at| *block.add(at) == 0),
                        "{layout:?}"
                    );
                    ALLOCATOR.dealloc(block, layout);
                }
            }
        }
    }

    #[test]
    fn a_block_is_no_larger_than_it_must_be() {
        let tickets = [(); 100].map(|()| Box::new([0_u128; 24]));
        for ticket in &tickets {
            #[expect(unsafe_code, reason = "only the allocator knows how large it made a block")]
            // SAFETY: the block lives.
            let usable = unsafe { libmimalloc_sys::mi_usable_size(std::ptr::from_ref(&**ticket).cast()) };
            assert_eq!(usable, size_of_val(&**ticket));
        }
    }
}
