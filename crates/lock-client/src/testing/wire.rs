//! As much of HTTP/1.1 as the tests need.

use lock_api::{PROBLEM_JSON, Problem};
use serde::Serialize;
use std::io::{BufRead, BufReader, Read, Write};
use std::time::Instant;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// Path without its query.
    pub path: String,
    /// The query, as it was written.
    pub query: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// When it had arrived.
    pub at: Instant,
}

impl Request {
    /// Value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Value of a parameter of the query.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Method and path in one word.
    #[must_use]
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Status, media type, body.
    Body(u16, &'static str, String),
    /// These bytes, then the end of the connection.
    Raw(String),
    /// The end of the connection.
    Cut,
    /// Nothing, and the connection stays.
    Silence,
}

impl Reply {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        Self::Body(status, "application/json", serde_json::to_string(body).unwrap_or_default())
    }

    /// A refusal.
    #[must_use]
    pub fn problem(problem: &Problem) -> Self {
        Self::Body(problem.status, PROBLEM_JSON, serde_json::to_string(problem).unwrap_or_default())
    }
}

/// One connection to its end.
pub(crate) fn serve(stream: impl Read, mut writer: impl Write, answer: impl Fn(Request) -> Reply) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let written = match answer(request) {
            Reply::Body(status, kind, body) => write!(
                writer,
                "HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
            Reply::Raw(text) => {
                // Whether the client still listens is its affair.
                let _ = writer.write_all(text.as_bytes());
                return;
            }
            Reply::Cut => return,
            Reply::Silence => {
                // Until the client goes.
                let _ = reader.read(&mut [0]);
                return;
            }
        };
        if written.is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&bytes| bytes > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&bytes| bytes > 0)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body, at: Instant::now() })
}
