//! One call: the servers in turn, and again after a pause while that is safe and useful.

use crate::address::Address;
use crate::builder::Server;
use crate::silence::Watch;
use crate::tls::distrust;
use crate::{BootTime, Client, Error, Retry, Tried};
use lock_api::Problem;
use reqwest::header::{AUTHORIZATION, HeaderName, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The longest answer that is read: far above a full list of locks.
const ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// The shortest time that a try may take.
const SHORTEST: Duration = Duration::from_millis(100);

/// Whether a request that may have arrived may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is as good as once.
    Safe,
    /// Only if it certainly did not arrive, or the server says that it did nothing.
    IfNothingHappened,
}

/// A request, ready to be sent to any server.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, String)>,
    body: Option<Vec<u8>>,
    repeat: Repeat,
    /// How long the server is asked to wait before it answers.
    waits: Duration,
    /// Instead of the client's.
    retry: Option<Retry>,
    timeout: Option<Duration>,
    /// Told when a try may have arrived without an answer.
    unsure: Option<Arc<AtomicBool>>,
    /// No try lasts longer than until then, instead of what the client's patience says.
    until: Option<Instant>,
    /// Nobody is told that it takes long.
    quiet: bool,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            repeat: Repeat::Safe,
            waits: Duration::ZERO,
            retry: None,
            timeout: None,
            unsure: None,
            until: None,
            quiet: false,
        }
    }

    pub(crate) fn until(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    pub(crate) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    pub(crate) fn unsure(mut self, unsure: &Arc<AtomicBool>) -> Self {
        self.unsure = Some(Arc::clone(unsure));
        self
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        // The types of lock-api have string keys only, so this cannot fail.
        self.body = serde_json::to_vec(body).ok();
        self
    }

    pub(crate) fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    pub(crate) fn waits(mut self, waits: Duration) -> Self {
        self.waits = waits;
        self
    }

    pub(crate) fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// A 2xx answer.
pub(crate) struct Answer<'a> {
    /// When the request that was answered was sent.
    pub(crate) sent: BootTime,
    server: &'a Server,
    status: StatusCode,
    body: Vec<u8>,
}

impl Answer<'_> {
    /// The body as JSON.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.not_lockserver(&format!("a body that was not expected: {error}")))
    }

    /// Whether it is the answer of a server that has nothing to tell: 204, and no body.
    pub(crate) fn is_empty(&self) -> bool {
        self.status == StatusCode::NO_CONTENT && self.body.is_empty()
    }

    /// What answered does not speak lockserver's API.
    pub(crate) fn not_lockserver(&self, what: &str) -> Error {
        not_lockserver(self.server, what)
    }
}

/// What came of one request to one server.
enum Outcome<'a> {
    Answer(Answer<'a>),
    /// Not worth another try.
    Final(Error),
    /// No trust; another server may have it.
    Distrust(String),
    /// It did nothing, or may be sent again.
    Again {
        tried: Tried,
        problem: Option<Box<Problem>>,
        arrived: bool,
        asks: Option<Duration>,
        nowhere: bool,
    },
}

impl Client {
    /// Sends until somebody answers, as long as repeating is safe.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer<'_>, Error> {
        let retry = call.retry.unwrap_or(self.inner.retry);
        let begin = Instant::now();
        let patience = self.inner.patience;
        let until = call.until.or_else(|| patience.map(|patience| begin + patience.within + call.waits));
        let ends = until.unwrap_or(begin + retry.within + call.waits);
        let tell = self.inner.on_silence.clone().filter(|_| !call.quiet);
        let mut watch = Watch::new(tell, begin, call.waits, ends);
        let mut rounds = 0;
        let mut may_have_taken_effect = false;
        loop {
            let mut somewhere = false;
            let mut tried = Vec::new();
            let mut distrusted = Vec::new();
            let mut refused = None;
            let mut server_asks = None;
            let first = self.inner.preferred.load(Ordering::Relaxed);
            for turn in 0..self.inner.servers.len() {
                let place = (first + turn) % self.inner.servers.len();
                let server = &self.inner.servers[place];
                let share = u32::try_from(self.inner.servers.len() - turn).unwrap_or(u32::MAX);
                match watch.over(&server.name, self.once(server, call, bounded(call, until, share))).await {
                    Outcome::Distrust(what) => {
                        tried.push(Tried { server: server.name.clone(), what: what.clone() });
                        distrusted.push(Error::Distrust { server: server.name.clone(), what });
                    }
                    Outcome::Answer(answer) => {
                        self.inner.preferred.store(place, Ordering::Relaxed);
                        return Ok(answer);
                    }
                    Outcome::Final(error) => {
                        self.inner.preferred.store(place, Ordering::Relaxed);
                        return Err(error);
                    }
                    Outcome::Again { tried: one, problem, arrived, asks, nowhere } => {
                        watch.failed(&one, begin);
                        somewhere |= !nowhere;
                        // To look twice changes nothing.
                        may_have_taken_effect |= arrived && call.method != Method::GET;
                        if let Some(unsure) = call.unsure.as_ref().filter(|_| arrived) {
                            unsure.store(true, Ordering::Relaxed);
                        }
                        tried.push(one);
                        refused = problem.or(refused);
                        server_asks = asks.or(server_asks);
                        if arrived && call.repeat == Repeat::IfNothingHappened {
                            return Err(match refused {
                                Some(problem) => Error::Refused(problem),
                                None => Error::Unreachable { tried, may_have_taken_effect },
                            });
                        }
                    }
                }
            }
            if distrusted.len() == self.inner.servers.len()
                && let Some(error) = distrusted.pop()
            {
                return Err(error);
            }
            rounds += 1;
            let pause = retry.pause(rounds, begin.elapsed(), server_asks);
            let pause = pause.filter(|&pause| until.is_none_or(|until| Instant::now() + pause < until));
            let hopeless = !somewhere && distrusted.is_empty() && patience.is_some_and(|one| one.nowhere_is_final);
            let Some(pause) = pause.filter(|_| !hopeless) else {
                return Err(match refused {
                    Some(problem) => Error::Refused(problem),
                    None => Error::Unreachable { tried, may_have_taken_effect },
                });
            };
            tracing::debug!(path = call.path, ?pause, "no answer, trying again");
            let last = tried.last().map_or("", |tried| tried.server.as_str());
            watch.over(last, tokio::time::sleep(pause)).await;
        }
    }

    /// One request. It takes no longer than `at_most`, if that is given.
    async fn once<'a>(&self, server: &'a Server, call: &Call, at_most: Option<Duration>) -> Outcome<'a> {
        let sent = BootTime::now();
        let timeout = call.timeout.unwrap_or(self.inner.timeout) + call.waits;
        let timeout = at_most.map_or(timeout, |at_most| at_most.min(timeout));
        let request = self.request(server, call).timeout(timeout);
        let tried = |what: String| Tried { server: server.name.clone(), what };
        let lost = |error: &reqwest::Error| match distrust(error) {
            Some(what) => Outcome::Distrust(server.on_the_way(&what)),
            None => Outcome::Again {
                tried: tried(words(server, error)),
                problem: None,
                arrived: !error.is_connect(),
                asks: None,
                nowhere: is_nowhere(server, error),
            },
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return lost(&error),
        };
        let status = response.status();
        let asks = retry_after(&response);
        let plain = is_plain(&response);
        let body = match body(response).await {
            Ok(Some(body)) => body,
            Ok(None) => return Outcome::Final(not_lockserver(server, "an answer without end")),
            Err(error) => return lost(&error),
        };
        if status.is_success() {
            return Outcome::Answer(Answer { sent, server, status, body });
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if status == StatusCode::SERVICE_UNAVAILABLE && problem.retryable => Outcome::Again {
                tried: tried(problem.detail.clone()),
                arrived: problem.may_have_taken_effect,
                problem: Some(Box::new(problem)),
                asks,
                nowhere: false,
            },
            Ok(problem) => Outcome::Final(Error::Refused(Box::new(problem))),
            // A proxy between, or a server that is being replaced. Whether the request went further is not known.
            Err(_) if matches!(status.as_u16(), 502..=504) => Outcome::Again {
                tried: tried(server.on_the_way(&format!("HTTP status {status}"))),
                problem: None,
                arrived: true,
                asks,
                nowhere: false,
            },
            Err(_) => Outcome::Final(not_lockserver(server, &refusal(status, plain, &body))),
        }
    }

    /// The request to that server, without a timeout.
    pub(crate) fn request(&self, server: &Server, call: &Call) -> reqwest::RequestBuilder {
        let url = format!("{}{}", server.address.base(), call.path);
        let mut request = server.http.request(call.method.clone(), url);
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(value) = &self.inner.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &call.body {
            request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        request
    }
}

pub(crate) fn not_lockserver(server: &Server, what: &str) -> Error {
    Error::NotLockserver { server: server.name.clone(), what: server.on_the_way(what) }
}

/// The whole body; nothing if it is beyond all measure.
pub(crate) async fn body(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn is_plain(response: &Response) -> bool {
    let kind = response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/plain"))
}

/// A status, and the first line of a text for people.
fn refusal(status: StatusCode, plain: bool, body: &[u8]) -> String {
    let line = std::str::from_utf8(body).ok().and_then(|text| text.lines().next()).filter(|line| line.len() <= 200);
    match line {
        Some(line) if plain && !line.is_empty() => format!("HTTP status {status}: {line}"),
        _ => format!("HTTP status {status}"),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// How long the next try may take: its part of what is left for so many servers.
fn bounded(call: &Call, until: Option<Instant>, share: u32) -> Option<Duration> {
    let left = until?.saturating_duration_since(Instant::now()).saturating_sub(call.waits);
    Some(call.waits + (left / share).max(SHORTEST))
}

/// The innermost error of the system, if one is behind it.
fn system(error: &reqwest::Error) -> Option<&std::io::Error> {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    let mut found = None;
    while let Some(inner) = cause.source() {
        found = inner.downcast_ref().or(found);
        cause = inner;
    }
    found
}

/// Whether there is nothing that a request could have been sent to, and will not be soon.
fn is_nowhere(server: &Server, error: &reqwest::Error) -> bool {
    if !error.is_connect() {
        return false;
    }
    let Some(cause) = system(error) else { return false };
    match &server.address {
        Address::Unix(_) => {
            matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::ConnectionRefused)
        }
        // What getaddrinfo(3) says of EAI_NONAME and EAI_NODATA; std has no other way to tell it.
        Address::Http(_) => {
            let text = cause.to_string();
            text.contains("Name or service not known") || text.contains("No address associated with hostname")
        }
    }
}

/// Why a request failed. Of a socket, what the system says is not enough to know what to do.
pub(crate) fn words(server: &Server, error: &reqwest::Error) -> String {
    let text = server.on_the_way(&why(error));
    let (Address::Unix(path), true) = (&server.address, error.is_connect()) else { return text };
    match system(error).map(std::io::Error::kind) {
        Some(ErrorKind::NotFound) => format!("{text}: no server has made this socket"),
        Some(ErrorKind::ConnectionRefused) => {
            format!("{text}: the server that made this socket does not run any more")
        }
        Some(ErrorKind::PermissionDenied) => {
            let whose = std::fs::metadata(path).map(|it| {
                format!("it belongs to user {}, group {}, mode {:04o}", it.uid(), it.gid(), it.mode() & 0o7777)
            });
            let whose = whose.unwrap_or_else(|_| "you may not enter its directory".to_owned());
            format!("{text}: {whose}; ask for the right to use it, or name another server")
        }
        _ => text,
    }
}

/// The innermost cause in few words; reqwest's own text repeats the URL.
pub(crate) fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "no connection in time" } else { "no answer in time" }.to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
