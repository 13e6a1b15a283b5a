//! Standard output as a process was started with it. A module of both programs, which share no crate but `lock-api`.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Looks at standard output before the standard library does, which puts /dev/null where nothing is.
#[expect(unsafe_code, reason = "nothing else runs before the standard library's own start")]
// SAFETY: the loader calls each entry of this section once, before `main`; this one makes a system call and stores a flag.
#[unsafe(link_section = ".init_array")]
#[used]
static LOOK_AT_STDOUT: extern "C" fn() = {
    extern "C" fn look() {
        let closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
        STDOUT_CLOSED.store(closed, Ordering::Relaxed);
    }
    look
};

/// Standard output to write to, unless the process was started without one (`>&-`): what is written there is lost without a word.
///
/// # Errors
/// `EBADF` if it was started without one.
pub(crate) fn lock() -> io::Result<io::StdoutLock<'static>> {
    if STDOUT_CLOSED.load(Ordering::Relaxed) {
        return Err(rustix::io::Errno::BADF.into());
    }
    Ok(io::stdout().lock())
}
