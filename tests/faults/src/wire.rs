//! As much of HTTP/1.1 as the tests need: the proxy itself.

use lock_api::{PROBLEM_JSON, Problem};
use serde::Serialize;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
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

/// A request or an answer, as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its first line.
    first: String,
    /// Names in small letters.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// What the server said.
    Passed(Message),
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
            Reply::Passed(message) => write(&mut writer, &message),
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

/// What the server at this address answers. It is a cut connection if that ends without an answer.
pub(crate) fn pass(server: SocketAddr, request: &Request) -> Reply {
    let Request { method, path, query, headers, body, .. } = request;
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    let first = format!("{method} {path}{query} HTTP/1.1");
    let message = Message { first, headers: headers.clone(), body: body.clone() };
    let answer = TcpStream::connect(server).and_then(|mut stream| {
        write(&mut stream, &message)?;
        Ok(read_message(&mut BufReader::new(stream)))
    });
    answer.ok().flatten().map_or(Reply::Cut, Reply::Passed)
}

/// With the length that the body has by now.
fn write(writer: &mut impl Write, Message { first, headers, body }: &Message) -> io::Result<()> {
    let headers = headers.iter().filter(|(name, _)| name != "content-length");
    let headers: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(writer, "{first}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let Message { first, headers, body } = read_message(reader)?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body, at: Instant::now() })
}

fn read_message(reader: &mut impl BufRead) -> Option<Message> {
    let mut lines = (&mut *reader).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut headers = Vec::new();
    loop {
        let line = lines.next()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let value = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    assert!(value("transfer-encoding").is_none(), "{first}: a stream is not passed on; a test makes its own");
    let mut body = vec![0; value("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Message { first, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
