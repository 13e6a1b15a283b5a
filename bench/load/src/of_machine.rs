//! Locks of one machine: `lockctl run --local` beside flock(1) and the crate heavy, how fast they go over and in which order.

use crate::Arguments;
use crate::fault::Fault;
use crate::hand_over::WAITS;
use heavy::Pool;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Who wait in line behind a holder, to see in which order they are served.
const IN_LINE: usize = 8;

/// A lock of one machine, and what was measured of it.
pub(crate) struct OfMachine {
    pub(crate) how: How,
    pub(crate) times: Vec<f64>,
    pub(crate) out_of_turn: Vec<usize>,
}

impl OfMachine {
    pub(crate) fn all(arguments: &Arguments, home: &Path) -> Vec<Self> {
        let ours = arguments.lockservers().next().and_then(|(_, server)| Some(server.parent()?.join("lockctl")));
        let ours = ours.filter(|lockctl| lockctl.exists()).map(|lockctl| How::Lockctl(lockctl, home.join("state")));
        let others = [How::Flock(home.join("flocked")), How::Heavy(home.join("heavy"))];
        let one = |how| Self { how, times: Vec::new(), out_of_turn: Vec::new() };
        ours.into_iter().chain(others).map(one).collect()
    }
}

/// How it is taken.
pub(crate) enum How {
    /// `lockctl run --local`: the program, and where its server has everything.
    Lockctl(PathBuf, PathBuf),
    /// flock(1), on this file.
    Flock(PathBuf),
    /// The crate heavy, with this directory.
    Heavy(PathBuf),
}

impl How {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Lockctl(..) => "lockctl run --local",
            Self::Flock(_) => "flock(1)",
            Self::Heavy(_) => "heavy",
        }
    }

    /// A command that is run while the lock is held, for those that are programs.
    fn run(&self, words: &[&str]) -> Option<Command> {
        let mut command = match self {
            Self::Lockctl(lockctl, state) => {
                let mut command = Command::new(lockctl);
                command.args(["run", "--local", "bench", "--"]).env("XDG_STATE_HOME", state).env_remove("LOCK_SERVER");
                command
            }
            Self::Flock(file) => {
                let mut command = Command::new("flock");
                command.arg(file);
                command
            }
            Self::Heavy(_) => return None,
        };
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        Some(command)
    }

    /// Seconds from giving back until the next one, which waits, has it.
    pub(crate) fn hands_over(&self) -> Result<f64, Fault> {
        let (Some(mut first), Some(mut second)) =
            (self.run(&["sh", "-c", "echo held; exec cat"]), self.run(&["echo", "held"]))
        else {
            return heavy_hands_over(self);
        };
        let mut holder = first.spawn()?;
        line(&mut holder)?;
        let mut next = second.spawn()?;
        thread::sleep(WAITS);
        let begin = Instant::now();
        drop(holder.stdin.take());
        line(&mut next)?;
        let took = begin.elapsed().as_secs_f64();
        holder.wait()?;
        next.wait()?;
        Ok(took)
    }

    /// How many of those in line are served before one who came earlier.
    pub(crate) fn out_of_turn(&self) -> Result<usize, Fault> {
        let Some(mut first) = self.run(&["sh", "-c", "echo held; exec cat"]) else { return heavy_out_of_turn(self) };
        let mut holder = first.spawn()?;
        line(&mut holder)?;
        let (say, hear) = mpsc::channel();
        let mut waiting = Vec::new();
        for number in 0..IN_LINE {
            let mut next = self.run(&["echo", "held"]).ok_or("it was a program before")?.spawn()?;
            let say = say.clone();
            waiting.push(thread::spawn(move || -> Result<(), Fault> {
                line(&mut next)?;
                let _ = say.send(number);
                next.wait()?;
                Ok(())
            }));
            thread::sleep(WAITS);
        }
        drop(holder.stdin.take());
        holder.wait()?;
        for one in waiting {
            one.join().map_err(|_| "a thread that waits has panicked")??;
        }
        drop(say);
        Ok(overtaking(&hear.iter().collect::<Vec<_>>()))
    }
}

/// Those that come before a smaller one.
fn overtaking(order: &[usize]) -> usize {
    order.iter().enumerate().filter(|(place, one)| order[place + 1..].iter().any(|later| later < one)).count()
}

/// The line by which a command says that it runs.
fn line(child: &mut Child) -> Result<(), Fault> {
    let mut text = String::new();
    BufReader::new(child.stdout.as_mut().ok_or("no standard output")?).read_line(&mut text)?;
    if text.is_empty() { Err("a command that was to hold the lock did not run".into()) } else { Ok(()) }
}

/// The pool of the crate heavy, which has one place.
fn heavy_pool(how: &How) -> Result<Pool, Fault> {
    let How::Heavy(directory) = how else { return Err("the others are programs".into()) };
    Ok(Pool::open(directory.clone(), 1)?)
}

/// Between two threads.
fn heavy_hands_over(how: &How) -> Result<f64, Fault> {
    let held = heavy_pool(how)?.acquire(|| {})?;
    let (say, hear) = mpsc::channel();
    let other = heavy_pool(how)?;
    let next = thread::spawn(move || {
        let got = other.acquire(|| {});
        let _ = say.send(Instant::now());
        got.map(drop)
    });
    thread::sleep(WAITS);
    let begin = Instant::now();
    drop(held);
    let end = hear.recv()?;
    next.join().map_err(|_| "the thread that waits has panicked")??;
    Ok((end - begin).as_secs_f64())
}

/// Between a thread for each.
fn heavy_out_of_turn(how: &How) -> Result<usize, Fault> {
    let held = heavy_pool(how)?.acquire(|| {})?;
    let (say, hear) = mpsc::channel();
    let mut waiting = Vec::new();
    for number in 0..IN_LINE {
        let (pool, say) = (heavy_pool(how)?, say.clone());
        waiting.push(thread::spawn(move || {
            let got = pool.acquire(|| {});
            let _ = say.send(number);
            got.map(drop)
        }));
        thread::sleep(WAITS);
    }
    drop((held, say));
    for one in waiting {
        one.join().map_err(|_| "a thread that waits has panicked")??;
    }
    Ok(overtaking(&hear.iter().collect::<Vec<_>>()))
}
