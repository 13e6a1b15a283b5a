//! The processes of a run: members of etcd, and pairs of servers over them. They keep their addresses over their processes.

mod disk;
mod etcd;
mod link;
mod network;
mod pair;
mod process;
mod server;
mod wall_clock;

pub(crate) use etcd::Etcd;
pub(crate) use link::{Cut, Link};
pub(crate) use network::{Host, Network};
pub(crate) use pair::Pair;
pub(crate) use process::Process;
pub(crate) use server::Standing;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long etcd or a server may take until it serves. On a machine with twenty times the work that it can do etcd alone takes
/// more than a minute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// Asks again and again, until it is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) -> io::Result<()> {
    let begun = Instant::now();
    while !is().await {
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("not within {} s: {what}", PATIENCE.as_secs())));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A port of a loopback address that no other run on this machine is likely to use, so that it stays ours while nobody listens.
fn own_port() -> io::Result<SocketAddr> {
    /// Another address each time: what was found free is not taken yet, and might be found twice.
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 130 + NEXT.fetch_add(1, Ordering::Relaxed) % 120, high, low.max(1));
    TcpListener::bind((address, 0))?.local_addr()
}

/// A program: named by this variable, or at one of these paths, or on the PATH.
fn program(variable: &str, paths: &[&str], name: &str) -> std::path::PathBuf {
    if let Some(named) = std::env::var_os(variable) {
        return named.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Beside this program, which cargo may have put elsewhere than into the project.
    let own = std::env::current_exe().expect("this program is a file");
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    let found = beside.chain(paths.iter().map(|path| root.join(path))).find(|path| path.is_file());
    found.unwrap_or_else(|| name.into())
}
