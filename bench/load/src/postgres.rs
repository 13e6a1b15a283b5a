//! PostgreSQL: advisory locks of a session, which are in memory and end with the connection.

use crate::child::{Process, free_port};
use crate::fault::Fault;
use crate::peer::{Cycle, Lock, Peer, Waits};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, os::unix::fs::MetadataExt as _};
use tokio::task::AbortHandle;
use tokio_postgres::{Config, NoTls, Statement};

/// Its only user.
const USER: &str = "bench";

/// A running PostgreSQL.
#[derive(Debug)]
pub(crate) struct Postgres {
    process: Process,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub(crate) fn start(home: &Path) -> Result<Self, Fault> {
        let data = home.join("data");
        let made = as_somebody("initdb")?
            .args(["--username", USER, "--auth", "trust", "--no-sync", "--pgdata"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.join("initdb.log"))?)
            .status()?;
        if !made.success() {
            return Err(format!("initdb: {}", fs::read_to_string(home.join("initdb.log"))?).into());
        }
        let port = free_port()?;
        let mut command = as_somebody("postgres")?;
        command
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k", "", "-c", "max_connections=300", "-D"])
            .arg(data);
        let log = home.join("postgres.log");
        let mut process = Process::start(&command, &log)?;
        process.wait_for((Ipv4Addr::LOCALHOST, port).into(), &log)?;
        Ok(Self { process, port })
    }
}

/// PostgreSQL refuses to run as root. In a namespace in which root has another number it is nobody special, and can read all the same
/// what root has unpacked.
fn as_somebody(program: &str) -> Result<Command, Fault> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=1000", "--map-group=1000", "setpriv", "--pdeathsig", "KILL", program]);
    Ok(command)
}

impl Peer for Postgres {
    fn process(&self) -> &Process {
        &self.process
    }

    fn client(&self, lock: Lock, _requests: u8) -> Waits<'_, Box<dyn Cycle>> {
        Box::pin(async move {
            let mut config = Config::new();
            config.host("127.0.0.1").port(self.port).user(USER).dbname("postgres");
            let (client, connection) = config.connect(NoTls).await?;
            let connection = tokio::spawn(async move { drop(connection.await) }).abort_handle();
            let take = client.prepare("SELECT pg_advisory_lock($1)").await?;
            let give_back = client.prepare("SELECT pg_advisory_unlock($1)").await?;
            let key = match lock {
                Lock::Own(number) => number as i64,
                Lock::One | Lock::Two => -1,
            };
            Ok(Box::new(Session { client, connection, take, give_back, key }) as _)
        })
    }
}

struct Session {
    client: tokio_postgres::Client,
    connection: AbortHandle,
    take: Statement,
    give_back: Statement,
    key: i64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Cycle for Session {
    fn take(&mut self) -> Waits<'_, ()> {
        Box::pin(async { Ok(self.client.query_one(&self.take, &[&self.key]).await.map(drop)?) })
    }

    fn give_back(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            let row = self.client.query_one(&self.give_back, &[&self.key]).await?;
            if row.get(0) { Ok(()) } else { Err("PostgreSQL: the lock was not held".into()) }
        })
    }
}
