//! The XML-RPC protocol: what clients of 0.36 speak.
//!
//! An unmodified client dies of any fault and of any status but 200, so nothing transient is one: it is answered as "not
//! yet" or "server busy, try again" (design, section 6). Faults are for what will never work.

pub mod codec;
mod lock_methods;
mod request;
mod system_methods;

use super::app::{App, attach};
use super::auth::{self, Who};
use super::connection::{Connection, Guard, guard};
use super::routes::{HEADERS_USUAL, Refuse};
use crate::access::{Denied, Right};
use crate::engine::{Receipt, Standing};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, body::Body};
use codec::{MethodCall, Value};
use lock_core::LockName;
use std::sync::Arc;

/// One call on its way: who sent it, and what must be told when its answer has arrived.
pub(super) struct Call<'a> {
    app: &'a App,
    connection: &'a Arc<Connection>,
    who: Who,
    receipts: Vec<Arc<Receipt>>,
    /// Of the ticket that the answer says is held.
    standing: Option<Arc<Standing>>,
}

/// What will never work. Becomes a fault with faultCode 1, as in 0.36.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault(String);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Refused {
    Fault(Fault),
    Denied(Denied),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// `POST /RPC2`.
pub(super) async fn call(
    State(app): State<App>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(who): Extension<Who>,
    request: Request<Body>,
) -> Response {
    let call = match request::read(request).await {
        Ok(call) => call,
        Err(request::Unreadable::TooSlow) => return StatusCode::REQUEST_TIMEOUT.into_response(),
        Err(request::Unreadable::Fault(text)) => return xml(codec::encode_fault(1, &text)),
    };
    let mut on_its_way = Call { app: &app, connection: &connection, who, receipts: Vec::new(), standing: None };
    let mut response = match on_its_way.dispatch(call).await {
        Ok(value) => xml(codec::encode_response(&value)),
        Err(Refused::Fault(Fault(text))) => xml(codec::encode_fault(1, &text)),
        Err(Refused::Denied(denied)) => self::denied(denied),
    };
    if let Some(standing) = on_its_way.standing {
        // It says what is true when it is written.
        let not_held = || xml(codec::encode_response(&lock_methods::not_held()));
        guard(&mut response, Guard::new(move || standing.ended().is_none(), not_held));
    }
    for receipt in on_its_way.receipts {
        attach(&mut response, receipt);
    }
    response
}

/// Refuses a key that may not do this with a fault, for that will never work. Without a key the answer is 401. No browser
/// speaks XML-RPC by itself: what one sends is refused in plain words, before it is read.
pub(super) const REFUSE: Refuse = Refuse { denied, ..auth::PLAIN };

fn denied(denied: Denied) -> Response {
    if denied.unauthorized {
        return auth::plain_denied(denied);
    }
    auth::refused(xml(codec::encode_fault(1, &denied.text)), &denied, auth::BASIC)
}

fn xml(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.reserve(HEADERS_USUAL);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Call<'_> {
    async fn dispatch(&mut self, call: MethodCall) -> Result<Value, Refused> {
        let MethodCall { method, params } = call;
        match method.as_str() {
            "query_lock" => {
                let [name, info] = arguments("query_lock", params, 1)?;
                let Some(lock) = self.lock(&name)? else { return Ok(lock_methods::no_such_lock()) };
                Ok(self.query_lock(&lock, info).await)
            }
            "get_lock" => {
                let [name, id] = arguments("get_lock", params, 2)?;
                let Some(lock) = self.lock(&name)? else { return Ok(lock_methods::no_such_lock()) };
                Ok(self.get_lock(&lock, id).await)
            }
            "release_lock" => {
                let [name, id] = arguments("release_lock", params, 2)?;
                let Some(lock) = self.lock(&name)? else { return Ok(lock_methods::no_such_lock()) };
                Ok(self.release_lock(&lock, id).await)
            }
            "system.listMethods" => {
                let [] = arguments("system.listMethods", params, 0)?;
                Ok(system_methods::list())
            }
            "system.methodHelp" => {
                let [name] = arguments("system.methodHelp", params, 1)?;
                Ok(system_methods::help(&name)?)
            }
            "system.methodSignature" => {
                let [name] = arguments("system.methodSignature", params, 1)?;
                Ok(system_methods::signature(&name)?)
            }
            other => {
                let text = format!("method \"{other}\" is not supported; system.listMethods lists those that are");
                Err(Fault(text).into())
            }
        }
    }

    /// The lock that is named, if the sender may use it. A name that no lock can have is the name of no lock.
    fn lock(&self, value: &Value) -> Result<Option<LockName>, Refused> {
        let Value::String(text) = value else { return Ok(None) };
        let Ok(lock) = LockName::new(text) else { return Ok(None) };
        self.who.may(Right::Use, &lock).map_err(Refused::Denied)?;
        Ok(Some(lock))
    }
}

/// The parameters as an array, missing optional ones empty.
fn arguments<const N: usize>(method: &str, mut params: Vec<Value>, required: usize) -> Result<[Value; N], Fault> {
    let given = params.len();
    if given < required || given > N {
        let takes = if required == N { N.to_string() } else { format!("{required} to {N}") };
        return Err(Fault(format!("{method} takes {takes} arguments, {given} were given")));
    }
    params.resize(N, Value::String(String::new()));
    Ok(params.try_into().expect("resized to N"))
}
