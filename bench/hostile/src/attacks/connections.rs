//! Connections: many, slow, half open, dear to open.

use super::{AGAIN, Attack, Hostile};
use crate::client::Fault;
use crate::setting::Setting;
use h2::client::SendRequest;
use http::Request;
use hyper::body::Bytes;
use rustls::pki_types::ServerName;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

const PLAIN: Setting = Setting { tls: false, locks: 0, slots: 0, tickets: 0, others: 0, used: 0 };
const TLS: Setting = Setting { tls: true, ..PLAIN };

pub(super) fn all() -> Vec<Attack> {
    vec![
        Attack {
            name: "waiting",
            about: "2,000 requests, each over its own connection",
            setting: PLAIN,
            run: |hostile| Box::pin(hostile.again(2000, |hostile, _| wait(hostile))),
        },
        Attack {
            name: "half-heads",
            about: "3,000 connections without a key, a byte each 3 s",
            setting: PLAIN,
            run: |hostile| Box::pin(hostile.again(3000, |hostile, _| half_head(hostile))),
        },
        Attack {
            name: "slow-readers",
            about: "500 that read 1 KiB a second",
            setting: Setting { locks: 20_000, ..PLAIN },
            run: |hostile| Box::pin(hostile.again(500, |hostile, _| read_slowly(hostile))),
        },
        Attack {
            name: "handshakes",
            about: "TLS, 64 at a time, and 500 that stop half-way",
            setting: TLS,
            run: |hostile| {
                Box::pin(async move {
                    tokio::join!(
                        hostile.clone().again(64, |hostile, _| shake_hands(hostile)),
                        hostile.again(500, |hostile, _| half_shake(hostile)),
                    );
                })
            },
        },
        Attack {
            name: "streams",
            about: "HTTP/2: endless bodies, answers that are not read, resets",
            setting: Setting { locks: 20_000, ..TLS },
            run: |hostile| {
                Box::pin(async move {
                    tokio::join!(
                        hostile.clone().again(4, |hostile, _| open_bodies(hostile)),
                        hostile.clone().again(4, |hostile, _| unread(hostile)),
                        hostile.again(4, |hostile, _| resets(hostile)),
                    );
                })
            },
        },
        Attack {
            name: "wrong-keys",
            about: "on 1,200 connections",
            setting: PLAIN,
            run: |mut hostile| {
                hostile.client = hostile.client.with(Some("a-secret-that-nobody-has-given-out".to_owned()));
                Box::pin(hostile.again(1200, |hostile, _| ask(hostile)))
            },
        },
    ]
}

async fn ask(hostile: Hostile) -> Result<(), Fault> {
    let mut open = hostile.client.open().await?;
    loop {
        let answer = open.ask("GET", "/v1/locks?tickets=0", "").await?;
        hostile.count(&answer);
        if answer.headers.get("connection").is_some_and(|value| value == "close") {
            return Ok(());
        }
    }
}

async fn wait(hostile: Hostile) -> Result<(), Fault> {
    let mut open = hostile.client.open().await?;
    loop {
        let answer = open.ask("POST", "/v1/locks/h-busy/tickets", r#"{"wait_s": 60}"#).await?;
        hostile.count(&answer);
        sleep(AGAIN).await;
    }
}

async fn half_head(hostile: Hostile) -> Result<(), Fault> {
    let mut stream = hostile.client.tcp(None).await?;
    for byte in b"GET /v1/locks HTTP/1.1\r\nHost: x\r\n".chunks(1) {
        stream.write_all(byte).await?;
        // A connection that is cut off begins again at once.
        if let Ok(ended) = timeout(Duration::from_secs(3), stream.read(&mut [0; 512])).await {
            ended?;
            return Err("cut".into());
        }
    }
    Ok(())
}

async fn read_slowly(hostile: Hostile) -> Result<(), Fault> {
    let bytes = hostile.client.bytes("GET", "/v1/locks", "", "").repeat(4);
    let mut stream = hostile.client.send_only(&bytes, Some(4096)).await?;
    loop {
        if stream.read(&mut [0; 1024]).await? == 0 {
            return Err("cut".into());
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn shake_hands(hostile: Hostile) -> Result<(), Fault> {
    drop(hostile.client.stream(None).await?);
    hostile.hung_up();
    Ok(())
}

/// The beginning of a `ClientHello`, and nothing more.
async fn half_shake(hostile: Hostile) -> Result<(), Fault> {
    let mut stream = hostile.client.tcp(None).await?;
    stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await?;
    let _ = stream.read(&mut [0; 512]).await?;
    Err("cut".into())
}

/// An HTTP/2 connection whose answers are let in as long as `window` lasts.
///
/// Its users must yield after each request: it counts the streams that are open, and makes them wait, only when its own task runs.
/// Until then requests pile up without a bound.
async fn speak(hostile: &Hostile, window: u32) -> Result<SendRequest<Bytes>, Fault> {
    let tcp = hostile.client.tcp(None).await?;
    let tls = hostile.client.connector(b"h2")?.connect(ServerName::try_from("localhost")?, tcp);
    let tls = timeout(Duration::from_secs(30), tls).await??;
    let (send, connection) = h2::client::Builder::new()
        .initial_window_size(window)
        .initial_connection_window_size(window.max(65_535))
        .handshake(tls)
        .await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(send)
}

fn request(hostile: &Hostile, method: &str, path: &str) -> Result<Request<()>, Fault> {
    let mut request = Request::builder().method(method).uri(format!("https://localhost{path}"));
    if let Some(secret) = &hostile.client.secret {
        request = request.header("authorization", format!("Bearer {secret}"));
    }
    // Fields that the server has to keep as long as the request is under way.
    Ok(request.header("x-filler", "x".repeat(4000)).body(())?)
}

async fn open_bodies(hostile: Hostile) -> Result<(), Fault> {
    let mut send = speak(&hostile, 65_535).await?;
    let mut streams = Vec::new();
    loop {
        let ready = timeout(Duration::from_secs(12), send.ready()).await;
        let Ok(ready) = ready else {
            // As many as there may be: those that the server has given up make room.
            streams.clear();
            return Ok(());
        };
        send = ready?;
        let (answer, mut body) = send.send_request(request(&hostile, "POST", "/v1/locks/h-busy/tickets")?, false)?;
        body.send_data(Bytes::from(vec![b' '; 400]), false)?;
        streams.push((answer, body));
        hostile.hung_up();
        yield_now().await;
    }
}

async fn unread(hostile: Hostile) -> Result<(), Fault> {
    let mut send = speak(&hostile, 0).await?;
    let mut streams = Vec::new();
    loop {
        let Ok(ready) = timeout(Duration::from_secs(12), send.ready()).await else { return Ok(()) };
        send = ready?;
        streams.push(send.send_request(request(&hostile, "GET", "/v1/locks?tickets=0")?, true)?);
        hostile.hung_up();
        yield_now().await;
    }
}

async fn resets(hostile: Hostile) -> Result<(), Fault> {
    let mut send = speak(&hostile, 65_535).await?;
    loop {
        send = timeout(Duration::from_secs(30), send.ready()).await??;
        let (_, mut body) = send.send_request(request(&hostile, "GET", "/v1/locks?tickets=0")?, true)?;
        body.send_reset(h2::Reason::CANCEL);
        hostile.hung_up();
        yield_now().await;
    }
}
