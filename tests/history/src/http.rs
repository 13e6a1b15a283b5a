//! One request over a connection of its own, and what can be known of it without an answer.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
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
