//! A client that reads the stream of events of one server for the whole run, and resumes where it was after each break.

use super::frames::Frames;
use super::{Shared, locked};
use crate::history::{News, Word};
use crate::http::events;
use crate::random::Random;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// As long as a standby waits for a leader.
const PATIENCE: Duration = Duration::from_secs(15);
/// A stream that says nothing for so long is dead: the reader asks for a comment each second.
const SILENCE: Duration = Duration::from_secs(5);

/// Reads until the run stops. `reader` is the number of its server, which it reaches always, like a companion.
pub(crate) async fn read_events(shared: Arc<Shared>, reader: usize, mut random: Random) {
    let mut last = None;
    let note = |word| {
        let (reader, at) = (u32::try_from(reader).expect("small"), shared.now());
        locked(&shared.news).push(News { reader, at, word });
    };
    while !shared.stopped() {
        let why = match timeout(PATIENCE, events(shared.servers[reader], last.as_deref())).await {
            Err(_) => "no answer in time".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(body)) => {
                note(Word::Begun(last.clone()));
                follow(&shared, body, &mut last, &note).await
            }
        };
        note(Word::Broken(why));
        sleep(random.ms(20, 300)).await;
    }
}

/// Reads to the end of this stream; why it ended.
async fn follow(shared: &Shared, mut body: Incoming, last: &mut Option<String>, note: &impl Fn(Word)) -> String {
    let mut frames = Frames::default();
    while !shared.stopped() {
        let chunk = match timeout(SILENCE, body.frame()).await {
            Err(_) => return "silence".to_owned(),
            Ok(None) => return "its end".to_owned(),
            Ok(Some(Err(error))) => return error.to_string(),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        for word in frames.add(&chunk) {
            if let Word::At(id) | Word::Comment(id) | Word::Reset(id) = &word {
                *last = Some(id.clone());
            } else if let Word::Event(event) = &word {
                *last = Some(event.id.clone());
            }
            note(word);
        }
    }
    "the end of the run".to_owned()
}
