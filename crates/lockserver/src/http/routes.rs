//! Routes, each with what it takes to call it: none can be added without saying so.

use super::app::App;
use crate::access::{Denied, Right};
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{MethodFilter, any, on};
use std::collections::HashMap;

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
    /// Answers a person at a browser instead of `denied`; `None` for everybody else.
    pub(super) sign_in: fn(&Denied, &Parts) -> Option<Response>,
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

/// Routes in the making.
pub(super) struct Routes {
    router: Router<App>,
    entries: Vec<Entry>,
    protocol: Protocol,
    refuse: &'static Refuse,
}

impl Routes {
    /// None yet; those to come refuse like this.
    pub(super) fn of(protocol: Protocol, refuse: &'static Refuse) -> Self {
        Self { router: Router::new(), entries: Vec::new(), protocol, refuse }
    }

    fn on<H, T>(mut self, method: Method, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("a method that the router knows");
        self.router = self.router.route(path, on(filter, handler));
        self.add(Some(method), path, need);
        self
    }

    fn add(&mut self, method: Option<Method>, path: &'static str, need: Need) {
        self.entries.push(Entry { method, path, need, protocol: self.protocol, refuse: self.refuse });
    }

    pub(super) fn get<H: Handler<T, App>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.on(Method::GET, path, need, handler)
    }

    pub(super) fn post<H: Handler<T, App>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.on(Method::POST, path, need, handler)
    }

    pub(super) fn put<H: Handler<T, App>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.on(Method::PUT, path, need, handler)
    }

    pub(super) fn patch<H: Handler<T, App>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.on(Method::PATCH, path, need, handler)
    }

    pub(super) fn delete<H: Handler<T, App>, T: 'static>(self, path: &'static str, need: Need, handler: H) -> Self {
        self.on(Method::DELETE, path, need, handler)
    }

    /// For every method, also those that no router knows.
    pub(super) fn any<H: Handler<T, App>, T: 'static>(mut self, path: &'static str, need: Need, handler: H) -> Self {
        self.router = self.router.route(path, any(handler));
        self.add(None, path, need);
        self
    }

    /// Changes what is around these routes.
    pub(super) fn around(self, change: impl FnOnce(Router<App>) -> Router<App>) -> Self {
        Self { router: change(self.router), ..self }
    }

    pub(super) fn and(mut self, those: Self) -> Self {
        self.router = self.router.merge(those.router);
        self.entries.extend(those.entries);
        self
    }

    /// What is known of them.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// The router, and what its routes need. `beside` refuses for paths without a route.
    pub(super) fn finish(self, beside: fn(&str) -> &'static Refuse) -> (Router<App>, Table) {
        (self.router, Table::new(self.entries, beside))
    }
}

/// What each route needs.
#[derive(Debug, Clone)]
pub(super) struct Table {
    entries: HashMap<&'static str, Vec<Entry>>,
    beside: fn(&str) -> &'static Refuse,
}

impl Table {
    fn new(entries: Vec<Entry>, beside: fn(&str) -> &'static Refuse) -> Self {
        let mut table: HashMap<&'static str, Vec<Entry>> = HashMap::new();
        for entry in entries {
            table.entry(entry.path).or_default().push(entry);
        }
        Self { entries: table, beside }
    }

    /// The route of that path for that method.
    pub(super) fn find(&self, path: &str, method: &Method) -> Option<&Entry> {
        // A handler of GET answers HEAD as well.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.entries.get(path)?.iter().find(|entry| entry.method.as_ref().is_none_or(|one| one == method))
    }

    /// How a request is refused whose method has no route: as the other routes of its path do.
    pub(super) fn refuse(&self, route: &str, path: &str) -> &'static Refuse {
        let some = self.entries.get(route).and_then(|entries| entries.first());
        some.map_or_else(|| (self.beside)(path), |entry| entry.refuse)
    }
}
