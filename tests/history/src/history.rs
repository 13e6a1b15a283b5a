//! What clients asked and were told, and when: all that the judge may know.

/// Nanoseconds since the run began, by one monotonic clock for all clients.
pub type Nanos = u64;

/// A second.
pub const SECOND: Nanos = 1_000_000_000;

/// A call of one client and what came of it.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which client.
    pub client: u32,
    /// Which server was asked.
    pub server: usize,
    /// When the client began to send it.
    pub sent: Nanos,
    /// When the answer was there, or the client gave up.
    pub answered: Nanos,
    /// What was asked.
    pub ask: Ask,
    /// What was answered.
    pub answer: Answer,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A ticket; a repetition has the same id.
    Acquire { lock: String, request_id: String, permits: u32 },
    /// How the ticket stands. Only a request that waits for its grant is a heartbeat.
    Wait { ticket: String, waits: bool },
    /// A heartbeat.
    Renew { ticket: String },
    /// The end of the ticket.
    Release { ticket: String },
    /// Another size.
    Resize { lock: String, size: u32 },
    /// How the lock stands.
    Look { lock: String },
    /// Whether this token is that of a holder.
    Verify { lock: String, token: u64 },
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A ticket that lives.
    Ticket(Told),
    /// The ticket has been ended by its client, now or before.
    Released,
    /// The server ended the ticket, and how.
    Gone(String),
    /// The server has never heard of the ticket.
    UnknownTicket,
    /// The size is set.
    Resized,
    /// How the lock stands.
    Seen(Seen),
    /// Whether the token is that of a holder.
    Verified(bool),
    /// The server says that it did nothing, or it was not reached at all.
    Refused(String),
    /// Anything may have happened.
    Unknown(String),
}

/// A ticket, as its client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// By which it is renewed.
    pub id: String,
    /// Never given twice.
    pub number: u64,
    /// It holds; if not, it queues.
    pub held: bool,
    /// The slots that it has.
    pub slots: Vec<u64>,
    /// Its fencing token, if it holds.
    pub token: u64,
    /// How long it lives without a heartbeat.
    pub ttl: Nanos,
}

/// A lock, as somebody saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its size.
    pub size: u32,
    /// Numbers of the tickets that have permits.
    pub holders: Vec<u64>,
    /// Numbers of those that wait.
    pub queue: Vec<u64>,
}

/// A time in which something was broken. Order among waiters is judged outside of these only, since a server that starts
/// serves those first whose clients it hears.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What was done.
    pub kind: &'static str,
    /// When it began.
    pub from: Nanos,
    /// When nothing was broken any more: etcd answers. Servers that had been killed begin to start then.
    pub mended: Nanos,
    /// When all was well again.
    pub until: Nanos,
}

/// What a reader of the stream of events was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Which reader.
    pub reader: u32,
    /// When it had all of it.
    pub at: Nanos,
    /// What.
    pub word: Word,
}

/// One thing that a stream of events says, or that happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A server answered with a stream, which the reader had asked to go on after this id.
    Begun(Option<String>),
    /// What comes next follows this id.
    At(String),
    /// There is nothing new, and this was the last id.
    Comment(String),
    /// Events are missing. What comes next follows this id.
    Reset(String),
    /// An event.
    Event(Event),
    /// The stream broke, or there was none, and why.
    Broken(String),
}

/// An event, as a stream tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// From which a reader resumes.
    pub id: String,
    /// Its kind, such as `granted`.
    pub kind: String,
    /// The lock that it is about.
    pub lock: String,
    /// The number of its ticket, if it is about one.
    pub ticket: Option<u64>,
    /// The fencing token of a grant.
    pub token: Option<u64>,
    /// How its ticket ended.
    pub ended_as: Option<String>,
}

/// Everything that a run has recorded.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Names and first sizes of the locks.
    pub locks: Vec<(String, u32)>,
    /// All calls.
    pub calls: Vec<Call>,
    /// What readers of events were told, of each in the order of time.
    pub news: Vec<News>,
    /// All faults.
    pub faults: Vec<Fault>,
    /// Moments at which a leader was dead or cut off for good: the next one cannot have loaded the table before.
    pub takeovers: Vec<Nanos>,
    /// Servers that ended without being told to, and how.
    pub ended: Vec<String>,
}

impl History {
    /// All of it, one line for each call, fault and event.
    #[must_use]
    pub fn lines(&self) -> String {
        let calls = self.calls.iter().map(|call| format!("{call:?}\n"));
        let faults = self.faults.iter().map(|fault| format!("{fault:?}\n"));
        let takeovers = self.takeovers.iter().map(|at| format!("Takeover {at}\n"));
        let news = self.news.iter().map(|news| format!("{news:?}\n"));
        calls.chain(faults).chain(takeovers).chain(news).collect()
    }
}
