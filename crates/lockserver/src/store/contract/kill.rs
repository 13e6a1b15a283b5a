//! A server that is killed loses nothing it has confirmed, and nothing is there in part.
//!
//! The test runs itself as a child process, which commits numbered batches and prints each number after its commit. What
//! batch `n` leaves behind is a function of `n`, so the store that is opened after the kill shows which batch was last.

use super::load;
use super::model::Model;
use super::records::plain_ticket;
use crate::store::Store;
use lock_core::{Change, Meta, TicketRecord};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// Set in the child: where the store is.
const PLACE: &str = "LOCKSERVER_TEST_KILL_PLACE";
/// How often the child is killed.
const KILLS: usize = 20;
/// Tickets of a batch; those of the batch before the last are deleted.
const TICKETS: u64 = 8;

/// To be called by a test of the name `test` (as the test runner prints it), which does nothing else. The child has these variables
/// in its environment as well.
pub(crate) fn test(test: &str, environment: &[(&str, &str)], open: &dyn Fn(&Path) -> Box<dyn Store>) {
    if let Some(place) = std::env::var_os(PLACE) {
        commit_for_ever(&mut *open(&PathBuf::from(place)));
    }
    let place = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    let mut last = 0;
    for kill in 0..KILLS {
        let confirmed = run_and_kill(test, environment, place.path());
        let mut store = open(place.path());
        let found = load(&mut *store);
        let batches = found.meta.last_number;
        let confirmed = confirmed.unwrap_or(last);
        assert!(
            (confirmed..=confirmed + 1).contains(&batches),
            "kill {kill}: batch {confirmed} was confirmed, the store is at {batches}"
        );
        for number in last + 1..=batches {
            model.apply(&batch(number));
        }
        assert_eq!(found, model.snapshot(), "kill {kill}, batch {batches}");
        last = batches;
    }
    assert!(last >= KILLS as u64, "the children got no work done: {last} batches");
}

fn batch(number: u64) -> Vec<Change> {
    let mut changes = vec![Change::Meta(Meta { service_ms: number, last_number: number, ..Meta::default() })];
    for ticket in 0..TICKETS {
        let mut record = plain_ticket(number * TICKETS + ticket);
        // Several pages of the log, so that a batch can be torn.
        record.info = Arc::from("x".repeat(2000));
        changes.push(Change::PutTicket(record));
        if let Some(old) = number.checked_sub(2) {
            let TicketRecord { number, id, .. } = plain_ticket(old * TICKETS + ticket);
            changes.push(Change::DeleteTicket { number, id });
        }
    }
    changes
}

fn commit_for_ever(store: &mut dyn Store) -> ! {
    let done = load(store).meta.last_number;
    // Not `print!`, which the test runner may keep to itself. A whole line in one write arrives whole or not at all.
    let mut out = std::io::stdout();
    for number in done + 1.. {
        store.commit(&batch(number)).expect("a batch that can be committed");
        out.write_all(format!("\ncommitted {number}\n").as_bytes()).expect("a parent that reads");
        out.flush().expect("a parent that reads");
    }
    unreachable!("killed before")
}

/// Runs the child, kills it after a random number of batches at a random moment, and gives the last number it printed.
fn run_and_kill(test: &str, environment: &[(&str, &str)], place: &Path) -> Option<u64> {
    let mut child = Reaped(
        Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(PLACE, place)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map(|line| line.expect("readable output"));
    let mut last = None;
    let mut confirmed =
        |line: String| line.strip_prefix("committed ").map(|number| last = Some(number.parse().unwrap()));
    let batches = rand::random_range(1..40);
    for _ in 0..batches {
        lines.by_ref().find_map(&mut confirmed).expect("a child that goes on until it is killed");
    }
    for _ in 0..rand::random_range(0..200_000) {
        std::hint::spin_loop();
    }
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    // What it printed before it died.
    for line in lines {
        confirmed(line);
    }
    last
}

/// Not left behind when the test fails.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
