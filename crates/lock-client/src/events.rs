//! The stream of events: connects again by itself and goes on where it was.

use crate::send::{Call, body, not_lockserver, why, words};
use crate::silence::{Silence, TELL_AFTER};
use crate::sse::{Frame, Parser};
use crate::tls::distrust;
use crate::{Client, Error, Tried};
use lock_api::{Event, Problem, routes};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use reqwest::{Method, Response};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// The server writes at least a comment every 15 s: three of them missed are the end of a connection.
const SILENCE: Duration = Duration::from_secs(45);

/// What the stream says.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Something changed.
    Event {
        /// Its place in the stream.
        id: Option<String>,
        /// What.
        event: Box<Event>,
    },
    /// Events are missing here: read the locks again.
    Reset,
}

/// A stream of events.
#[derive(Debug)]
pub struct Events {
    client: Client,
    lock: Option<String>,
    last_id: Option<String>,
    open: Option<(Response, Parser, String)>,
    ready: VecDeque<Frame>,
    /// Rounds that failed since the last byte from the server, and when they began.
    failing: Option<(u32, Instant)>,
    /// Somebody was told that they fail.
    told: bool,
}

impl Client {
    /// The events of one lock or of all, after `last_id` (the `as_of` of what was read before) or from now on.
    #[must_use]
    pub fn events(&self, lock: Option<&str>, last_id: Option<&str>) -> Events {
        Events {
            client: self.clone(),
            lock: lock.map(str::to_owned),
            last_id: last_id.map(str::to_owned),
            open: None,
            ready: VecDeque::new(),
            failing: None,
            told: false,
        }
    }
}

impl Events {
    /// The next one. Events of kinds that this client does not know are told as well.
    ///
    /// # Errors
    /// The server refuses, or none could be reached for as long as the client repeats calls; it may be asked again.
    pub async fn next(&mut self) -> Result<Update, Error> {
        loop {
            while let Some(frame) = self.ready.pop_front() {
                if let Some(update) = Self::update(frame) {
                    return Ok(update);
                }
            }
            let Some((response, parser, server)) = &mut self.open else {
                self.connect().await?;
                continue;
            };
            let what = match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(chunk))) => match parser.push(&chunk) {
                    Ok(frames) => {
                        self.ready.extend(frames);
                        // What is ready is told even if the connection ends now.
                        self.last_id = parser.seen().map(str::to_owned).or_else(|| self.last_id.take());
                        (self.failing, self.told) = (None, false);
                        continue;
                    }
                    Err(_) => "an event without end".to_owned(),
                },
                Ok(Ok(None)) => "the stream ended".to_owned(),
                Ok(Err(error)) => why(&error),
                Err(_) => "the stream fell silent".to_owned(),
            };
            let tried = Tried { server: server.clone(), what };
            self.open = None;
            self.pause(vec![tried], None).await?;
        }
    }

    fn update(frame: Frame) -> Option<Update> {
        if frame.event == "reset" {
            return Some(Update::Reset);
        }
        match serde_json::from_str(&frame.data) {
            Ok(event) => Some(Update::Event { id: frame.id, event }),
            Err(error) => {
                tracing::debug!(%error, event = frame.event, "an event that cannot be read");
                None
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let mut call = Call::new(Method::GET, routes::EVENTS).header(ACCEPT, "text/event-stream");
        if let Some(lock) = &self.lock {
            call = call.query("lock", lock);
        }
        if let Some(id) = &self.last_id {
            call = call.header(HeaderName::from_static("last-event-id"), id);
        }
        let inner = self.client.inner.clone();
        let first = inner.preferred.load(Ordering::Relaxed);
        let mut tried = Vec::new();
        let mut refused = None;
        for turn in 0..inner.servers.len() {
            let place = (first + turn) % inner.servers.len();
            let server = &inner.servers[place];
            let mut failed = |what: String| tried.push(Tried { server: server.name.clone(), what });
            let request = self.client.request(server, &call).send();
            match tokio::time::timeout(inner.timeout, request).await {
                Err(_) => failed(server.on_the_way("no answer in time")),
                Ok(Err(error)) => match distrust(&error) {
                    Some(what) if inner.servers.len() == 1 => {
                        return Err(Error::Distrust { server: server.name.clone(), what: server.on_the_way(&what) });
                    }
                    what => failed(what.unwrap_or_else(|| words(server, &error))),
                },
                Ok(Ok(response)) if response.status().is_success() && !is_stream(&response) => {
                    return Err(not_lockserver(server, "no stream of events"));
                }
                Ok(Ok(response)) if response.status().is_success() => {
                    inner.preferred.store(place, Ordering::Relaxed);
                    self.open = Some((response, Parser::default(), server.name.clone()));
                    return Ok(());
                }
                Ok(Ok(response)) => {
                    let status = response.status();
                    let text = tokio::time::timeout(inner.timeout, body(response)).await;
                    let text = text.ok().and_then(Result::ok).flatten().unwrap_or_default();
                    match serde_json::from_slice::<Problem>(&text) {
                        Ok(problem) if problem.retryable => refused = Some(Box::new(problem)),
                        Ok(problem) => return Err(Error::Refused(Box::new(problem))),
                        Err(_) if status.is_server_error() => {
                            failed(server.on_the_way(&format!("HTTP status {status}")))
                        }
                        Err(_) => return Err(not_lockserver(server, &format!("HTTP status {status}"))),
                    }
                }
            }
        }
        self.pause(tried, refused).await
    }

    /// Waits before the next try; an error when it was tried enough.
    async fn pause(&mut self, tried: Vec<Tried>, refused: Option<Box<Problem>>) -> Result<(), Error> {
        let (rounds, since) = self.failing.unwrap_or_else(|| (0, Instant::now()));
        self.failing = Some((rounds + 1, since));
        match self.client.inner.retry.pause(rounds + 1, since.elapsed(), None) {
            Some(pause) => {
                tokio::time::sleep(pause).await;
                self.tell_silence(since, tried, refused.as_deref());
                Ok(())
            }
            None => {
                (self.failing, self.told) = (None, false);
                Err(match refused {
                    Some(problem) => Error::Refused(problem),
                    None => Error::Unreachable { tried, may_have_taken_effect: false },
                })
            }
        }
    }
}

impl Events {
    /// Calls the listener once when there has been no stream for a second.
    fn tell_silence(&mut self, since: Instant, tried: Vec<Tried>, refused: Option<&Problem>) {
        let inner = &self.client.inner;
        let Some(tell) = inner.on_silence.as_ref().filter(|_| !self.told && since.elapsed() >= TELL_AFTER) else {
            return;
        };
        let last = tried.into_iter().next_back();
        let why =
            last.as_ref().map(|tried| tried.what.clone()).or_else(|| refused.map(|problem| problem.detail.clone()));
        let server = last.map_or_else(|| inner.servers[0].name.clone(), |tried| tried.server);
        tell(&Silence { server, why, left: inner.retry.within.saturating_sub(since.elapsed()) });
        self.told = true;
    }
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}
