//! Reads that are dear: asked for and not waited for, read in full, not read at all.

use super::{AGAIN, Attack, Hostile, Work};
use crate::client::Fault;
use crate::setting::Setting;
use std::time::Duration;
use tokio::time::sleep;

const MANY_LOCKS: Setting = Setting { tls: false, locks: 90_000, slots: 10_000, tickets: 9_000, others: 0, used: 0 };
const BROWSER: &str = "Accept: text/html\r\nUser-Agent: Mozilla/5.0\r\nAccept-Encoding: gzip\r\n";
const PLAIN: &str = "Accept: text/plain\r\n";
const GZIP: &str = "Accept-Encoding: gzip\r\n";
const NONE: &str = "";

pub(super) fn all() -> Vec<Attack> {
    vec![
        Attack {
            name: "listings",
            about: "90,000 locks, 9,000 tickets",
            setting: MANY_LOCKS,
            run: |hostile| {
                read(hostile, &[("/v1/locks?tickets=0", NONE), ("/v1/locks", GZIP), ("/v1/locks?tickets=1000", NONE)])
            },
        },
        Attack {
            name: "mine",
            about: "its 9,000 tickets",
            setting: Setting { tickets: 9_000, ..Setting::default() },
            run: |hostile| read(hostile, &[("/v1/tickets?mine", NONE), ("/v1/tickets?mine", GZIP)]),
        },
        Attack {
            name: "mine-of-none",
            about: "its tickets: none beside 198,000 of others",
            setting: Setting { others: 20, ..Setting::default() },
            run: |hostile| read(hostile, &[("/v1/tickets?mine", NONE)]),
        },
        Attack {
            name: "pages",
            about: "90,000 locks, 10,000 slots, 9,000 waiters, also as 0.36 shows them",
            setting: MANY_LOCKS,
            run: |hostile| {
                let slots = [("/locks/h-slots", BROWSER), ("/locks/h-slots", PLAIN), ("/locks/h-busy", BROWSER)];
                read(hostile, &[("/", BROWSER), ("/", PLAIN), ("/", NONE), slots[0], slots[1], slots[2]])
            },
        },
        Attack {
            name: "history",
            about: "the last day of 1000 locks",
            setting: Setting { locks: 1000, used: 1000, ..Setting::default() },
            run: |hostile| read(hostile, &[("/v1/locks/h-00000/history", NONE), ("/v1/locks/h-00999/history", GZIP)]),
        },
        Attack {
            name: "metrics",
            about: "of 90,000 locks",
            setting: Setting { used: 1000, ..MANY_LOCKS },
            run: |hostile| {
                let open = "Accept: application/openmetrics-text;version=1.0.0\r\n";
                read(hostile, &[("/metrics", NONE), ("/metrics", GZIP), ("/metrics", open)])
            },
        },
        Attack {
            name: "events",
            about: "50 streams that hang up, 50 not read, 8 clients that make events",
            setting: Setting::default(),
            run: |hostile| Box::pin(events(hostile)),
        },
        Attack {
            name: "description",
            about: "of the API, and parts of the page, without a key",
            setting: Setting::default(),
            run: |mut hostile| {
                hostile.client.secret = None;
                read(
                    hostile,
                    &[("/openapi.json", GZIP), ("/openapi.json", NONE), ("/page/0/page.js", GZIP), ("/healthz", NONE)],
                )
            },
        },
    ]
}

/// 300 that hang up as soon as they have asked, 32 that read everything, 50 that ask and do not read.
fn read(hostile: Hostile, what: &[(&'static str, &'static str)]) -> Work {
    let what = what.to_vec();
    Box::pin(async move {
        let (one, two, three) = (what.clone(), what.clone(), what);
        tokio::join!(
            hostile.clone().again(300, move |hostile, number| hang_up(hostile, one[number % one.len()])),
            hostile.clone().again(32, move |hostile, number| read_all(hostile, two[number % two.len()])),
            hostile.again(50, move |hostile, number| read_nothing(hostile, three[number % three.len()])),
        );
    })
}

async fn hang_up(hostile: Hostile, (path, headers): (&str, &str)) -> Result<(), Fault> {
    let bytes = hostile.client.bytes("GET", path, headers, "");
    drop(hostile.client.send_only(&bytes, None).await?);
    hostile.hung_up();
    Ok(())
}

async fn read_all(hostile: Hostile, (path, headers): (&'static str, &'static str)) -> Result<(), Fault> {
    let mut open = hostile.client.open().await?;
    let headers: Vec<(&str, &str)> = headers.split("\r\n").filter_map(|line| line.split_once(": ")).collect();
    loop {
        let answer = open.ask_with("GET", path, &headers, "").await?;
        if !hostile.count(&answer) {
            sleep(AGAIN).await;
        }
    }
}

/// Several requests at once on a connection of which nothing is read, until the server has had enough of it.
async fn read_nothing(hostile: Hostile, (path, headers): (&str, &str)) -> Result<(), Fault> {
    let bytes = hostile.client.bytes("GET", path, headers, "").repeat(10);
    let stream = hostile.client.send_only(&bytes, Some(4096)).await?;
    sleep(Duration::from_secs(15)).await;
    drop(stream);
    Ok(())
}

async fn events(hostile: Hostile) {
    let streams = [("/v1/events", "Last-Event-ID: 1-1\r\n"), ("/v1/events", NONE)];
    tokio::join!(
        hostile.clone().again(50, move |hostile, number| hang_up(hostile, streams[number % 2])),
        hostile.clone().again(50, move |hostile, number| read_nothing(hostile, streams[number % 2])),
        hostile.again(8, |hostile, number| async move {
            let mut open = hostile.client.open().await?;
            let path = format!("/v1/locks/t-{number}/tickets");
            loop {
                let made = open.ask("POST", &path, "").await?;
                hostile.count(&made);
                open.ask("DELETE", &format!("/v1/tickets/{}", made.text("id")), "").await?;
            }
        }),
    );
}
