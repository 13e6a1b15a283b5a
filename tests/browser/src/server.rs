//! The built server as a process, with a store and a port that outlive it.

use crate::PATIENCE;
use reqwest::{Client, Method};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The secret of the keys that [`key`] writes, with the key's name in front.
pub const SECRET: &str = "lsk_only_for_tests_000000000000000000000000000";

/// A section of the configuration for a key; its secret is its name and [`SECRET`].
#[must_use]
pub fn key(name: &str, rights: &str, locks: &str) -> String {
    let digest = Sha256::digest(format!("{name}{SECRET}"));
    let digest = digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    });
    format!("[key {name}]\nSECRET_HASH=sha256:{digest}\nRIGHTS={rights}\nLOCKS={locks}\n")
}

/// A server.
#[derive(Debug)]
pub struct Server {
    directory: TempDir,
    port: u16,
    process: Option<Child>,
    client: Client,
    key: Option<String>,
}

/// The binary beside this program, or the one that `LOCKSERVER_BIN` names.
fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("LOCKSERVER_BIN") {
        return named.into();
    }
    let own = std::env::current_exe().expect("this program is a file");
    let folders = own.ancestors().skip(1);
    folders.map(|folder| folder.join("lockserver")).find(|path| path.is_file()).expect("cargo build makes the server")
}

impl Server {
    /// Starts one with these sections of the configuration; without keys, it asks for none.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(sections: &str) -> Self {
        // Nothing here speaks TLS, but the client wants to be able to. Another test may have said so already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().expect("a directory");
        let has_keys = sections.contains("[key ops]");
        let key = has_keys.then(|| format!("ops{SECRET}"));
        let mut server = Self { directory, port: 0, process: None, client: Client::new(), key };
        server.configure(sections);
        server.run().await;
        server
    }

    /// Starts the process, again on the same port.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn run(&mut self) {
        let path = |name: &str| self.directory.path().join(name);
        let mut command = Command::new(binary());
        command.arg("--config").arg(path("lockserver.conf")).arg("--port").arg(self.port.to_string());
        command.arg("--admin-socket").arg(path("admin.sock"));
        command.arg("--store").arg(format!("sqlite:{}", path("lockserver.db").display()));
        command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().expect("the server can be started");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let ready = timeout(PATIENCE, lines.next_line()).await.expect("it is ready in time").expect("it says so");
        let ready = ready.expect("it does not end at once");
        self.port = ready.rsplit(':').next().and_then(|port| port.parse().ok()).expect("it names its port");
        self.process = Some(process);
    }

    /// Ends the process at once, as a crash does.
    ///
    /// # Panics
    /// If there is none.
    pub async fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().await.expect("it ends");
    }

    /// Sends the process a signal: to stop it as it stands, let it go on, or read its configuration again.
    ///
    /// # Panics
    /// If there is none.
    pub fn signal(&self, signal: Signal) {
        let pid = self.process.as_ref().and_then(Child::id).and_then(|pid| i32::try_from(pid).ok());
        kill_process(pid.and_then(Pid::from_raw).expect("it runs"), signal).expect("it takes signals");
    }

    /// Gives it another configuration and lets it read that.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn reload(&self, sections: &str) {
        self.configure(sections);
        self.signal(Signal::HUP);
    }

    fn configure(&self, sections: &str) {
        let general = "[general]\nSERVER=127.0.0.1\nDEFAULT_LOCK=\n";
        let path = self.directory.path().join("lockserver.conf");
        std::fs::write(path, format!("{general}\n{sections}")).expect("written");
    }

    /// An address of it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A call of the JSON API by the key `ops`, if there are keys.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, self.url(path));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = timeout(PATIENCE, request.send()).await.expect("in time").expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The same where it must succeed.
    ///
    /// # Panics
    /// If it does not.
    pub async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, told) = self.call(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {told}");
        told
    }

    /// A ticket, queued if it cannot be held at once; with its id.
    pub async fn take(&self, lock: &str, info: &str, ttl_s: u32) -> Value {
        let body = json!({"info": info, "ttl_s": ttl_s, "queue": true});
        self.ok("POST", &format!("/v1/locks/{lock}/tickets"), body).await
    }

    /// Gives it back.
    ///
    /// # Panics
    /// If it is none.
    pub async fn release(&self, ticket: &Value) {
        let id = ticket["id"].as_str().expect("an id");
        self.ok("DELETE", &format!("/v1/tickets/{id}"), Value::Null).await;
    }
}
