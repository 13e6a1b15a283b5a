//! Routes, each with what it takes to call it: none can be added without saying so.

use super::app::App;
use super::body::BodyError;
use super::path::Matched;
use crate::access::{Denied, Right};
use crate::engine::EngineError;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;

/// Room for the headers that most answers have, with those that the gate adds.
pub(super) const HEADERS_USUAL: usize = 12;

/// What somebody must have to call a route. If its path names a lock, then for that lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nothing that is not public.
    Nothing,
    /// The right to use, or that to observe.
    UseOrObserve,
    Right(Right),
}

/// The protocol of a route, with its form of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A problem of RFC 9457.
    Json,
    /// FleetLock's `kind` and `value`.
    FleetLock,
    /// A line of text; a browser gets the page, which asks for a key.
    Page,
    /// A line of text.
    Plain,
    /// A fault, or 401.
    XmlRpc,
}

/// How a protocol refuses. It is registered with the routes, so that the gate before them knows no protocol.
#[derive(Debug)]
pub(super) struct Refuse {
    /// Answers a request that may not be.
    pub(super) denied: fn(Denied) -> Response,
    /// Answers a request from a page or by a name that the server does not admit.
    pub(super) foreign: fn(Denied) -> Response,
    /// Answers a request after too many wrong keys.
    pub(super) too_many: fn(&str) -> Response,
    /// Answers a request whose path is there for other methods.
    pub(super) wrong_method: fn(&Method) -> Response,
    /// Answers a request whose handler has panicked; `None` for an answer in plain words.
    pub(super) panicked: Option<fn(Box<dyn Any + Send>) -> Response>,
    /// Answers a request that the engine did not answer.
    pub(super) failed: fn(EngineError) -> Response,
    /// Answers a request whose body cannot be read.
    pub(super) unreadable: fn(&BodyError) -> Response,
    /// Answers a person at a browser instead of `denied`; `None` for everybody else.
    pub(super) sign_in: fn(&Denied, &Request) -> Option<Response>,
}

#[derive(Debug, Clone)]
pub struct Entry {
    /// `None` for any method.
    pub method: Option<Method>,
    /// Its path, with the parts that vary in braces.
    pub path: &'static str,
    pub need: Need,
    pub protocol: Protocol,
    pub(super) refuse: &'static Refuse,
}

/// A handler at work.
pub(super) type Handling = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler, whatever it takes from a request.
type Call = Arc<dyn Fn(Request, App) -> Handling + Send + Sync>;

/// A route, and what answers it.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) entry: Entry,
    call: Call,
}

impl Route {
    /// Has its handler answer.
    pub(super) fn handle(&self, request: Request, app: App) -> Handling {
        (self.call)(request, app)
    }
}

/// Routes in the making.
pub(super) struct Routes {
    routes: Vec<Route>,
    protocol: Protocol,
    refuse: &'static Refuse,
}

impl Routes {
    /// None yet; those to come refuse like this.
    pub(super) fn of(protocol: Protocol, refuse: &'static Refuse) -> Self {
        Self { routes: Vec::new(), protocol, refuse }
    }

    fn on<H, T>(mut self, method: Option<Method>, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, App> + Sync,
        T: 'static,
    {
        let call: Call = Arc::new(move |request, app| Box::pin(handler.clone().call(request, app)));
        let entry = Entry { method, path, need, protocol: self.protocol, refuse: self.refuse };
        self.routes.push(Route { entry, call });
        self
    }

    pub(super) fn get<H: Handler<T, App> + Sync, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.on(Some(Method::GET), path, need, handler)
    }

    pub(super) fn post<H: Handler<T, App> + Sync, T: 'static>(
        self,
        path: &'static str,
        need: Need,
        handler: H,
    ) -> Self {
        self.on(Some(Method::POST), path, need, handler)
    }

    pub(super) fn put<H: Handler<T, App> + Sync, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.on(Some(Method::PUT), path, need, handler)
    }

    pub(super) fn patch<H: Handler<T, App> + Sync, T: 'static>(
        self,
        path: &'static str,
        need: Need,
        handler: H,
    ) -> Self {
        self.on(Some(Method::PATCH), path, need, handler)
    }

    pub(super) fn delete<H: Handler<T, App> + Sync, T: 'static>(
        self,
        path: &'static str,
        need: Need,
        handler: H,
    ) -> Self {
        self.on(Some(Method::DELETE), path, need, handler)
    }

    /// For every method, also those that nobody knows.
    pub(super) fn any<H: Handler<T, App> + Sync, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.on(None, path, need, handler)
    }

    pub(super) fn and(mut self, those: Self) -> Self {
        self.routes.extend(those.routes);
        self
    }

    /// What is known of them.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.routes.into_iter().map(|route| route.entry).collect()
    }

    /// The same by path. `beside` refuses for paths without a route.
    pub(super) fn finish(self, beside: fn(&str) -> &'static Refuse) -> Table {
        let mut places: Vec<Place> = Vec::new();
        for route in self.routes {
            match places.iter_mut().find(|place| place.path == route.entry.path) {
                Some(place) => place.routes.push(route),
                None => places.push(Place::of(route)),
            }
        }
        let mut paths = matchit::Router::new();
        for mut place in places {
            place.allow = allow(&place.routes);
            paths.insert(place.path, place).expect("no two paths are in each other's way");
        }
        Table { paths, beside }
    }
}

/// The methods of these routes, as the header `Allow` lists them.
fn allow(routes: &[Route]) -> HeaderValue {
    let methods = routes.iter().filter_map(|route| route.entry.method.as_ref());
    let names = methods.map(|method| if *method == Method::GET { "GET,HEAD" } else { method.as_str() });
    HeaderValue::try_from(names.collect::<Vec<_>>().join(",")).expect("plain text")
}

/// The routes of a path, one for each method.
struct Place {
    path: &'static str,
    /// Those that vary, in their order.
    parts: Vec<&'static str>,
    allow: HeaderValue,
    routes: Vec<Route>,
}

impl Place {
    fn of(route: Route) -> Self {
        let path = route.entry.path;
        let parts = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        Self { path, parts, allow: HeaderValue::from_static(""), routes: vec![route] }
    }
}

/// All routes, by path and method.
pub(super) struct Table {
    paths: matchit::Router<Place>,
    beside: fn(&str) -> &'static Refuse,
}

/// What there is for a request.
#[derive(Clone, Copy)]
pub(super) struct Found<'t> {
    /// The path of its route, with the parts that vary in braces; `None` if no route has its path.
    pub(super) path: Option<&'static str>,
    /// `None` if no route has its path and method.
    pub(super) route: Option<&'t Route>,
    /// How it is refused.
    pub(super) refuse: &'static Refuse,
    /// The methods that its path is there for.
    pub(super) allow: Option<&'t HeaderValue>,
}

impl Found<'_> {
    pub(super) fn entry(&self) -> Option<&Entry> {
        self.route.map(|route| &route.entry)
    }
}

impl Table {
    pub(super) fn find(&self, path: &str, method: &Method) -> (Found<'_>, Option<Matched>) {
        let Ok(at) = self.paths.at(path) else {
            return (Found { path: None, route: None, refuse: (self.beside)(path), allow: None }, None);
        };
        let place = at.value;
        let matched = Matched::new(path, place.parts.iter().copied().zip(at.params.iter().map(|(_, part)| part)));
        // A handler of GET answers HEAD as well.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let route = place.routes.iter().find(|route| route.entry.method.as_ref().is_none_or(|one| one == method));
        // As the other routes of its path do, if its method has none.
        let refuse = route.unwrap_or(&place.routes[0]).entry.refuse;
        (Found { path: Some(place.path), route, refuse, allow: Some(&place.allow) }, Some(matched))
    }
}
