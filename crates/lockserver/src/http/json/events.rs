//! `GET /v1/events`: every change as Server-Sent Events (HTML Standard, section 9.2).

use super::super::app::{App, Live, Place};
use super::super::auth::{AuthSettings, Who};
use super::super::connection::Connection;
use super::asked::Asked;
use super::openapi::Call;
use super::problem::{Answer, Refusal};
use super::view;
use crate::access::{Right, parse_pattern};
use crate::engine::{EngineError, EventId, Published, Role};
use axum::body::{Body, Bytes};
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use futures_util::stream;
use lock_api::{ErrorCode, routes};
use lock_core::limits::EVENT_STREAMS_MAX;
use lock_core::{LockName, Target};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use utoipa::openapi::path::HttpMethod;

/// Something is sent at least this often in seconds, so that everybody on the way knows that the stream lives.
const HEARTBEAT_S: u64 = 15;
/// How long a client waits before it connects again, in milliseconds.
const RETRY_MS: u64 = 2000;
/// Events that are looked at in one go.
const CHUNK: usize = 256;
/// Bytes of events that are told in one go, or little more.
const TEXT_MAX: usize = 64 * 1024;
/// The header with which a client resumes.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) fn describe() -> Call {
    Call::new(HttpMethod::Get, routes::EVENTS, "events", "Every change, as Server-Sent Events")
        .about(
            "Each has an `id` to resume from, a kind as `event`, and an Event as `data`. `event: reset` says that events \
             were missed: read the locks anew and go on from their `as_of`.",
        )
        .query_text(
            "lock",
            "deploy-*",
            "Only of this lock, or of those whose name begins so. A single lock must be one that you may see",
        )
        .query_number("heartbeat_s", 5, "A comment each so many seconds, 1 to 15; 15 without this")
        .header("Last-Event-ID", "1777863721500000-42", "Resume after this event; `as_of` of a listing is one")
        .answer_plain(
            200,
            "The stream",
            Some((
                "text/event-stream",
                "id: 1777863721500000-43\nevent: granted\ndata: {\"kind\":\"granted\",\"lock\":\"san-ssh\"}\n\n",
            )),
        )
        .errors(&[ErrorCode::LimitReached])
}

/// Which locks a stream is about; `None` for every lock.
fn read_filter(text: Option<&str>) -> Result<Option<Target>, Refusal> {
    let bad = |why| Refusal::invalid(format!("lock must be a name, or the beginning of names and a *: {why}"));
    text.map(|text| parse_pattern(text).map_err(bad)).transpose()
}

/// `?heartbeat_s`.
fn read_heartbeat(seconds: Option<u64>) -> Result<Duration, Refusal> {
    match seconds.unwrap_or(HEARTBEAT_S) {
        seconds @ 1..=HEARTBEAT_S => Ok(Duration::from_secs(seconds)),
        _ => Err(Refusal::invalid(format!("heartbeat_s must be a whole number from 1 to {HEARTBEAT_S}"))),
    }
}

/// An id as [`EventId`] writes it; anything else is that of no event.
fn read_id(text: &str) -> Option<EventId> {
    let (term, sequence) = text.split_once('-')?;
    Some(EventId { term: term.parse().ok()?, sequence: sequence.parse().ok()? })
}

/// One client's stream.
struct Reader {
    app: App,
    connection: Arc<Connection>,
    who: Who,
    /// What `who` was made from: a change of keys and rights ends the stream, and its client connects as who it is then.
    live: watch::Receiver<Live>,
    auth: Arc<AuthSettings>,
    filter: Option<Target>,
    news: watch::Receiver<EventId>,
    /// What the client has seen, or passed over; `None` if that is unknown.
    seen: Option<EventId>,
    heartbeat: Duration,
    begun: bool,
    _place: Place,
}

pub(super) async fn stream(asked: Asked) -> Answer {
    asked.only_parameters(&["lock", "heartbeat_s"])?;
    let filter = read_filter(asked.text("lock"))?;
    let heartbeat = read_heartbeat(asked.count("heartbeat_s")?)?;
    // Of a pattern one is told what one may see; a single lock is refused as it is where it is read, so that nobody takes the
    // silence for news.
    if let Some(Target::Lock(lock)) = &filter {
        asked.who.may(Right::Observe, lock)?;
    }
    // It would end at once, and look like one in which nothing happens.
    if let (Role::Standby(_), Some(reason)) = (asked.app.engine.status().role(), asked.app.trouble()) {
        return Err(EngineError::down(&reason.into(), false).into());
    }
    let resume = asked.header(&LAST_EVENT_ID)?.filter(|text| !text.is_empty()).map(read_id);
    let Some(place) = asked.app.take_stream_place(&asked.caller, EVENT_STREAMS_MAX, &asked.connection) else {
        let text = format!(
            "you have too many event streams open: {EVENT_STREAMS_MAX}, or your share of the server's connections for them, \
             is the most; close one"
        );
        return Err(Refusal::new(ErrorCode::LimitReached, text));
    };
    let events = asked.app.engine.events();
    let news = events.watch();
    let seen = resume.unwrap_or_else(|| Some(events.last()));
    let (app, connection, who) = (asked.app.clone(), asked.connection, asked.who);
    let (mut live, auth) = (app.live.clone(), app.live().auth);
    live.mark_unchanged();
    let reader =
        Reader { app, connection, who, live, auth, filter, news, seen, heartbeat, begun: false, _place: place };
    let body = Body::from_stream(stream::unfold(reader, |mut reader| async move {
        let text = reader.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), reader))
    }));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // nginx would keep it back until a buffer is full.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

impl Reader {
    /// What to send next; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Vec<u8>> {
        if !self.begun {
            self.begun = true;
            let mut text = format!("retry: {RETRY_MS}\n");
            // An id without data is no event, but the client resumes from it.
            if let Some(seen) = self.seen {
                writeln!(text, "id: {seen}").expect("a String takes everything");
            }
            return Some((text + "\n").into_bytes());
        }
        loop {
            if *self.app.stop.borrow() {
                return None;
            }
            self.news.borrow_and_update();
            let text = self.catch_up();
            if !text.is_empty() {
                return Some(text);
            }
            let last = self.last();
            let changed = timeout(self.heartbeat, self.news.changed());
            tokio::select! {
                changed = changed => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    // The id moves on over what the filter keeps away, so that it never grows too old.
                    Err(_) => {
                        return Some(format!(": still here\nid: {}\n\n", self.seen.unwrap_or(last)).into_bytes());
                    }
                },
                _ = self.live.wait_for(|live| live.auth.access != self.auth.access) => return None,
                () = self.app.stopping() => return None,
                // The next leader has the news.
                () = self.app.deposed() => return None,
                () = self.connection.closed() => return None,
            }
        }
    }

    fn shows(&self, lock: &LockName) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.takes(lock)) && self.who.sees(lock)
    }

    fn usage(&self, one: &Published) -> Option<lock_api::Usage> {
        let usage = one.usage.as_ref()?;
        let (history, at) = (&self.app.engine.metrics().history, one.event.at);
        Some(view::usage(usage, history.usual_hold(&one.event.lock, at), at))
    }

    fn last(&self) -> EventId {
        self.app.engine.events().last()
    }

    /// Everything there is to say; empty if that is nothing.
    fn catch_up(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        while text.is_empty() {
            let Some(events) = self.seen.and_then(|seen| self.app.engine.events().after(seen, CHUNK).ok()) else {
                let last = self.last();
                self.seen = Some(last);
                return format!("id: {last}\nevent: reset\ndata: {{\"as_of\":\"{last}\"}}\n\n").into_bytes();
            };
            let Some((newest, _)) = events.last() else { break };
            self.seen = Some(*newest);
            for (id, one) in events.iter().filter(|(_, one)| self.shows(&one.event.lock)) {
                text.extend_from_slice(one.told.get_or_init(|| self.tell(*id, one)));
                // The rest is for the next time: what is not read yet is no longer than it must be.
                if text.len() >= TEXT_MAX {
                    self.seen = Some(*id);
                    break;
                }
            }
        }
        text
    }

    /// An event as every stream tells it.
    fn tell(&self, id: EventId, one: &Published) -> Arc<[u8]> {
        let event = lock_api::Event { usage: self.usage(one), ..view::event(&one.event) };
        let data = serde_json::to_string(&event).expect("an event is plain data");
        let kind = event.kind.as_str();
        format!("id: {id}\nevent: {kind}\ndata: {data}\n\n").into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let takes =
            |filter: &str, lock: &str| read_filter(Some(filter)).unwrap().unwrap().takes(&LockName::new(lock).unwrap());
        assert!(takes("san", "san") && !takes("san", "san-2"));
        assert!(takes("san*", "san") && takes("san*", "san-2") && !takes("san*", "sa") && takes("*", "sa"));
        assert!(read_filter(Some("")).is_err() && read_filter(Some("a*b*")).is_err());
        assert_eq!(read_filter(None).unwrap(), None);
    }

    #[test]
    fn heartbeats() {
        assert_eq!(read_heartbeat(None).unwrap(), Duration::from_secs(15));
        assert_eq!(read_heartbeat(Some(1)).unwrap(), Duration::from_secs(1));
        assert!(read_heartbeat(Some(0)).is_err() && read_heartbeat(Some(16)).is_err());
    }

    #[test]
    fn ids() {
        let id = EventId { term: 7, sequence: 42 };
        assert_eq!(read_id(&id.to_string()), Some(id));
        for foreign in ["", "7", "7-", "-", "a-b", "7-42-1"] {
            assert_eq!(read_id(foreign), None, "{foreign}");
        }
    }
}
