//! A client over XML-RPC, as the published one of 0.36 behaves: it asks, it polls with a second between two polls, it releases.

use crate::fault::Fault;
use crate::http::Client;
use crate::peer::{Cycle, Waits};
use std::net::SocketAddr;
use std::time::Duration;

/// A client; without a connection of its own it makes one for each call.
pub(crate) struct XmlRpc {
    at: SocketAddr,
    client: Option<Client>,
    lock: String,
    held: String,
}

impl XmlRpc {
    /// A client for that lock.
    pub(crate) fn new(at: SocketAddr, client: Option<Client>, lock: String) -> Self {
        Self { at, client, lock, held: String::new() }
    }

    /// Calls a method; gives the answer if it begins with `true`.
    async fn call(&mut self, method: &str, second: &str) -> Result<String, Fault> {
        let lock = &self.lock;
        let body = format!(
            "<?xml version='1.0'?>\n<methodCall>\n<methodName>{method}</methodName>\n<params>\n<param>\n<value><string>{lock}\
             </string></value>\n</param>\n<param>\n<value><string>{second}</string></value>\n</param>\n</params>\n</methodCall>\n"
        );
        let answer = match &mut self.client {
            Some(client) => client.ask("POST", "/RPC2", "text/xml", body).await?.good()?,
            None => Client::open(self.at).await?.ask("POST", "/RPC2", "text/xml", body).await?.good()?,
        };
        let answer = String::from_utf8(answer.into())?;
        if !answer.contains("<boolean>1</boolean>") {
            return Err(format!("{method}: {answer}").into());
        }
        Ok(answer)
    }
}

/// Whether both of an answer's values are true: the call was good, and what was asked for is so.
fn is_so(answer: &str) -> bool {
    answer.matches("<boolean>1</boolean>").count() == 2
}

impl Cycle for XmlRpc {
    fn take(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            let answer = self.call("query_lock", "load").await?;
            let id = answer.split_once("<string>").and_then(|(_, rest)| rest.split_once("</string>"));
            let (id, _) = id.ok_or("query_lock gave no id")?;
            self.held = id.to_owned();
            let held = self.held.clone();
            while !is_so(&self.call("get_lock", &held).await?) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok(())
        })
    }

    fn give_back(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            let held = std::mem::take(&mut self.held);
            let answer = self.call("release_lock", &held).await?;
            if is_so(&answer) { Ok(()) } else { Err(format!("release_lock: {answer}").into()) }
        })
    }
}
