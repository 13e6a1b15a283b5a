//! Clients: each asks, waits, renews and gives back like a program that must not lose track, and records all it was told.

use crate::history::{Answer, Ask, Call, Nanos, SECOND, Seen, Told};
use crate::http::{Outcome, call};
use crate::random::Random;
use hyper::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// A lock that is made larger and smaller, and one that is not.
pub(crate) const LOCKS: [(&str, u32); 3] = [("one", 1), ("pair", 2), ("many", 4)];
const RESIZED: &str = "many";
const SIZES: [u64; 2] = [2, 5];
/// How long a client asks again for what was not answered, before it lets its ticket run out.
const PERSISTENCE: Duration = Duration::from_secs(30);

/// What all clients of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) begun: Instant,
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) stop: AtomicBool,
}

impl Shared {
    pub(crate) fn now(&self) -> Nanos {
        u64::try_from(self.begun.elapsed().as_nanos()).expect("a run ends within centuries")
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Asks a server, and records what came of it.
    async fn ask(&self, client: u32, server: usize, ask: Ask, options: &Value, patience: Duration) -> Answer {
        let (method, path, body) = request(&ask, options);
        let sent = self.now();
        let outcome = call(self.servers[server], method, &path, body.as_ref(), patience).await;
        let answered = self.now();
        let answer = read(&ask, outcome);
        let call = Call { client, server, sent, answered, ask, answer: answer.clone() };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        answer
    }
}

fn request(ask: &Ask, options: &Value) -> (Method, String, Option<Value>) {
    match ask {
        Ask::Acquire { lock, request_id, permits } => {
            let mut body = options.clone();
            body["request_id"] = json!(request_id);
            body["permits"] = json!(permits);
            (Method::POST, format!("/v1/locks/{lock}/tickets"), Some(body))
        }
        Ask::Wait { ticket } => (Method::GET, format!("/v1/tickets/{ticket}?wait_s={}", options["wait_s"]), None),
        Ask::Renew { ticket } => (Method::POST, format!("/v1/tickets/{ticket}/renew"), Some(json!({}))),
        Ask::Release { ticket } => (Method::DELETE, format!("/v1/tickets/{ticket}"), None),
        Ask::Resize { lock, size } => (Method::PATCH, format!("/v1/locks/{lock}"), Some(json!({ "size": size }))),
        Ask::Look { lock } => (Method::GET, format!("/v1/locks/{lock}"), None),
    }
}

fn read(ask: &Ask, outcome: Outcome) -> Answer {
    let (status, body) = match outcome {
        Outcome::Answered(status, body) => (status, body),
        Outcome::NotSent(why) => return Answer::Refused(format!("not sent: {why}")),
        Outcome::Unknown(why) => return Answer::Unknown(why),
    };
    if status >= 300 {
        let code = body["code"].as_str().unwrap_or("none").to_owned();
        return match code.as_str() {
            _ if body["may_have_taken_effect"] == true => Answer::Unknown(code),
            "gone" => Answer::Gone(body["ended_as"].as_str().unwrap_or("none").to_owned()),
            "unknown_ticket" => Answer::UnknownTicket,
            "none" | "internal" => Answer::Unknown(format!("{status} {body}")),
            _ => Answer::Refused(code),
        };
    }
    let answer = match ask {
        Ask::Acquire { .. } | Ask::Wait { .. } | Ask::Renew { .. } => told(&body).map(Answer::Ticket),
        Ask::Release { .. } => Some(Answer::Released),
        Ask::Resize { .. } => Some(Answer::Resized),
        Ask::Look { .. } => seen(&body).map(Answer::Seen),
    };
    answer.unwrap_or_else(|| Answer::Unknown(format!("{status} {body}")))
}

fn told(body: &Value) -> Option<Told> {
    let held = match body["state"].as_str()? {
        "held" => true,
        "queued" => false,
        _ => return None,
    };
    let ttl = Duration::try_from_secs_f64(body["ttl_s"].as_f64()?).ok()?;
    Some(Told {
        id: body["id"].as_str()?.to_owned(),
        number: body["number"].as_u64()?,
        held,
        slots: body["slots"].as_array()?.iter().filter_map(Value::as_u64).collect(),
        token: if held { body["token"].as_u64()? } else { 0 },
        ttl: u64::try_from(ttl.as_nanos()).ok()?,
    })
}

fn seen(body: &Value) -> Option<Seen> {
    let numbers = |name: &str| -> Option<Vec<u64>> {
        body[name].as_array()?.iter().map(|ticket| ticket["number"].as_u64()).collect()
    };
    let size = u32::try_from(body["size"].as_u64()?).ok()?;
    Some(Seen { size, holders: numbers("holders")?, queue: numbers("queue")? })
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    shared: Arc<Shared>,
    number: u32,
    random: Random,
    server: usize,
}

impl Client {
    pub(crate) fn new(shared: Arc<Shared>, number: u32, seed: u64) -> Self {
        let server = number as usize % shared.servers.len();
        Self { shared, number, random: Random::new(seed, u64::from(number) + 100), server }
    }

    /// Asks for permits and gives them back, until the run stops.
    pub(crate) async fn work(mut self) {
        while !self.shared.stopped() {
            self.job().await;
            sleep(self.random.ms(0, 30)).await;
        }
    }

    /// Sets sizes, until the run stops.
    pub(crate) async fn resize(mut self) {
        while !self.shared.stopped() {
            let size = SIZES[0] + self.random.below(SIZES[1] - SIZES[0] + 1);
            let size = u32::try_from(size).expect("small");
            self.insist(Ask::Resize { lock: RESIZED.to_owned(), size }, Value::Null).await;
            sleep(self.random.ms(300, 2000)).await;
        }
    }

    /// Looks at locks, until the run stops; at one server, and again before the last look is answered, so that one that
    /// stands still finds them when it goes on.
    pub(crate) async fn look(mut self) {
        let mut looks = tokio::task::JoinSet::new();
        while !self.shared.stopped() {
            let (lock, _) = LOCKS[usize::try_from(self.random.below(3)).expect("small")];
            let (shared, number, server) = (Arc::clone(&self.shared), self.number, self.server);
            looks.spawn(async move {
                let ask = Ask::Look { lock: lock.to_owned() };
                shared.ask(number, server, ask, &Value::Null, Duration::from_secs(15)).await;
            });
            while looks.try_join_next().is_some() {}
            sleep(self.random.ms(80, 160)).await;
        }
        looks.join_all().await;
    }

    async fn ask(&mut self, ask: Ask, options: &Value, patience: Duration) -> Answer {
        self.shared.ask(self.number, self.server, ask, options, patience).await
    }

    /// Asks until there is an answer that says something about what was asked.
    async fn insist(&mut self, ask: Ask, options: Value) -> Answer {
        let begun = Instant::now();
        loop {
            let wait = Duration::from_secs_f64(options["wait_s"].as_f64().unwrap_or(0.0));
            // Now and then more than anything stands still, so that somebody waits for a server that comes back.
            let patience =
                wait + if self.random.percent(30) { Duration::from_secs(12) } else { self.random.ms(500, 3000) };
            let answer = self.ask(ask.clone(), &options, patience).await;
            let again = match &answer {
                Answer::Unknown(_) => true,
                Answer::Refused(code) => code != "busy" && code != "timed_out",
                _ => false,
            };
            if !again || begun.elapsed() > PERSISTENCE {
                return answer;
            }
            self.server = (self.server + 1) % self.shared.servers.len();
            sleep(self.random.ms(20, 200)).await;
        }
    }

    async fn job(&mut self) {
        let (lock, size) = LOCKS[usize::try_from(self.random.below(3)).expect("small")];
        let permits = if size > 1 && self.random.percent(20) { 2 } else { 1 };
        let queue = self.random.percent(60);
        let wait = if self.random.percent(50) { 0 } else { self.random.below(4) };
        let options = json!({ "queue": queue, "wait_s": wait, "ttl_s": 4 + self.random.below(9) });
        let ask = Ask::Acquire { lock: lock.to_owned(), request_id: self.random.id(), permits };
        let Answer::Ticket(mut told) = self.insist(ask.clone(), options.clone()).await else { return };
        while !told.held {
            let wait = if self.random.percent(20) { 0 } else { 1 + self.random.below(3) };
            if self.random.percent(2) || self.shared.stopped() {
                break;
            }
            let answer = self.insist(Ask::Wait { ticket: told.id.clone() }, json!({ "wait_s": wait })).await;
            match answer {
                Answer::Ticket(now) => told = now,
                _ => return,
            }
        }
        if told.held && !self.hold(&told).await {
            return;
        }
        if self.random.percent(1) {
            // A client that dies: its lease has to run out.
            return;
        }
        self.insist(Ask::Release { ticket: told.id.clone() }, Value::Null).await;
        if self.random.percent(10) {
            // A repetition that comes late must not be taken for a new request.
            self.ask(ask, &options, Duration::from_secs(5)).await;
        }
    }

    /// Holds for a while, and renews; whether it still holds at the end.
    async fn hold(&mut self, told: &Told) -> bool {
        let short = self.random.percent(95);
        let time = if short { self.random.ms(0, 150) } else { self.random.ms(500, 8000) };
        let begun = Instant::now();
        loop {
            // At once for the first time: a grant that was waited for has a lease whose beginning its client does not know.
            let answer = self.insist(Ask::Renew { ticket: told.id.clone() }, Value::Null).await;
            if !matches!(answer, Answer::Ticket(_)) {
                return false;
            }
            let left = time.saturating_sub(begun.elapsed());
            if left.is_zero() || self.shared.stopped() {
                return true;
            }
            sleep(left.min(Duration::from_nanos(told.ttl.min(20 * SECOND) / 5))).await;
        }
    }
}
