//! Exit statuses. They are part of the interface: docs/lockctl.md lists them.

use crate::{say, words};
use lock_client::Error;
use lock_client::api::{ErrorCode, Problem};
use serde::Serialize;

/// What is there now does not allow it: the lock exists already, tickets would end.
pub(crate) const CONFLICT: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 64;
/// No server.
pub(crate) const NO_SERVER: u8 = 69;
/// This machine does not let us.
pub(crate) const SYSTEM: u8 = 71;
/// Busy, or the wait is over.
pub(crate) const BUSY: u8 = 75;
/// The lease was lost; the ticket has ended.
pub(crate) const LOST: u8 = 76;
/// Not allowed.
pub(crate) const NOT_ALLOWED: u8 = 77;
/// No such lock, or a request that can never be granted.
pub(crate) const IMPOSSIBLE: u8 = 78;
/// The command is there and cannot be run, as the shell has it.
pub(crate) const CANNOT_RUN: u8 = 126;
/// The command is not there, as the shell has it.
pub(crate) const NO_COMMAND: u8 = 127;
/// Added to the number of the signal that ended something, as the shell has it.
pub(crate) const BY_SIGNAL: u8 = 128;

/// Why `lockctl` ends with another status than 0.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    /// What `code` was before somebody asked for another one.
    kind: u8,
    text: String,
    problem: Option<Box<Problem>>,
    /// The lock that it is about, where there may be several.
    lock: Option<String>,
}

/// What `lockctl` says by itself, in the shape of the server's problems.
#[derive(Serialize)]
struct OwnProblem<'a> {
    #[serde(rename = "type")]
    about: &'static str,
    title: String,
    status: u16,
    detail: &'a str,
    code: &'static str,
    retryable: bool,
}

impl Failure {
    pub(crate) fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, kind: code, text: text.into(), problem: None, lock: None }
    }

    /// A command line that is wrong.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(USAGE, text)
    }

    /// An end that needs no words.
    pub(crate) fn silent(code: u8) -> Self {
        Self::new(code, "")
    }

    /// The same with the name of the lock before it, for there may be several.
    pub(crate) fn about(mut self, lock: &str) -> Self {
        if self.problem.is_some() {
            self.text = format!("`{lock}`: {}", self.text);
        }
        self.lock = Some(lock.to_owned());
        self
    }

    /// The same, about a lock that its words name already.
    pub(crate) fn of_lock(mut self, lock: &str) -> Self {
        self.lock = Some(lock.to_owned());
        self
    }

    /// The same with other words for why.
    pub(crate) fn with_text(mut self, text: String) -> Self {
        if let Some(problem) = &mut self.problem {
            problem.detail.clone_from(&text);
        }
        self.text = text;
        self
    }

    /// Why, for people.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The lock that it is about, if that is known.
    pub(crate) fn lock(&self) -> Option<&str> {
        self.lock.as_deref()
    }

    /// Whether the server knows no such lock.
    pub(crate) fn is_unknown_lock(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.code == ErrorCode::UnknownLock)
    }

    /// That there is no lock of this name, and the one that may have been meant.
    pub(crate) fn no_lock(self, name: &str, meant: Option<&str>) -> Self {
        let meant = meant.map_or_else(|| ";".to_owned(), |meant| format!("; did you mean `{meant}`?"));
        let advice = "`lockctl status` lists those there are, `lockctl create` makes one";
        // As it is said of one of several locks, if it is one.
        let text = match &self.lock {
            Some(_) => format!("`{name}`: there is no such lock{meant} {advice}"),
            None => format!("there is no such lock: `{name}`{meant} {advice}"),
        };
        self.with_text(text)
    }

    /// The same with what to do if it was not allowed.
    pub(crate) fn for_administrators(mut self) -> Self {
        if self.problem.as_ref().is_some_and(|problem| problem.code == ErrorCode::NotAllowed) {
            let which = match self.text.contains("Unix socket") {
                true => "lockctl takes that socket by itself",
                false => "on the server's own machine lockctl takes the socket of its administrators by itself",
            };
            self.text.push_str(&format!("; {which} when no server is named"));
        }
        self
    }

    /// The same with the status of another kind of end, as if it were one.
    pub(crate) fn of_kind(self, code: u8) -> Self {
        Self { code, kind: code, ..self }
    }

    /// The same end with another status.
    pub(crate) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Writes why to standard error; as JSON if that was asked for.
    pub(crate) fn tell(&self, json: bool) {
        match &self.problem {
            Some(problem) if json => say::say_raw(serde_json::to_string(problem).unwrap_or_default() + "\n"),
            _ if self.text.is_empty() => {}
            None if json => say::say_raw(serde_json::to_string(&self.own_problem()).unwrap_or_default() + "\n"),
            _ => say::say(&say::clean(&self.text)),
        }
    }
}

impl Failure {
    /// A code of the server where that means the same, else one of our own; with the HTTP status that a server would give it.
    fn own_problem(&self) -> OwnProblem<'_> {
        let of_server = |code: ErrorCode| (code.as_str(), code.status(), code.is_retryable());
        let (code, status, retryable) = match self.kind {
            USAGE => of_server(ErrorCode::Invalid),
            NO_SERVER => ("no_server", 503, true),
            BUSY => of_server(ErrorCode::TimedOut),
            LOST => of_server(ErrorCode::Gone),
            NOT_ALLOWED => of_server(ErrorCode::NotAllowed),
            IMPOSSIBLE => ("impossible", 409, false),
            CANNOT_RUN => ("cannot_run", 500, false),
            NO_COMMAND => ("no_command", 500, false),
            _ => ("system", 500, false),
        };
        OwnProblem { about: "about:blank", title: code.replace('_', " "), status, detail: &self.text, code, retryable }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Address { .. }
            | Error::Key
            | Error::KeyFile { .. }
            | Error::Certificate { .. }
            | Error::Proxy { .. } => USAGE,
            Error::Refused(problem) => status_of(problem.code),
            Error::TimedOut { .. } => BUSY,
            _ => NO_SERVER,
        };
        let (text, problem) = match error {
            Error::Refused(mut problem) => {
                problem.detail = words::of(&problem);
                (problem.detail.clone(), Some(problem))
            }
            error => (error.to_string(), None),
        };
        Self { code, kind: code, text, problem, lock: None }
    }
}

fn status_of(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Busy | ErrorCode::TimedOut | ErrorCode::LimitReached | ErrorCode::NameWithheld => BUSY,
        ErrorCode::Gone | ErrorCode::NotAHolder | ErrorCode::UnknownTicket => LOST,
        ErrorCode::NotAllowed | ErrorCode::Unauthorized => NOT_ALLOWED,
        ErrorCode::UnknownLock | ErrorCode::TooManyPermits | ErrorCode::LockRetiring => IMPOSSIBLE,
        ErrorCode::ConfigurationRefused
        | ErrorCode::LockExists
        | ErrorCode::LockChanged
        | ErrorCode::TicketChanged
        | ErrorCode::WouldEndTickets => CONFLICT,
        ErrorCode::Invalid | ErrorCode::PayloadTooLarge | ErrorCode::RequestIdReused => USAGE,
        ErrorCode::Internal
        | ErrorCode::MethodNotAllowed
        | ErrorCode::NotFound
        | ErrorCode::Overloaded
        | ErrorCode::RequestTimeout
        | ErrorCode::ShuttingDown
        | ErrorCode::Unavailable
        | ErrorCode::UnsupportedMediaType
        | ErrorCode::Unknown => NO_SERVER,
    }
}
