//! The limit of a store: how often the disk flushes.

use crate::fault::Fault;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is written each time: a page of the store.
const PAGE: [u8; 4096] = [0x5a; 4096];
/// Pages of the file. They are there before, so that a flush is of data alone: the least that a store can do.
const PAGES: u64 = 1024;

/// Writes a page and flushes it, again and again; gives how often in a second.
pub(crate) fn flushes_a_second(directory: &Path, time: Duration) -> Result<f64, Fault> {
    let path = directory.join("flushed");
    let file = File::create(&path)?;
    for page in 0..PAGES {
        file.write_all_at(&PAGE, page * PAGE.len() as u64)?;
    }
    file.sync_all()?;
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < time {
        file.write_all_at(&PAGE, count % PAGES * PAGE.len() as u64)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}
