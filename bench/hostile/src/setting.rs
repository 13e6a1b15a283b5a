//! What is on the server before an attack begins.

use crate::client::{Client, Fault};
use crate::server::Server;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use tokio::task::JoinSet;

/// The key whose client is measured.
pub(crate) const VICTIM: &str = "victim";
/// The key that does its worst.
pub(crate) const HOSTILE: &str = "hostile";
/// Keys with their locks; both may use instances of the template.
pub(crate) const KEYS: [(&str, &str); 2] = [(VICTIM, "victim, victim-kept, t-*"), (HOSTILE, "h-*, t-*")];
/// Requests under way at a time while something is prepared.
const AT_A_TIME: usize = 64;

/// What is there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Setting {
    /// TLS by the server itself.
    pub(crate) tls: bool,
    /// Locks of the hostile client.
    pub(crate) locks: usize,
    /// Named slots of one of them.
    pub(crate) slots: usize,
    /// Tickets of the hostile client that queue for `h-busy`.
    pub(crate) tickets: usize,
    /// Others who have 10,000 queued tickets each.
    pub(crate) others: u8,
    /// Locks that have been used, so that they have a past.
    pub(crate) used: usize,
}

/// The secret of a key: its name, long enough.
pub(crate) fn secret_of(name: &str) -> String {
    format!("secret-of-the-key-named-{name}")
}

/// What the server is told of it.
pub(crate) fn digest_of(name: &str) -> String {
    let digest = Sha256::digest(secret_of(name).as_bytes());
    digest.iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Brings it about.
pub(crate) async fn prepare(server: &Server, setting: Setting) -> Result<(), Fault> {
    let hostile = server.hostile();
    for lock in ["h-busy", "h-busy2", "h-busy3"] {
        let mut open = hostile.open().await?;
        open.ask("POST", &format!("/v1/locks/{lock}/tickets"), r#"{"ttl_s": 3600}"#).await?;
    }
    queue(&hostile, "h-busy", setting.tickets).await?;
    for number in 1..=setting.others {
        let lock = ["h-busy2", "h-busy3"][usize::from(number) % 2];
        // The holders are among a lock's tickets.
        queue(&server.other(number), lock, 9_900).await?;
    }
    let mut work = JoinSet::new();
    for part in 0..AT_A_TIME {
        let hostile = hostile.clone();
        work.spawn(async move {
            let mut open = hostile.open().await?;
            for number in (part..setting.used * 6).step_by(AT_A_TIME) {
                let lock = format!("/v1/locks/h-{:05}/tickets", number % setting.used);
                let made = open.ask("POST", &lock, r#"{"wait_s": 10}"#).await?;
                open.ask("DELETE", &format!("/v1/tickets/{}", made.text("id")), "").await?;
            }
            Ok::<_, Fault>(())
        });
    }
    while let Some(done) = work.join_next().await {
        done??;
    }
    Ok(())
}

/// Queues tickets.
async fn queue(client: &Client, lock: &str, count: usize) -> Result<(), Fault> {
    let info = "somebody in the queue ".repeat(10);
    let body = format!(r#"{{"queue": true, "ttl_s": 3600, "info": "{info}"}}"#);
    let mut work = JoinSet::new();
    for part in 0..AT_A_TIME.min(count) {
        let (client, body, path) = (client.clone(), body.clone(), format!("/v1/locks/{lock}/tickets"));
        work.spawn(async move {
            let mut open = client.open().await?;
            for _ in (part..count).step_by(AT_A_TIME) {
                let answer = open.ask("POST", &path, &body).await?;
                if answer.status != 202 {
                    let text = String::from_utf8_lossy(&answer.body).into_owned();
                    return Err(format!("a ticket was not queued: {} {text}", answer.status).into());
                }
            }
            Ok::<_, Fault>(())
        });
    }
    while let Some(done) = work.join_next().await {
        done??;
    }
    Ok(())
}
