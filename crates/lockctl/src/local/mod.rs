//! `--local`: a server of this user on this machine, which starts by itself when somebody needs it and ends when nobody does.
//!
//! In reading order: `place` (its directory, and whether that can be used), `start` (one server, whoever asks first), `size` (the lock
//! that a run names is there). What is promised is the server's: permits survive its end, however it ends.

mod place;
mod size;
mod start;

pub(crate) use size::prepare;

use crate::exit::{Failure, NO_SERVER};
use place::Place;
use std::io::{ErrorKind, Read as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The address that stands for it, in `--server` and wherever else a server is named.
pub(crate) const NAME: &str = "local";

/// Between two looks at a server that is gone, or that cut us off.
const PAUSE: Duration = Duration::from_millis(200);

/// The server of this user. It runs when this is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Local(Place);

impl Local {
    /// Starts it, unless it runs.
    pub(crate) fn ready() -> Result<Self, Failure> {
        let place = Place::of_user()?;
        start::ensure(&place)?;
        Ok(Self(place))
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.0.socket().display())
    }

    /// Sees to it that it runs for as long as we do, from another thread: it may be killed, with a session or by somebody who cleans
    /// up, and what we hold or wait for is in its store. A connection tells of its end at once.
    pub(crate) fn keep(&self) -> Result<(), Failure> {
        let place = self.0.clone();
        let keep = move || {
            loop {
                if let Ok(connection) = UnixStream::connect(place.socket()) {
                    wait_for_end(connection);
                } else {
                    // Whoever waits for an answer says that there is none; the next try may succeed.
                    let _ = start::ensure(&place);
                }
                std::thread::sleep(PAUSE);
            }
        };
        let thread = std::thread::Builder::new().name("local server".to_owned()).spawn(keep);
        thread
            .map(drop)
            .map_err(|error| Failure::new(NO_SERVER, format!("no thread watches the local server: {error}")))
    }
}

/// Returns when the other side has closed the connection. Nothing is ever sent on it.
fn wait_for_end(mut connection: UnixStream) {
    let mut byte = [0];
    loop {
        match connection.read(&mut byte) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
