//! A client that stays with one server, whatever happens to it: looks at locks, asks whether tokens are those of holders, and renews.
//! All of that a server can answer without etcd, and must not once another one may lead.

use super::{LOCKS, Shared, locked};
use crate::history::Ask;
use crate::random::Random;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Longer than anything stands still.
const PATIENCE: Duration = Duration::from_secs(15);
/// Requests under way, at most.
const UNDER_WAY_MAX: usize = 300;

/// Stays with this server until the run stops. Asks again before the last request is answered, so that a server that stood still
/// finds them when it goes on; more often where it is the only one who reaches it.
pub(crate) async fn accompany(shared: Arc<Shared>, client: u32, server: usize, mut random: Random) {
    let mut asked = JoinSet::new();
    while !shared.stopped() {
        if asked.len() < UNDER_WAY_MAX {
            let (ask, shared) = (next(&shared, server, &mut random), Arc::clone(&shared));
            asked.spawn(async move {
                shared.ask((client, true), server, ask, &Value::Null, PATIENCE).await;
            });
        }
        while asked.try_join_next().is_some() {}
        let pause = if shared.is_reached(server) { random.ms(80, 160) } else { random.ms(5, 20) };
        sleep(pause).await;
    }
    asked.join_all().await;
}

fn next(shared: &Shared, server: usize, random: &mut Random) -> Ask {
    let (lock, _) = LOCKS[usize::try_from(random.below(LOCKS.len() as u64)).expect("small")];
    let look = Ask::Look { lock: lock.to_owned() };
    let recent = locked(&shared.recent);
    if recent.is_empty() || random.percent(50) {
        return look;
    }
    let (lock, told) = &recent[usize::try_from(random.below(recent.len() as u64)).expect("small")];
    // A renewal by somebody else keeps the ticket of a client that died, so only where nobody else is.
    if random.percent(50) && !shared.is_reached(server) {
        Ask::Renew { ticket: told.id.clone() }
    } else {
        Ask::Verify { lock: lock.clone(), token: told.token }
    }
}
