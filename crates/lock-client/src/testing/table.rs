//! Locks of size 1 in memory: first come, first served.

use super::wire::{Reply, Request};
use lock_api::{
    Acquire, ConfigurationStatus, EndedAs, ErrorCode, Lock, LockPatch, LockSettings, Locks, Problem, Released,
    Reloaded, Renew, Seconds, Statistics, Status, Ticket, TicketState, Tickets, You,
};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Default)]
pub(crate) struct Table {
    rows: Mutex<Rows>,
    changed: Condvar,
}

#[derive(Default)]
struct Rows {
    tickets: Vec<(Option<String>, Ticket)>,
    locks: BTreeMap<String, (LockSettings, bool)>,
    counter: u64,
}

impl Rows {
    fn make(&mut self, lock: &str, asked: &Acquire) -> usize {
        self.counter += 1;
        let ticket = Ticket {
            id: Some(format!("id-{}", self.counter)),
            number: self.counter,
            lock: lock.to_owned(),
            state: TicketState::Queued,
            permits: asked.permits,
            slots: Vec::new(),
            slot_ranges: String::new(),
            slot_names: Vec::new(),
            token: None,
            ahead: 0,
            dormant: false,
            priority: asked.priority,
            info: asked.info.clone(),
            owner: None,
            from: "127.0.0.1".to_owned(),
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            granted_at: None,
            held_at: None,
            ended_at: None,
            expires_at: None,
            expires_in_s: asked.ttl_s.into_iter().chain(asked.max_hold_s).min_by(|a, b| a.as_ms().cmp(&b.as_ms())),
            ttl_s: asked.ttl_s.or(Some(Seconds::from_ms(300_000))),
            ended_as: None,
            reason: None,
        };
        self.tickets.push((asked.request_id.clone(), ticket));
        self.advance();
        self.tickets.len() - 1
    }

    /// Grants what is free, counts who is before whom.
    fn advance(&mut self) {
        let mut before: BTreeMap<String, u64> = BTreeMap::new();
        for (_, ticket) in &self.tickets {
            if ticket.state == TicketState::Held {
                before.insert(ticket.lock.clone(), 0);
            }
        }
        for place in 0..self.tickets.len() {
            let ticket = &mut self.tickets[place].1;
            if ticket.state != TicketState::Queued {
                continue;
            }
            match before.get_mut(&ticket.lock) {
                Some(ahead) => {
                    ticket.ahead = *ahead;
                    *ahead += 1;
                }
                None => {
                    self.counter += 1;
                    ticket.state = TicketState::Held;
                    ticket.slots = vec![0];
                    ticket.token = Some(self.counter);
                    ticket.held_at = Some("2026-01-01T00:00:05Z".to_owned());
                    before.insert(ticket.lock.clone(), 0);
                }
            }
        }
    }

    fn end(&mut self, place: usize, ended_as: EndedAs) {
        let ticket = &mut self.tickets[place].1;
        if ticket.state != TicketState::Ended {
            ticket.state = TicketState::Ended;
            ticket.ended_as = Some(ended_as);
            self.advance();
        }
    }

    fn lock(&self, name: &str) -> Lock {
        let own = |state: TicketState| {
            let fits = move |ticket: &&Ticket| ticket.lock == name && ticket.state == state;
            let tickets = self.tickets.iter().map(|(_, ticket)| ticket).filter(fits);
            tickets.map(|ticket| Ticket { id: None, ..ticket.clone() }).collect::<Vec<_>>()
        };
        let (holders, queue) = (own(TicketState::Held), own(TicketState::Queued));
        let (settings, paused) = self.locks.get(name).cloned().unwrap_or_default();
        Lock {
            name: name.to_owned(),
            size: 1,
            free: 1 - holders.len() as u64,
            in_use: holders.len() as u64,
            granted: 0,
            withheld: 0,
            holding: holders.len() as u64,
            queued: queue.len() as u64,
            waiting_since: None,
            holding_since: None,
            expected_wait_s: None,
            why: String::new(),
            paused,
            pause_reason: None,
            pause_ends_in_s: None,
            retiring: false,
            template: None,
            settings,
            overridden: Vec::new(),
            revision: 1,
            holders,
            next: None,
            queue,
            withholdings: Vec::new(),
            statistics: Statistics::default(),
            as_of: "1-1".to_owned(),
        }
    }
}

fn refuse(code: ErrorCode, detail: &str) -> Reply {
    Reply::problem(&Problem::new(code, detail))
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let hex: String = bytes.by_ref().take(2).map(char::from).collect();
            out.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
        } else {
            out.push(byte);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Table {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn living(&self) -> usize {
        self.rows().tickets.iter().filter(|(_, ticket)| ticket.state != TicketState::Ended).count()
    }

    pub(crate) fn occupy(&self, lock: &str) -> String {
        let asked = Acquire { info: "somebody else".to_owned(), ..Acquire::default() };
        let mut rows = self.rows();
        let place = rows.make(lock, &asked);
        rows.tickets[place].1.id.clone().unwrap_or_default()
    }

    pub(crate) fn end(&self, id: &str, ended_as: EndedAs) {
        let mut rows = self.rows();
        if let Some(place) = rows.tickets.iter().position(|(_, ticket)| ticket.id.as_deref() == Some(id)) {
            rows.end(place, ended_as);
        }
        drop(rows);
        self.changed.notify_all();
    }

    pub(crate) fn revoke_all(&self, lock: &str) {
        let mut rows = self.rows();
        for place in 0..rows.tickets.len() {
            if rows.tickets[place].1.lock == lock {
                rows.end(place, EndedAs::Revoked);
            }
        }
        drop(rows);
        self.changed.notify_all();
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let segments: Vec<String> = request.path.split('/').skip(2).map(decode).collect();
        let words: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (request.method.as_str(), words.as_slice()) {
            ("GET", ["status"]) => Reply::json(200, &status()),
            ("POST", ["reload"]) => Reply::json(200, &Reloaded::default()),
            ("GET", ["tickets"]) => Reply::json(200, &Tickets { tickets: Vec::new(), next: None }),
            (_, ["tickets", id, rest @ ..]) => self.ticket(request, id, rest),
            ("GET", ["locks"]) => {
                let rows = self.rows();
                let mut names: Vec<&str> = rows.tickets.iter().map(|(_, ticket)| ticket.lock.as_str()).collect();
                names.extend(rows.locks.keys().map(String::as_str));
                names.sort_unstable();
                names.dedup();
                let locks = names.into_iter().map(|name| rows.lock(name)).collect();
                Reply::json(200, &Locks { locks, next: None, as_of: "1-1".to_owned() })
            }
            (_, ["locks", name, ..]) if name.starts_with("no-") => {
                refuse(ErrorCode::UnknownLock, &format!("there is no lock `{name}`"))
            }
            (_, ["locks", name, rest @ ..]) => self.lock(request, name, rest),
            _ => refuse(ErrorCode::NotFound, "there is nothing at this path"),
        }
    }

    fn lock(&self, request: &Request, name: &str, rest: &[&str]) -> Reply {
        let mut rows = self.rows();
        match (request.method.as_str(), rest) {
            ("GET", []) => Reply::json(200, &rows.lock(name)),
            ("PUT", []) => {
                let settings: LockSettings = serde_json::from_str(&request.body).expect("settings of a lock");
                if request.header("if-none-match").is_some() && rows.locks.contains_key(name) {
                    return refuse(ErrorCode::LockExists, "there is such a lock already");
                }
                rows.locks.insert(name.to_owned(), (settings, false));
                Reply::json(201, &rows.lock(name))
            }
            ("PATCH", []) => {
                let patch: LockPatch = serde_json::from_str(&request.body).expect("a patch of a lock");
                let entry = rows.locks.entry(name.to_owned()).or_default();
                if patch.size.is_some() || patch.slots.is_some() {
                    (entry.0.size, entry.0.slots) = (patch.size, patch.slots);
                }
                entry.1 = patch.paused.unwrap_or(entry.1);
                Reply::json(200, &rows.lock(name))
            }
            ("DELETE", []) => {
                let holding = rows.lock(name).holding;
                if holding > 0 && request.parameter("force").is_none() {
                    let mut problem = Problem::new(ErrorCode::WouldEndTickets, "it is in use");
                    problem.would_end = Some(holding);
                    return Reply::problem(&problem);
                }
                rows.locks.remove(name);
                Reply::Body(204, "application/json", String::new())
            }
            ("DELETE", ["withheld"]) => Reply::json(200, &rows.lock(name)),
            ("GET", ["verify"]) => {
                let token = request.parameter("token").and_then(|token| token.parse().ok());
                match rows.lock(name).holders.into_iter().find(|ticket| ticket.token == token) {
                    Some(ticket) => Reply::json(200, &ticket),
                    None => refuse(ErrorCode::NotAHolder, "the token is not a holder's now"),
                }
            }
            ("POST", ["tickets"]) => {
                let asked: Acquire = serde_json::from_str(&request.body).expect("a request for permits");
                let known = rows.tickets.iter().position(|(id, ticket)| {
                    id.is_some() && *id == asked.request_id && ticket.state != TicketState::Ended
                });
                let place = known.unwrap_or_else(|| rows.make(name, &asked));
                let ticket = rows.tickets[place].1.clone();
                match ticket.state {
                    TicketState::Held => Reply::json(201, &ticket),
                    _ if asked.queue => Reply::json(202, &ticket),
                    _ => {
                        rows.end(place, EndedAs::Cancelled);
                        refuse(ErrorCode::Busy, &format!("`{name}` is not free"))
                    }
                }
            }
            ("DELETE", ["tickets"]) => {
                let wanted = request.parameter("request_id").map(str::to_owned);
                let ticket = rows.tickets.iter().position(|(id, _)| *id == wanted).map(|place| {
                    rows.end(place, EndedAs::Cancelled);
                    rows.tickets[place].1.clone()
                });
                drop(rows);
                self.changed.notify_all();
                Reply::json(200, &Released { released: ticket.is_some(), ticket })
            }
            ("DELETE", ["tickets", number]) => {
                let place = rows.tickets.iter().position(|(_, ticket)| ticket.number.to_string() == *number);
                let Some(place) = place else { return refuse(ErrorCode::UnknownTicket, "there is no such ticket") };
                rows.end(place, EndedAs::Revoked);
                let ticket = Ticket { id: None, ..rows.tickets[place].1.clone() };
                drop(rows);
                self.changed.notify_all();
                Reply::json(200, &ticket)
            }
            _ => refuse(ErrorCode::NotFound, "there is nothing at this path"),
        }
    }

    fn ticket(&self, request: &Request, id: &str, rest: &[&str]) -> Reply {
        let mut rows = self.rows();
        let place = rows.tickets.iter().position(|(_, ticket)| ticket.id.as_deref() == Some(id));
        let Some(place) = place else { return refuse(ErrorCode::UnknownTicket, "there is no such ticket") };
        let gone = |ticket: &Ticket| {
            let mut problem = Problem::new(ErrorCode::Gone, format!("ticket {} has ended", ticket.number));
            problem.ended_as = ticket.ended_as;
            Reply::problem(&problem)
        };
        match (request.method.as_str(), rest) {
            ("GET", []) => {
                let wait: f64 = request.parameter("wait_s").and_then(|wait| wait.parse().ok()).unwrap_or(0.0);
                let end = Instant::now() + Duration::from_secs_f64(wait);
                while rows.tickets[place].1.state == TicketState::Queued {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    rows = self.changed.wait_timeout(rows, left).unwrap_or_else(PoisonError::into_inner).0;
                }
                let ticket = &rows.tickets[place].1;
                if ticket.state == TicketState::Ended { gone(ticket) } else { Reply::json(200, ticket) }
            }
            ("POST", ["renew"]) => {
                let ticket = &mut rows.tickets[place].1;
                let asked: Renew = serde_json::from_str(&request.body).unwrap_or_default();
                ticket.ttl_s = asked.ttl_s.or(ticket.ttl_s);
                if ticket.state == TicketState::Ended { gone(ticket) } else { Reply::json(200, ticket) }
            }
            ("DELETE", []) => {
                let ended_as = rows.tickets[place].1.ended_as;
                if ended_as.is_some_and(|how| how != EndedAs::Released && how != EndedAs::Cancelled) {
                    return gone(&rows.tickets[place].1);
                }
                rows.end(place, EndedAs::Released);
                let ticket = rows.tickets[place].1.clone();
                drop(rows);
                self.changed.notify_all();
                Reply::json(200, &Released { released: ended_as.is_none(), ticket: Some(ticket) })
            }
            _ => refuse(ErrorCode::NotFound, "there is nothing at this path"),
        }
    }
}

fn status() -> Status {
    Status {
        version: "1.0.0".to_owned(),
        uptime_s: Seconds::from_ms(90_061_000),
        role: "leader".to_owned(),
        store: "memory".to_owned(),
        ready: true,
        trouble: None,
        configuration: ConfigurationStatus {
            files: Vec::new(),
            loaded_at: "2026-01-01T00:00:00Z".to_owned(),
            refused: None,
        },
        warnings: Vec::new(),
        you: You::default(),
        limits: BTreeMap::new(),
    }
}
