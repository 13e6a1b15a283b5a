//! The end of a server that nobody uses any more (`--idle-exit`).

use crate::engine::Handle;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// It is looked so many times within the time without use, at least every [`LOOK_MAX`].
const LOOKS: u32 = 20;
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Returns when for so long no client was connected, and no permit of any lock was in use, waited for or withheld. Without a
/// time that never comes. A client that connects just as it returns is answered in order, or finds the server gone: nothing
/// that it was told is lost.
pub(super) async fn reached(after: Option<Duration>, engine: Handle) {
    let Some(after) = after else { return std::future::pending().await };
    let connections = &engine.metrics().connections;
    let (mut since, mut accepted) = (Instant::now(), connections.accepted.get());
    loop {
        sleep((after / LOOKS).min(LOOK_MAX)).await;
        let now = connections.accepted.get();
        let is_used = now != accepted || connections.open.get() > 0 || !is_free(&engine).await;
        accepted = now;
        if is_used {
            since = Instant::now();
        } else if since.elapsed() >= after {
            return;
        }
    }
}

/// Whether the engine says that nothing is taken. One that cannot tell may have holders.
async fn is_free(engine: &Handle) -> bool {
    engine.measure().await && engine.metrics().locks.are_free()
}
