//! What the server keeps for everybody together: tickets, those that have ended, instances, withdrawn ids.

use super::{AGAIN, Attack, Hostile};
use crate::client::Fault;
use crate::setting::Setting;
use tokio::time::sleep;
use uuid::Uuid;

/// As many connections as each of these uses.
const AT_A_TIME: usize = 64;
const NOTHING: Setting = Setting { tls: false, locks: 0, slots: 0, tickets: 0, others: 0, used: 0 };

pub(super) fn all() -> Vec<Attack> {
    vec![
        Attack {
            name: "tickets",
            about: "10,000 with 4 KiB, queued and ended",
            setting: NOTHING,
            run: |hostile| Box::pin(hostile.again(AT_A_TIME, |hostile, _| tickets(hostile))),
        },
        Attack {
            name: "ended",
            about: "4 KiB and a `request_id`, made and ended",
            setting: NOTHING,
            run: |hostile| Box::pin(hostile.again(AT_A_TIME, |hostile, _| ended(hostile))),
        },
        Attack {
            name: "instances",
            about: "as many of a template as it gets",
            setting: NOTHING,
            run: |hostile| Box::pin(hostile.again(AT_A_TIME, instances)),
        },
        Attack {
            name: "withdrawn",
            about: "`request_id`s that never came",
            setting: NOTHING,
            run: |hostile| Box::pin(hostile.again(AT_A_TIME, |hostile, _| withdrawn(hostile))),
        },
    ]
}

/// The longest `info` there may be.
fn info() -> String {
    "i".repeat(4096)
}

async fn tickets(hostile: Hostile) -> Result<(), Fault> {
    let mut open = hostile.client.open().await?;
    let body = format!(r#"{{"queue": true, "ttl_s": 600, "info": "{}"}}"#, info());
    loop {
        let mut ids = Vec::new();
        for _ in 0..160 {
            let made = open.ask("POST", "/v1/locks/h-busy/tickets", &body).await?;
            if !hostile.count(&made) {
                sleep(AGAIN).await;
                break;
            }
            ids.push(made.text("id"));
        }
        for id in ids {
            open.ask("DELETE", &format!("/v1/tickets/{id}"), "").await?;
        }
    }
}

async fn ended(hostile: Hostile) -> Result<(), Fault> {
    let mut open = hostile.client.open().await?;
    let info = info();
    loop {
        let body = format!(r#"{{"queue": true, "info": "{info}", "request_id": "{}"}}"#, Uuid::new_v4());
        let made = open.ask("POST", "/v1/locks/h-busy/tickets", &body).await?;
        if !hostile.count(&made) {
            sleep(AGAIN).await;
            continue;
        }
        open.ask("DELETE", &format!("/v1/tickets/{}", made.text("id")), "").await?;
    }
}

async fn instances(hostile: Hostile, number: usize) -> Result<(), Fault> {
    let mut open = hostile.client.open().await?;
    for lock in (number..12_000).step_by(AT_A_TIME) {
        let made = open.ask("POST", &format!("/v1/locks/t-{lock}/tickets"), r#"{"ttl_s": 600}"#).await?;
        if !hostile.count(&made) {
            sleep(AGAIN).await;
        }
    }
    Ok(())
}

async fn withdrawn(hostile: Hostile) -> Result<(), Fault> {
    let mut open = hostile.client.open().await?;
    loop {
        let path = format!("/v1/locks/h-busy/tickets?request_id={}", Uuid::new_v4());
        let answer = open.ask("DELETE", &path, "").await?;
        if !hostile.count(&answer) {
            sleep(AGAIN).await;
        }
    }
}
