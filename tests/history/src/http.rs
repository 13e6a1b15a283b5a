//! One request over a connection of its own, and what can be known of it without an answer; or a stream of events.

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Of an administrator, since a run changes sizes. What the servers know of it is [`KEY`].
const SECRET: &str = "opslsk_only_for_tests_000000000000000000000000000";
/// A section of the configuration for that key.
pub(crate) const KEY: &str = "[key ops]
RIGHTS=admin
SECRET_HASH=sha256:0a6ceb5cc72735bdc775b98bae8e6a9d1e41541fe2f8dad91272a681b2692fc4
[anonymous]
RIGHTS=observe
";

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was answered.
    Answered(u16, Value),
    /// No connection was made: nothing arrived.
    NotSent(String),
    /// It was sent, at least in part.
    Unknown(String),
}

/// Sends a request and waits for its answer; dropping the future closes the connection.
pub(crate) async fn call(
    at: SocketAddr,
    method: Method,
    path: &str,
    body: Option<&Value>,
    patience: Duration,
) -> Outcome {
    let stream = match timeout(patience, TcpStream::connect(at)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Outcome::NotSent(error.to_string()),
        Err(_) => return Outcome::NotSent("no connection in time".to_owned()),
    };
    match timeout(patience, exchange(stream, at, method, path, body)).await {
        Ok(Ok((status, answer))) => Outcome::Answered(status, answer),
        Ok(Err(error)) => Outcome::Unknown(error.to_string()),
        Err(_) => Outcome::Unknown("no answer in time".to_owned()),
    }
}

async fn exchange(
    stream: TcpStream,
    at: SocketAddr,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, Value), hyper::Error> {
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder().method(method).uri(path).header("host", at.to_string());
    let request = request.header("authorization", format!("Bearer {SECRET}"));
    let request = request.header("content-type", "application/json").body(Full::new(Bytes::from(body)));
    let asked = async {
        let answer = sender.send_request(request.expect("paths and methods of a run are good")).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        // What is no JSON has no code, and its status says the rest.
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    };
    tokio::pin!(asked);
    tokio::select! {
        answered = &mut asked => answered,
        ended = connection => match ended {
            Ok(()) => asked.await,
            Err(error) => Err(error),
        },
    }
}

/// Asks for all events, after this one if it is given. The connection lives as long as the answer.
///
/// # Errors
/// If nothing answers, or with something else than a stream.
pub(crate) async fn events(at: SocketAddr, after: Option<&str>) -> io::Result<Incoming> {
    let stream = TcpStream::connect(at).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // It ends with the sender and the answer, or by itself.
    tokio::spawn(connection);
    let request = Request::get("/v1/events?heartbeat_s=1").header("host", at.to_string());
    let request = request.header("authorization", format!("Bearer {SECRET}"));
    let request = after.into_iter().fold(request, |request, id| request.header("last-event-id", id));
    let request = request.body(Full::new(Bytes::new())).expect("ids that were told are good");
    let answer: Response<Incoming> = sender.send_request(request).await.map_err(io::Error::other)?;
    match answer.status().as_u16() {
        200 => Ok(answer.into_body()),
        status => Err(io::Error::other(format!("status {status}"))),
    }
}
