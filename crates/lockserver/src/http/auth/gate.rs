//! The gate: every request passes it before its handler.

use super::super::app::App;
use super::super::cluster;
use super::super::connection::Connection;
use super::super::path;
use super::super::routes::{Entry, Found, Need, Protocol, Refuse};
use super::credentials::{self, Credentials};
use super::failures::Pace;
use super::origin::{self, Origin};
use super::record::{Note, RefusedBecause};
use super::{AuthSettings, Who};
use crate::access::{Denied, Right};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");
/// What nothing but the page loosens: no answer is a document that does anything.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// A request that has come to the gate, until its answer leaves by it.
pub(in crate::http) struct Passage {
    note: Note,
    /// The page that sent it, if the configuration lets that in.
    allowed: Option<HeaderValue>,
}

/// Why a request does not come to its handler.
pub(in crate::http) enum Refused {
    /// It is told so.
    AtOnce(Box<Response>),
    /// It was sent with a wrong key, from there: see [`wrong_key`].
    WrongKey(IpAddr),
}

/// Lets a request through to its handler, with a [`Who`] among its extensions, or refuses it.
pub(in crate::http) fn enter(
    app: &App,
    found: Found<'_>,
    request: Request<Body>,
) -> (Passage, Result<Request<Body>, Refused>) {
    let settings = Arc::clone(&app.live.borrow().auth);
    let allowed = origin::allowed(&settings, request.headers());
    let mut passage = Passage { note: Note::of(app, found.path, &request), allowed };
    let entered = admit(app, &settings, found, request, &mut passage.note);
    (passage, entered)
}

impl Passage {
    /// With its answer.
    pub(in crate::http) fn leave(self, mut response: Response) -> Response {
        self.note.answered(&response);
        let headers = response.headers_mut();
        // Refusals too: the page that was let in shall be able to read why.
        if let Some(origin) = self.allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let exposed = HeaderValue::from_static("ETag, Location, Retry-After");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
        headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(POLICY);
        response
    }
}

fn admit(
    app: &App,
    settings: &AuthSettings,
    found: Found<'_>,
    mut request: Request<Body>,
    note: &mut Note,
) -> Result<Request<Body>, Refused> {
    let connection = Arc::clone(Connection::of(&request));
    let (entry, refuse) = (found.entry(), found.refuse);
    let sender = cluster::sender(app, &connection, request.headers());
    let (address, from, proxied): (_, Arc<str>, bool) = match sender.peer {
        None => (None, sender.from, sender.is_forwarded),
        Some(peer) if settings.trusted_proxies.is_empty() => (Some(peer), sender.from, sender.is_forwarded),
        Some(peer) => {
            let address = client(&settings.trusted_proxies, peer, request.headers());
            let proxied = settings.trusted_proxies.iter().any(|network| network.contains(&peer));
            (Some(address), Arc::from(address.to_string()), proxied || sender.is_forwarded)
        }
    };
    note.from(address, &from);
    note.about(&request);

    if address.is_some() {
        let foreign = |text: String| Refused::AtOnce(Box::new((refuse.foreign)(Denied { unauthorized: false, text })));
        origin::check_host(settings, request.uri(), request.headers()).map_err(foreign)?;
        let opens_page = entry.is_some_and(|entry| matches!(entry.protocol, Protocol::Page | Protocol::Plain));
        let checked = origin::check_origin(settings, request.method(), request.uri(), request.headers(), opens_page);
        if checked.map_err(foreign)? == Origin::Allowed && *request.method() == Method::OPTIONS {
            return Err(Refused::AtOnce(Box::new(preflight())));
        }
    }
    let who = identify(app, settings, &sender.certificate, address, from, request.headers())?;
    note.by(&who);
    if let Some(entry) = entry {
        authorize(&who, entry, &request).map_err(|denied| {
            tracing::debug!(
                from = who.from(),
                key = who.owner(),
                "{} {} refused: {}",
                request.method(),
                entry.path,
                denied.text
            );
            // A browser that is asked by `WWW-Authenticate: Basic` asks its user over the page, which asks better.
            let page = (refuse.sign_in)(&denied, &request);
            Refused::AtOnce(Box::new(page.unwrap_or_else(|| (refuse.denied)(denied))))
        })?;
    }
    if entry.is_some_and(|entry| entry.need != Need::Nothing) {
        connection.mark_known(proxied);
    }
    note.enters(entry);
    request.extensions_mut().insert(who);
    Ok(request)
}

/// What a browser asks before it lets a page of another origin send a request.
fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE")),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID"),
        ),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// The sender of the request, from that address; without one it comes through the administrators' socket.
fn identify(
    app: &App,
    settings: &AuthSettings,
    certificate: &[String],
    address: Option<IpAddr>,
    from: Arc<str>,
    headers: &HeaderMap,
) -> Result<Who, Refused> {
    let Some(address) = address else { return Ok(Who::local(from)) };
    let access = &settings.access;
    let anonymous = || match access.is_open() {
        true => Who::open(access.anonymous().clone(), from.clone(), app.service.admin_socket.clone()),
        false => Who::anonymous(access.anonymous().clone(), from.clone()),
    };
    if access.is_open() {
        return Ok(anonymous());
    }
    let key = match credentials::read(headers) {
        Credentials::None => {
            let named = access.by_certificate(certificate.iter().map(String::as_str));
            return Ok(named.map_or_else(anonymous, |key| Who::with_key(key, from.clone())));
        }
        Credentials::Secret { name, secret } => access.by_secret(name.as_deref(), &secret),
        Credentials::Unreadable => None,
    };
    match key {
        Some(key) => Ok(Who::with_key(key, from)),
        None => Err(Refused::WrongKey(address)),
    }
}

/// Answers a request with a wrong key; slowly, if there have been many from that address.
pub(in crate::http) async fn wrong_key(app: &App, address: IpAddr, refuse: &Refuse) -> Response {
    let text = "unknown key, or wrong secret for the key name that was sent";
    app.engine.metrics().http.wrong_keys.increment();
    match app.failures.note(address) {
        Pace::AtOnce => {
            tracing::warn!("a wrong key was sent from {address}");
            (refuse.denied)(Denied { unauthorized: true, text: text.to_owned() })
        }
        Pace::Slowed => {
            let mut response = if app.failures.keep_back(address).await {
                (refuse.denied)(Denied { unauthorized: true, text: text.to_owned() })
            } else {
                let mut response = (refuse.too_many)("too many wrong keys were sent");
                response.extensions_mut().insert(RefusedBecause(text.to_owned()));
                response
            };
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

/// The address of the client: of the peer, or, if that is a proxy that is trusted, the last one that it names and that is no
/// such proxy itself. What stands before that, anybody may have written.
fn client(trusted: &[IpNet], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    // As bytes: a client may have written anything before what the proxy added.
    let said: Vec<&[u8]> =
        headers.get_all(FORWARDED_FOR).iter().flat_map(|value| value.as_bytes().split(|b| *b == b',')).collect();
    let mut client = peer;
    for hop in said.iter().rev() {
        let hop = String::from_utf8_lossy(hop);
        let hop = hop.trim();
        // Some proxies add the port, and some the brackets alone.
        let with_port = hop.parse::<SocketAddr>().map(|address| address.ip());
        let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
        let Ok(address) = bare.parse::<IpAddr>().or(with_port) else { break };
        client = address.to_canonical();
        if !is_trusted(&client) {
            break;
        }
    }
    client
}

/// Whether the sender may call the route.
fn authorize<B>(who: &Who, entry: &Entry, request: &Request<B>) -> Result<(), Denied> {
    // A path that names none, though its route has a place for it, is refused by the handler.
    let lock = path::lock(request.extensions()).and_then(|lock| lock.as_ref().ok());
    let may = |right| lock.map_or_else(|| who.may_somewhere(right), |lock| who.may(right, lock));
    match entry.need {
        Need::Nothing => Ok(()),
        Need::Right(right) => may(right),
        Need::UseOrObserve => may(Right::Use).or_else(|_| may(Right::Observe)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_behind_proxies() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let client_of = client;
        let client = |peer: &str, said: &[&str]| {
            let value = |text: &&str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
            let headers = said.iter().map(|text| (FORWARDED_FOR, value(text))).collect();
            client_of(&trusted, peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "not a proxy of ours");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            client("10.0.0.1", &["1.2.3.4, 198.51.100.7, 10.0.0.2"]),
            "198.51.100.7",
            "what came before may be a lie"
        );
        assert_eq!(client("10.0.0.1", &["1.2.3.4", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("::1", &["::ffff:198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["ä, 198.51.100.7"]), "198.51.100.7", "nor does it hide what follows");
        assert_eq!(client("10.0.0.1", &["198.51.100.7:1234"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:80"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["[::ffff:198.51.100.7]"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["10.0.0.9, 10.0.0.2"]), "10.0.0.9");
    }
}
