//! Network namespaces of Linux. Each lives as long as somebody has it open or a process is in it, so that it vanishes with a run
//! that is killed.

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::process::{Command, Stdio};

#[derive(Debug)]
pub(super) struct Namespace(File);

impl Namespace {
    /// An empty one.
    ///
    /// # Errors
    /// Who is not root may not make one.
    pub(super) fn new() -> io::Result<Self> {
        // A thread that ends at once: it alone is moved.
        let made = std::thread::spawn(|| {
            #[expect(
                unsafe_code,
                reason = "rustix has one function for all that can be unshared, also for descriptors"
            )]
            // SAFETY: unsafe is only to unshare the table of descriptors.
            let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWNET) };
            unshared?;
            File::open("/proc/thread-self/ns/net")
        });
        Ok(Self(made.join().expect("it does not panic")?))
    }

    /// Moves the calling thread into it, with the sockets that it opens from now on.
    pub(super) fn enter(&self) -> io::Result<()> {
        Ok(move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    /// Where processes of this machine find it.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Has `ip` or `tc` of iproute2 do that in there, a line for each thing.
    pub(super) fn tell(&self, program: &str, lines: &str) -> io::Result<()> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).args([program, "-batch", "-"]);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut told = started
            .map_err(|error| io::Error::other(format!("nsenter (Debian's util-linux) does not start: {error}")))?;
        // If it has ended, its own words say more.
        let _ = told.stdin.take().expect("it is a pipe").write_all(lines.as_bytes());
        let done = told.wait_with_output()?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr).replace('\n', " ");
        Err(io::Error::other(format!("{program} (Debian's iproute2): {}", said.trim())))
    }

    /// Does that in there.
    #[cfg(test)]
    pub(super) fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            self.enter().expect("who has made it can enter it");
            act()
        };
        std::thread::scope(|scope| scope.spawn(inside).join().expect("it does not panic"))
    }
}
