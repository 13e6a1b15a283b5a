//! A request: who asks, of what, with which parameters.

use super::super::app::App;
use super::super::auth::Who;
use super::super::connection::Connection;
use super::super::path::{self, PathError};
use super::body;
use super::problem::Refusal;
use crate::access::Right;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, Method};
use lock_api::{ErrorCode, Seconds};
use lock_core::limits::WAIT_MAX_MS;
use lock_core::{Caller, LockName, NameError, TicketId};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// A request: its sender, its path, its parameters.
pub(super) struct Asked {
    pub(super) app: App,
    pub(super) connection: Arc<Connection>,
    pub(super) who: Who,
    /// The same for the core, about tickets that only their ids name.
    pub(super) caller: Caller,
    headers: HeaderMap,
    /// Of methods that have one. Handlers lend the rest to several threads, which a body cannot be.
    body: Mutex<Body>,
    /// The lock that its path names.
    lock: Option<Result<LockName, NameError>>,
    /// What else its path names.
    path: Vec<(&'static str, String)>,
    /// Each parameter with its values, which are several for those that may be repeated.
    query: BTreeMap<String, Vec<String>>,
}

impl FromRequest<App> for Asked {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let connection = parts.extensions.get::<Arc<Connection>>().expect("each request has its connection").clone();
        let who = parts.extensions.get::<Who>().expect("each request has passed the gate").clone();
        let mut path = Vec::new();
        let lock = match path::lock(&parts.extensions) {
            None => None,
            Some(Ok(name)) => Some(Ok(name.clone())),
            Some(Err(PathError::Name(why))) => Some(Err(why.clone())),
            Some(Err(error)) => return Err(Refusal::invalid(format!("the path {error}"))),
        };
        for name in ["id", "number"] {
            if let Some(part) = path::part(&parts.extensions, &parts.uri, name) {
                path.push((name, part.map_err(|error| Refusal::invalid(format!("the path {error}")))?));
            }
        }
        Ok(Self {
            app: app.clone(),
            caller: who.caller(),
            who,
            connection,
            headers: parts.headers,
            body: Mutex::new(if matches!(parts.method, Method::GET | Method::DELETE) { Body::empty() } else { body }),
            lock,
            path,
            query: read_query(parts.uri.query().unwrap_or(""))?,
        })
    }
}

/// `%XX` in the query undone.
fn decode(raw: &str) -> Result<String, Refusal> {
    path::decode(raw).map_err(|error| Refusal::invalid(format!("the query {error}")))
}

fn read_query(query: &str) -> Result<BTreeMap<String, Vec<String>>, Refusal> {
    let mut read: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(&name.replace('+', " "))?;
        let value = decode(&value.replace('+', " "))?;
        read.entry(name).or_default().push(value);
    }
    Ok(read)
}

impl Asked {
    /// Refuses parameters that this call does not have: a misspelt `force` must not be passed over.
    pub(super) fn only_parameters(&self, names: &[&str]) -> Result<(), Refusal> {
        self.only_parameters_and(names, None)
    }

    /// The same, where one of them may be repeated.
    pub(super) fn only_parameters_and(&self, names: &[&str], many: Option<&str>) -> Result<(), Refusal> {
        let twice = |(name, values): &(&String, &Vec<String>)| values.len() > 1 && many != Some(name.as_str());
        if let Some((name, _)) = self.query.iter().find(twice) {
            return Err(Refusal::invalid(format!("the query names {name:?} twice")));
        }
        match self.query.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(unknown) if names.is_empty() => {
                Err(Refusal::invalid(format!("the query names {unknown:?}; this call takes no parameters there")))
            }
            Some(unknown) => {
                Err(Refusal::invalid(format!("the query names {unknown:?}; this call knows {}", names.join(", "))))
            }
        }
    }

    /// Refuses who does not administer the lock that the path names.
    pub(super) fn admin(&self) -> Result<(), Refusal> {
        Ok(self.who.may(Right::Admin, &self.lock()?)?)
    }

    fn part(&self, name: &str) -> &str {
        let part = self.path.iter().find(|(one, _)| *one == name);
        part.map(|(_, text)| text.as_str()).expect("the route has this part")
    }

    /// The lock that the path names.
    pub(super) fn lock(&self) -> Result<LockName, Refusal> {
        let named = self.lock.as_ref().expect("the route has this part");
        named.clone().map_err(|why| Refusal::invalid(format!("not a valid lock name: {why}")))
    }

    /// The ticket that the path names. What is no id is the id of no ticket.
    pub(super) fn ticket(&self) -> Result<TicketId, Refusal> {
        match Uuid::try_parse(self.part("id")) {
            Ok(id) => Ok(TicketId(id.as_u128())),
            Err(_) => Err(Refusal::new(ErrorCode::UnknownTicket, "unknown ticket: the id is not a UUID")),
        }
    }

    /// The number of a ticket that the path names.
    pub(super) fn number(&self) -> Result<u64, Refusal> {
        number("the ticket's number in the path", self.part("number"))
    }

    /// A parameter as it is.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.query.get(name).and_then(|values| values.first()).map(String::as_str)
    }

    /// All values of a parameter that may be repeated.
    pub(super) fn texts(&self, name: &str) -> &[String] {
        self.query.get(name).map_or(&[], Vec::as_slice)
    }

    /// A whole number.
    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.text(name).map(|text| number(name, text)).transpose()
    }

    /// A number of things to list.
    pub(super) fn at_most(&self, name: &str, max: usize) -> Result<usize, Refusal> {
        match self.count(name)? {
            None => Ok(max),
            Some(count) if count <= max as u64 => Ok(count as usize),
            Some(_) => Err(Refusal::invalid(format!("{name} is at most {max}"))),
        }
    }

    /// A duration.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<Seconds>, Refusal> {
        let read = |text| serde_json::from_str(text);
        let wrong = |_| Refusal::invalid(format!("{name} must be a number of seconds from 0"));
        self.text(name).map(read).transpose().map_err(wrong)
    }

    /// `true` or `false`; a bare name is `true`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(_) => Err(Refusal::invalid(format!("{name} must be true or false"))),
        }
    }

    /// How long to wait on the server.
    pub(super) fn wait(&self) -> Result<Duration, Refusal> {
        let Some(text) = self.text("wait_s") else { return Ok(Duration::ZERO) };
        let seconds: Seconds = serde_json::from_str(text)
            .map_err(|_| Refusal::invalid("wait_s must be a number of seconds from 0 to 60"))?;
        check_wait(seconds)
    }

    /// What its body asks for.
    pub(super) async fn wanted<T: DeserializeOwned>(&mut self) -> Result<T, Refusal> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        body::read(&self.headers, std::mem::take(body)).await
    }

    /// A header's text.
    pub(super) fn header(&self, name: &HeaderName) -> Result<Option<&str>, Refusal> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => match value.to_str() {
                Ok(text) => Ok(Some(text.trim())),
                Err(_) => Err(Refusal::invalid(format!("the header {name} is not plain text"))),
            },
            (Some(_), Some(_)) => Err(Refusal::invalid(format!("the header {name} is sent twice"))),
        }
    }
}

/// A time to wait within its bound.
pub(super) fn check_wait(wait: Seconds) -> Result<Duration, Refusal> {
    if wait.as_ms() <= WAIT_MAX_MS {
        return Ok(wait.into());
    }
    Err(Refusal::invalid(format!("wait_s must be at most {}; ask again to wait longer", WAIT_MAX_MS / 1000)))
}

fn number<T: FromStr>(what: &str, text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::invalid(format!("{what} must be a whole number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let read = read_query("force=true&reason=too+slow%2C%20sorry&mine&").unwrap();
        assert_eq!(read["force"], ["true"]);
        assert_eq!(read["reason"], ["too slow, sorry"]);
        assert_eq!(read["mine"], [""]);
        assert_eq!(read_query("a=1&a=2").unwrap()["a"], ["1", "2"]);
        assert!(read_query("a=%").is_err());
    }
}
