//! The client that has nothing to do with it: what it does, and how long each request takes.

use crate::client::{Client, Fault, Open};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

/// How long it waits for an answer, connection included. No answer by then counts as a failure.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two cycles.
const PAUSE: Duration = Duration::from_millis(20);
/// The lease that is to be kept, and how often it is renewed.
const LEASE_S: u64 = 10;
const RENEWAL: Duration = Duration::from_millis(2500);

/// What it noticed.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    /// Milliseconds of each request.
    pub(crate) times: Vec<f64>,
    /// Of those, the ones with a connection of their own.
    pub(crate) fresh: Vec<f64>,
    /// Requests that were not done: no answer in time, or another one.
    pub(crate) failed: Vec<String>,
}

impl Noticed {
    fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.fresh.extend(other.fresh);
        self.failed.extend(other.failed);
    }

    /// The time that this share of the requests did not exceed.
    pub(crate) fn quantile(&mut self, share: f64) -> f64 {
        quantile(&mut self.times, share)
    }
}

/// The value that this share of them does not exceed.
pub(crate) fn quantile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    let at = (share * times.len() as f64).ceil() as usize;
    times.get(at.saturating_sub(1)).copied().unwrap_or(f64::INFINITY)
}

/// Uses its lock until then, over a connection that it keeps and over a fresh one for each request, and keeps a lease.
pub(crate) async fn watch(client: &Client, end: Instant) -> Noticed {
    let work: Vec<JoinHandle<Noticed>> = vec![
        tokio::spawn(cycles(client.clone(), true, end)),
        tokio::spawn(cycles(client.clone(), false, end)),
        tokio::spawn(lease(client.clone(), end)),
    ];
    let mut noticed = Noticed::default();
    for one in work {
        noticed.add(one.await.expect("the victim does not panic"));
    }
    noticed
}

/// A client's connections: one that is kept, or a fresh one each time.
struct Ways {
    client: Client,
    kept: Option<Open>,
    keeps: bool,
}

impl Ways {
    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<crate::client::Answer, Fault> {
        let mut open = match self.kept.take() {
            Some(open) => open,
            None => self.client.open().await?,
        };
        let answer = open.ask(method, path, body).await?;
        let goes_on = answer.headers.get("connection").is_none_or(|value| value != "close");
        if self.keeps && goes_on {
            self.kept = Some(open);
        }
        Ok(answer)
    }

    /// A request and its time; empty, and counted as failed, if it was not done.
    async fn timed(&mut self, noticed: &mut Noticed, method: &str, path: &str, body: &str, wanted: u16) -> String {
        let begin = Instant::now();
        let answered = timeout(PATIENCE, self.ask(method, path, body)).await;
        let time = begin.elapsed().as_secs_f64() * 1000.0;
        noticed.times.push(time);
        if !self.keeps {
            noticed.fresh.push(time);
        }
        let why = match answered {
            Ok(Ok(answer)) if answer.status == wanted => return answer.text("id"),
            Ok(Ok(answer)) => format!("{} {}", answer.status, answer.text("code")),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        noticed.failed.push(format!("{method}: {why}"));
        String::new()
    }
}

async fn cycles(client: Client, keeps: bool, end: Instant) -> Noticed {
    let (mut noticed, mut ways) = (Noticed::default(), Ways { client, kept: None, keeps });
    while Instant::now() < end {
        let id = ways.timed(&mut noticed, "POST", "/v1/locks/victim/tickets", r#"{"ttl_s": 5}"#, 201).await;
        if !id.is_empty() {
            ways.timed(&mut noticed, "POST", &format!("/v1/tickets/{id}/renew"), "", 200).await;
            ways.timed(&mut noticed, "DELETE", &format!("/v1/tickets/{id}"), "", 200).await;
        }
        sleep(PAUSE).await;
    }
    noticed
}

/// Keeps a lease by renewals over fresh connections, tried again at once, as a wrapper around a command would.
async fn lease(client: Client, end: Instant) -> Noticed {
    let (mut noticed, mut ways) = (Noticed::default(), Ways { client, kept: None, keeps: false });
    let body = format!(r#"{{"ttl_s": {LEASE_S}}}"#);
    let id = ways.timed(&mut noticed, "POST", "/v1/locks/victim-kept/tickets", &body, 201).await;
    let path = format!("/v1/tickets/{id}/renew");
    while Instant::now() < end {
        ways.timed(&mut noticed, "POST", &path, "", 200).await;
        sleep_until((Instant::now() + RENEWAL).min(end)).await;
    }
    let mut lost = Noticed::default();
    ways.timed(&mut lost, "POST", &path, "", 200).await;
    noticed.failed.extend(lost.failed.iter().map(|why| format!("the lease was lost: {why}")));
    noticed
}

/// What the server must still know, or grant, after the attack.
#[derive(Debug)]
pub(crate) struct Memory {
    client: Client,
    ended: String,
}

impl Memory {
    /// A ticket with a `request_id` that has ended.
    pub(crate) async fn make(client: &Client) -> Result<Self, Fault> {
        let ended = Uuid::new_v4().to_string();
        let mut open = client.open().await?;
        let made = open.ask("POST", "/v1/locks/victim/tickets", &body(&ended)).await?;
        let released = open.ask("DELETE", &format!("/v1/tickets/{}", made.text("id")), "").await?;
        if released.status != 200 {
            return Err(format!("nothing to remember: {} {}", made.status, released.status).into());
        }
        Ok(Self { client: client.clone(), ended })
    }

    /// What went wrong.
    pub(crate) async fn check(&self) -> Result<Vec<String>, Fault> {
        let mut wrong = Vec::new();
        let mut open = self.client.open().await?;
        let late = open.ask("POST", "/v1/locks/victim/tickets", &body(&self.ended)).await?;
        if late.status != 410 {
            wrong.push(format!("a late duplicate was answered {}", late.status));
        }
        let other = Uuid::new_v4().to_string();
        let path = format!("/v1/locks/victim/tickets?request_id={other}");
        let withdrawn = open.ask("DELETE", &path, "").await?;
        let late = open.ask("POST", "/v1/locks/victim/tickets", &body(&other)).await?;
        if late.status != 410 {
            wrong.push(format!("withdrawing was answered {}, its late request {}", withdrawn.status, late.status));
        }
        let instance = open.ask("POST", "/v1/locks/t-victim/tickets", r#"{"ttl_s": 5}"#).await?;
        if instance.status != 201 {
            wrong.push(format!("an instance of a template was answered {} {}", instance.status, instance.text("code")));
        }
        Ok(wrong)
    }
}

fn body(request_id: &str) -> String {
    format!(r#"{{"ttl_s": 5, "request_id": "{request_id}"}}"#)
}
