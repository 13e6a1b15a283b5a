//! Reading the whole store, at one revision of etcd.

use super::client::Client;
use super::failure::{Failure, Refusal};
use super::lead::LEADER;
use super::place::EtcdPlace;
use super::record::{COMMIT, Commit, STAGED, cluster, pieces_in};
use super::term::Found;
use super::wire::{KeyValue, RangeRequest, head, read, read_all};
use super::writes::{Write, of_chunk};
use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use tokio::time::Instant;

/// Keys of one page.
const PAGE: i64 = 20_000;

/// What a load gives, one after the other, to the thread that reads records.
#[derive(Debug)]
pub(super) enum Part {
    /// What came so far does not count.
    Again,
    /// Keys without the prefix, and values.
    Records(Vec<(String, Vec<u8>)>),
}

/// Sends all records, and says what else was found.
///
/// # Errors
/// `Compacted` if the revision was forgotten meanwhile: to be done again.
pub(super) async fn load(client: &Client, place: &EtcdPlace, to: &Sender<Part>) -> Result<Found, Failure> {
    let _ = to.send(Part::Again);
    let until = Instant::now() + place.lease * 2;
    let answer = client.range(read(place.key(COMMIT)), until).await?;
    let (revision, id) = head(answer.header.as_ref());
    let record = answer.kvs.into_iter().next().map(|found| found.value);
    let record = record.map(|value| commit(&value).map(|commit| (value, commit))).transpose()?;
    let mut found = Found { record, cluster: cluster(id), pieces: BTreeMap::new(), staged: Vec::new() };
    if let Some((_, commit)) = &found.record {
        found.staged = chunks(client, place, commit, revision).await?;
    }
    let staged: BTreeMap<&str, &Write> = found.staged.iter().map(|write| (write.key.as_str(), write)).collect();
    let mut pages = Pages::new(read_all(place.key("")), revision);
    let mut send = |records: Vec<(String, Vec<u8>)>| {
        for (key, value) in &records {
            if let Some(count) = pieces_in(value) {
                found.pieces.insert(key.clone(), count);
            }
        }
        let _ = to.send(Part::Records(records));
    };
    while let Some(page) = pages.next(client, place).await? {
        let records = page.into_iter().map(|one| (key(place, &one.key), one.value));
        let is_ours = |key: &str| key == LEADER || key == COMMIT || key.starts_with(STAGED);
        send(records.filter(|(key, _)| !is_ours(key) && !staged.contains_key(&key[..])).collect());
    }
    let puts = staged.values().filter_map(|write| Some((write.key.clone(), write.value.clone()?)));
    send(puts.collect());
    drop(staged);
    Ok(found)
}

/// The writes of a commit that are in its chunks.
async fn chunks(client: &Client, place: &EtcdPlace, commit: &Commit, revision: i64) -> Result<Vec<Write>, Failure> {
    let mut writes = Vec::new();
    for number in 0..commit.staged {
        let name = commit.chunk(number);
        let request = RangeRequest { revision, ..read(place.key(&name)) };
        let answer = client.range(request, Instant::now() + place.lease * 2).await?;
        let chunk = answer.kvs.first().and_then(|found| of_chunk(&found.value));
        writes.extend(chunk.ok_or_else(|| damaged(&name, "it is missing or unreadable"))?);
    }
    Ok(writes)
}

fn commit(value: &[u8]) -> Result<Commit, Failure> {
    serde_json::from_slice(value).map_err(|error| damaged(COMMIT, error))
}

fn damaged(key: &str, what: impl std::fmt::Display) -> Failure {
    Failure::Refused(Refusal::Damaged, format!("{key}: {what}"))
}

fn key(place: &EtcdPlace, key: &[u8]) -> String {
    String::from_utf8_lossy(key.get(place.prefix.len()..).unwrap_or_default()).into_owned()
}

/// A range, page by page.
struct Pages {
    request: RangeRequest,
    more: bool,
}

impl Pages {
    fn new(request: RangeRequest, revision: i64) -> Self {
        Self { request: RangeRequest { revision, limit: PAGE, ..request }, more: true }
    }

    async fn next(&mut self, client: &Client, place: &EtcdPlace) -> Result<Option<Vec<KeyValue>>, Failure> {
        while self.more {
            match client.range(self.request.clone(), Instant::now() + place.lease * 2).await {
                Err(failure) if failure.is(Refusal::AnswerTooLarge) && self.request.limit > 1 => {
                    self.request.limit /= 4
                }
                Err(failure) => return Err(failure),
                Ok(answer) => {
                    self.more = answer.more;
                    if let Some(last) = answer.kvs.last() {
                        // The first key behind it.
                        self.request.key = [&last.key[..], b"\0"].concat();
                    }
                    return Ok(Some(answer.kvs));
                }
            }
        }
        Ok(None)
    }
}
