//! etcd: its lock service (`v3lock`) over gRPC, on one member. Each change is flushed before it is answered.
//!
//! Of gRPC only what two unary calls need, on one HTTP/2 connection for each client: the client is to cost as little as that of
//! lockserver.

use crate::child::{Process, free_ports};
use crate::fault::Fault;
use crate::peer::{Cycle, Lock, Peer, Waits};
use h2::client::SendRequest;
use http::Request;
use hyper::body::Bytes;
use prost::Message;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// `etcdserverpb.LeaseGrantRequest`
#[derive(Clone, PartialEq, Message)]
struct LeaseGrantRequest {
    #[prost(int64, tag = "1")]
    ttl: i64,
}

/// `etcdserverpb.LeaseGrantResponse`
#[derive(Clone, PartialEq, Message)]
struct LeaseGrantResponse {
    #[prost(int64, tag = "2")]
    id: i64,
}

/// `v3lockpb.LockRequest`
#[derive(Clone, PartialEq, Message)]
struct LockRequest {
    #[prost(bytes = "vec", tag = "1")]
    name: Vec<u8>,
    #[prost(int64, tag = "2")]
    lease: i64,
}

/// `v3lockpb.LockResponse`; `v3lockpb.UnlockRequest` has the key in field 1.
#[derive(Clone, PartialEq, Message)]
struct LockResponse {
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
}

/// `v3lockpb.UnlockRequest`
#[derive(Clone, PartialEq, Message)]
struct UnlockRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
}

/// `v3lockpb.UnlockResponse`
#[derive(Clone, PartialEq, Message)]
struct UnlockResponse {}

/// `etcdserverpb.PutRequest`
#[derive(Clone, PartialEq, Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `etcdserverpb.RequestOp`, of which only a put is used.
#[derive(Clone, PartialEq, Message)]
struct RequestOp {
    #[prost(message, optional, tag = "2")]
    put: Option<PutRequest>,
}

/// `etcdserverpb.Compare`, for equality with one of two things.
#[derive(Clone, PartialEq, Message)]
struct Compare {
    /// 1 for the revision at which a key was made, 3 for its value.
    #[prost(int32, tag = "2")]
    target: i32,
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    #[prost(int64, optional, tag = "5")]
    create_revision: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "7")]
    value: Option<Vec<u8>>,
}

/// `etcdserverpb.TxnRequest`
#[derive(Clone, PartialEq, Message)]
struct TxnRequest {
    #[prost(message, repeated, tag = "1")]
    compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    success: Vec<RequestOp>,
}

/// `etcdserverpb.TxnResponse`
#[derive(Clone, PartialEq, Message)]
struct TxnResponse {
    #[prost(bool, tag = "2")]
    succeeded: bool,
}

/// Bytes of the records of a hand-over, as lockserver writes them.
const TICKET_BYTES: usize = 560;
const COUNTERS_BYTES: usize = 220;
const COMMIT_BYTES: usize = 45;

/// How long its members may take to agree on a leader.
const ELECTION_TIME: Duration = Duration::from_secs(60);

/// A running etcd.
#[derive(Debug)]
pub(crate) struct Etcd {
    /// The leader first, which is asked.
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    process: Process,
    at: SocketAddr,
}

impl Etcd {
    /// Starts a cluster of so many members.
    pub(crate) fn start(members: usize, home: &Path) -> Result<Self, Fault> {
        let ports = free_ports(2 * members)?;
        let ports: Vec<(u16, u16)> = ports.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let url = |port: u16| format!("http://{}:{port}", Ipv4Addr::LOCALHOST);
        let all = ports.iter().enumerate().map(|(number, (_, peers))| format!("m{number}={}", url(*peers)));
        let cluster = all.collect::<Vec<_>>().join(",");
        let mut members = Vec::new();
        for (number, (clients, peers)) in ports.iter().enumerate() {
            let (at, log) = ((Ipv4Addr::LOCALHOST, *clients).into(), home.join(format!("etcd{number}.log")));
            let (clients, peers) = (url(*clients), url(*peers));
            let mut command = Command::new("etcd");
            command.args(["--name", &format!("m{number}"), "--initial-cluster", &cluster]);
            command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
            command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
            command.args(["--logger", "zap", "--log-level", "warn"]);
            command.arg("--data-dir").arg(home.join(format!("data{number}")));
            members.push((Member { process: Process::start(&command, &log)?, at }, log));
        }
        // A member listens for clients once most of them have found one another.
        for (member, log) in &mut members {
            member.process.wait_for(member.at, log)?;
        }
        let mut members: Vec<Member> = members.into_iter().map(|(member, _)| member).collect();
        let end = Instant::now() + ELECTION_TIME;
        let leader = loop {
            match members.iter().position(Member::leads) {
                Some(leader) => break leader,
                None if Instant::now() > end => return Err("etcd: no member leads".into()),
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        members.swap(0, leader);
        Ok(Self { members })
    }

    /// Where its members listen for clients, as `STORE` takes it.
    pub(crate) fn endpoints(&self) -> String {
        self.members.iter().map(|member| format!("http://{}", member.at)).collect::<Vec<_>>().join(",")
    }

    /// Sends a transaction again and again, and gives how often in a second: what a lock service with durable tickets and a leader
    /// cannot do without to hand a lock over. It is done only if the leader and the last commit are the same; it
    /// puts two tickets, the counters, and the record of this commit.
    pub(crate) async fn transactions_a_second(&self, time: Duration) -> Result<f64, Fault> {
        let mut commits = self.commits().await?;
        let (begin, before) = (Instant::now(), commits.count);
        while begin.elapsed() < time {
            commits.commit().await?;
        }
        Ok(f64::from(commits.count - before) / begin.elapsed().as_secs_f64())
    }

    /// Seconds of one such transaction, after so long a pause.
    pub(crate) async fn transaction_after(&self, pause: Duration) -> Result<f64, Fault> {
        let mut commits = self.commits().await?;
        tokio::time::sleep(pause).await;
        let begin = Instant::now();
        commits.commit().await?;
        Ok(begin.elapsed().as_secs_f64())
    }

    async fn commits(&self) -> Result<Commits, Fault> {
        let mut client = self.connect(Vec::new()).await?;
        let begun = TxnRequest { compare: Vec::new(), success: vec![commit_record(0)] };
        client.call::<TxnResponse>("/etcdserverpb.KV/Txn", &begun).await?;
        Ok(Commits { client, count: 0 })
    }

    async fn connect(&self, name: Vec<u8>) -> Result<Holder, Fault> {
        let stream = TcpStream::connect(self.members[0].at).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = h2::client::handshake(stream).await?;
        let connection = Abort(tokio::spawn(async move { drop(connection.await) }).abort_handle());
        Ok(Holder { sender, _connection: connection, name, lease: 0, key: Vec::new() })
    }
}

/// Transactions one after the other, each on the condition that the one before is the last.
struct Commits {
    client: Holder,
    count: u32,
}

impl Commits {
    async fn commit(&mut self) -> Result<(), Fault> {
        let last = commit_record(self.count).put.map(|put| put.value);
        let compare = vec![
            Compare { target: 1, key: b"bare/leader".to_vec(), create_revision: Some(0), value: None },
            Compare { target: 3, key: b"bare/commit".to_vec(), create_revision: None, value: last },
        ];
        self.count += 1;
        let success = vec![
            put(&format!("bare/tickets/{:036}", self.count), TICKET_BYTES, "ticket"),
            put(&format!("bare/tickets/{:036}", self.count + 1), TICKET_BYTES, "ticket"),
            put("bare/counters", COUNTERS_BYTES, "counters"),
            commit_record(self.count),
        ];
        let answer: TxnResponse = self.client.call("/etcdserverpb.KV/Txn", &TxnRequest { compare, success }).await?;
        if answer.succeeded { Ok(()) } else { Err("etcd: a transaction whose conditions hold failed".into()) }
    }
}

fn put(key: &str, bytes: usize, text: &str) -> RequestOp {
    let value = format!("{text:x<bytes$}").into_bytes();
    RequestOp { put: Some(PutRequest { key: key.into(), value }) }
}

fn commit_record(number: u32) -> RequestOp {
    put("bare/commit", COMMIT_BYTES, &number.to_string())
}

impl Peer for Etcd {
    fn process(&self) -> &Process {
        &self.members[0].process
    }

    fn client(&self, lock: Lock, _requests: u8) -> Waits<'_, Box<dyn Cycle>> {
        Box::pin(async move {
            let mut holder = self.connect(lock.to_string().into()).await?;
            let lease: LeaseGrantResponse =
                holder.call("/etcdserverpb.Lease/LeaseGrant", &LeaseGrantRequest { ttl: 3600 }).await?;
            holder.lease = lease.id;
            Ok(Box::new(holder) as _)
        })
    }
}

impl Member {
    /// Whether its metrics say that it leads the cluster.
    fn leads(&self) -> bool {
        let ask = || -> io::Result<String> {
            let mut stream = std::net::TcpStream::connect(self.at)?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.lines().any(|line| line == "etcd_server_is_leader 1"))
    }
}

/// Ends the connection with its client.
struct Abort(AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Holder {
    sender: SendRequest<Bytes>,
    _connection: Abort,
    name: Vec<u8>,
    lease: i64,
    key: Vec<u8>,
}

impl Holder {
    /// A unary call: a message in a frame with its length each way, and the status in the trailers.
    async fn call<A: Message + Default>(&mut self, path: &str, message: &impl Message) -> Result<A, Fault> {
        let request = Request::post(format!("http://etcd{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        let mut frame = vec![0];
        frame.extend((message.encoded_len() as u32).to_be_bytes());
        message.encode(&mut frame)?;
        let mut sender = self.sender.clone().ready().await?;
        let (answer, mut body) = sender.send_request(request, false)?;
        body.send_data(frame.into(), true)?;
        let (head, mut body) = answer.await?.into_parts();
        let mut bytes = Vec::new();
        while let Some(part) = body.data().await {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            bytes.extend_from_slice(&part);
        }
        let trailers = body.trailers().await?.unwrap_or(head.headers);
        if trailers.get("grpc-status").is_none_or(|status| status != "0") {
            return Err(format!("etcd: {path}: {trailers:?}").into());
        }
        Ok(A::decode(bytes.get(5..).unwrap_or_default())?)
    }
}

impl Cycle for Holder {
    fn take(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            let request = LockRequest { name: self.name.clone(), lease: self.lease };
            let answer: LockResponse = self.call("/v3lockpb.Lock/Lock", &request).await?;
            self.key = answer.key;
            Ok(())
        })
    }

    fn give_back(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            let request = UnlockRequest { key: std::mem::take(&mut self.key) };
            self.call::<UnlockResponse>("/v3lockpb.Lock/Unlock", &request).await.map(drop)
        })
    }
}
