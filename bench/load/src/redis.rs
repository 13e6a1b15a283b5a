//! Redis: `SET NX` and a script that deletes for locks of their own, as its documentation has it, and BLPOP for one that all want.

use crate::child::{Process, free_port};
use crate::fault::Fault;
use crate::peer::{Cycle, Lock, Peer, Waits};
use redis::{Cmd, Value, cmd, parse_redis_value};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Deletes the key if it is still the holder's.
const RELEASE: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";

/// A running Redis.
#[derive(Debug)]
pub(crate) struct Redis {
    process: Process,
    at: SocketAddr,
}

impl Redis {
    /// Starts it in memory alone, or with its log of commands flushed before each answer.
    pub(crate) fn start(flushed: bool, home: &Path) -> Result<Self, Fault> {
        let port = free_port()?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--daemonize", "no"]);
        command
            .args(["--appendonly", if flushed { "yes" } else { "no" }, "--appendfsync", "always", "--dir"])
            .arg(home);
        let (at, log) = ((Ipv4Addr::LOCALHOST, port).into(), home.join("redis.log"));
        let mut process = Process::start(&command, &log)?;
        process.wait_for(at, &log)?;
        Ok(Self { process, at })
    }
}

impl Peer for Redis {
    fn process(&self) -> &Process {
        &self.process
    }

    fn client(&self, lock: Lock, _requests: u8) -> Waits<'_, Box<dyn Cycle>> {
        Box::pin(async move {
            let stream = TcpStream::connect(self.at).await?;
            stream.set_nodelay(true)?;
            let mut connection = Connection { stream, buffer: Vec::new() };
            if lock == Lock::One {
                // The permit is an element of a list: taken, it is out of it. The first client puts it there.
                if connection.ask(cmd("SET").arg("made").arg("1").arg("NX")).await? == Value::Okay {
                    connection.ask(cmd("LPUSH").arg("one").arg("permit")).await?;
                }
                return Ok(Box::new(Listed { connection }) as _);
            }
            let Value::BulkString(script) = connection.ask(cmd("SCRIPT").arg("LOAD").arg(RELEASE)).await? else {
                return Err("Redis gave no digest of the script".into());
            };
            Ok(Box::new(Own { connection, key: lock.to_string(), script: String::from_utf8(script)?, taken: 0 }) as _)
        })
    }
}

/// A connection without anything around it: the client is to cost as little as that of lockserver.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn ask(&mut self, command: &Cmd) -> Result<Value, Fault> {
        self.stream.write_all(&command.get_packed_command()).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("Redis closed the connection".into());
            }
            // An answer that has not come to its end cannot be parsed yet.
            match parse_redis_value(&self.buffer) {
                Ok(Value::ServerError(error)) => return Err(format!("Redis: {error:?}").into()),
                Ok(value) => return Ok(value),
                Err(_) => {}
            }
        }
    }
}

struct Own {
    connection: Connection,
    key: String,
    script: String,
    taken: u64,
}

impl Cycle for Own {
    fn take(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            self.taken += 1;
            let mut set = cmd("SET");
            set.arg(&self.key).arg(self.taken).arg("NX").arg("PX").arg(300_000);
            match self.connection.ask(&set).await? {
                Value::Okay => Ok(()),
                other => Err(format!("Redis: a lock that nobody else takes was not free: {other:?}").into()),
            }
        })
    }

    fn give_back(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            let mut release = cmd("EVALSHA");
            release.arg(&self.script).arg(1).arg(&self.key).arg(self.taken);
            match self.connection.ask(&release).await? {
                Value::Int(1) => Ok(()),
                other => Err(format!("Redis: the lock was not the holder's: {other:?}").into()),
            }
        })
    }
}

struct Listed {
    connection: Connection,
}

impl Cycle for Listed {
    fn take(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            match self.connection.ask(cmd("BLPOP").arg("one").arg(60)).await? {
                Value::Array(_) => Ok(()),
                other => Err(format!("Redis: BLPOP gave {other:?}").into()),
            }
        })
    }

    fn give_back(&mut self) -> Waits<'_, ()> {
        Box::pin(async { self.connection.ask(cmd("LPUSH").arg("one").arg("permit")).await.map(drop) })
    }
}
