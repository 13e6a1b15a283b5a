//! The wall clock of one server, which can be set without touching the machine's: a library that is loaded into the server adds
//! seconds to it (`wall_clock.c`).

use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

const SOURCE: &str = include_str!("wall_clock.c");

/// See the module.
#[derive(Debug)]
pub(crate) struct WallClock {
    library: PathBuf,
    /// How many seconds it is ahead of the machine's, as the library reads it.
    ahead: std::fs::File,
    at: PathBuf,
}

impl WallClock {
    /// A clock that is right so far, with its files in this directory.
    ///
    /// # Errors
    /// If the library cannot be compiled.
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        let (library, at) = (directory.join("wall_clock.so"), directory.join("wall_clock"));
        let mut compiler = std::process::Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-x", "c", "-", "-ldl", "-o"]).arg(&library);
        let started = compiler.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut compiling =
            started.map_err(|error| io::Error::other(format!("cc (Debian's package gcc) does not start: {error}")))?;
        compiling.stdin.take().expect("it is a pipe").write_all(SOURCE.as_bytes())?;
        let compiled = compiling.wait_with_output()?;
        if !compiled.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&compiled.stderr).into_owned()));
        }
        let ahead = std::fs::File::create(&at)?;
        let clock = Self { library, ahead, at };
        clock.set_ahead(0)?;
        Ok(clock)
    }

    /// Sets it that many seconds ahead of the machine's, or back.
    pub(crate) fn set_ahead(&self, seconds: i64) -> io::Result<()> {
        self.ahead.write_all_at(&seconds.to_ne_bytes(), 0)
    }

    /// Has a program that is about to start go by this clock.
    pub(super) fn give_to(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("WALL_CLOCK", &self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[tokio::test]
    async fn only_the_program_that_has_the_clock_sees_it_jump() {
        let directory = tempfile::tempdir().unwrap();
        let clock = WallClock::new(directory.path()).unwrap();
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
        for ahead in [0, 5 * 3600, -7 * 3600] {
            clock.set_ahead(ahead).unwrap();
            let (before, mut command) = (now(), Command::new("date"));
            clock.give_to(&mut command);
            let told = String::from_utf8(command.arg("+%s").output().await.unwrap().stdout).unwrap();
            let told = told.trim().parse::<i64>().unwrap() - ahead;
            assert!((before..=now()).contains(&told), "{ahead}: {told} is not from {before} to {}", now());
        }
    }
}
