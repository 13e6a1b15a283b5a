//! The server's refusals in the words of this command line: its own are meant for those who speak HTTP.

use lock_client::Error;
use lock_client::api::{EndedAs, ErrorCode, Problem};

/// What happened and what to do, with options and commands of `lockctl` where the server names headers and parameters.
pub(crate) fn of(problem: &Problem) -> String {
    // Whatever has no advice for a program is said as the server says it.
    let said = || Error::Refused(Box::new(problem.clone())).to_string();
    match problem.code {
        ErrorCode::Busy => {
            // A pause and its reason are told by the server alone, to those who may not look.
            let said = said();
            format!("{}; -w TIME waits for one", said.split("; ask again").next().unwrap_or(&said))
        }
        ErrorCode::ConfigurationRefused => {
            format!("everything stays as it was, the configuration has errors: {}", said())
        }
        ErrorCode::Gone if problem.ended_as == Some(EndedAs::Superseded) => {
            let by = problem.tickets.first().and_then(|ticket| ticket.superseded_by);
            let by = by.map(|number| format!(": ticket {number}")).unwrap_or_default();
            format!("a newer one has taken its place in the queue{by}")
        }
        ErrorCode::Invalid if said().contains("the name contains '/'") => {
            format!("{}; write another character in its place, as in team-ci or team.ci", said())
        }
        ErrorCode::Invalid => options(&said()),
        ErrorCode::LockChanged => {
            "somebody else has changed the lock meanwhile: look at it with `lockctl status` and try again".to_owned()
        }
        ErrorCode::MethodNotAllowed | ErrorCode::NotFound | ErrorCode::UnsupportedMediaType => {
            "the server does not know this command: its version differs from this lockctl, or it is not a lockserver"
                .to_owned()
        }
        ErrorCode::PayloadTooLarge => "the options are too long: the server reads 64 KiB at most".to_owned(),
        ErrorCode::RequestIdReused => "the server has mistaken this request for another one; try again".to_owned(),
        ErrorCode::RequestTimeout => "the server got only a part of the request in time; try again".to_owned(),
        ErrorCode::ShuttingDown => "the server is being stopped; try again".to_owned(),
        ErrorCode::Unauthorized => {
            // Whether a key is wrong or missing the server knows. How to send one is another matter here.
            let said = said();
            let why = said.split("; send a key: ").next().unwrap_or(&said);
            format!("{why}; --key-file FILE, LOCK_KEY_FILE or LOCK_KEY says which key to send")
        }
        ErrorCode::UnknownLock => {
            "there is no such lock; `lockctl status` lists those there are, `lockctl create` makes one".to_owned()
        }
        ErrorCode::UnknownTicket if said().contains("has no withholding") => {
            "the lock has no withholding of this number; `lockctl status LOCK` lists those there are".to_owned()
        }
        ErrorCode::UnknownTicket => {
            "there is no such ticket, or it ended more than 10 minutes ago; `lockctl status LOCK` lists those there are"
                .to_owned()
        }
        ErrorCode::WouldEndTickets => {
            let count = problem.would_end.unwrap_or_default();
            let tickets = if count == 1 { "1 ticket".to_owned() } else { format!("{count} tickets") };
            format!(
                "{tickets} would end; --force does it, and with --expect-tickets {count} only if it is still so many"
            )
        }
        ErrorCode::Gone
        | ErrorCode::Internal
        | ErrorCode::LimitReached
        | ErrorCode::LockExists
        | ErrorCode::LockRetiring
        | ErrorCode::NameWithheld
        | ErrorCode::NotAHolder
        | ErrorCode::NotAllowed
        | ErrorCode::Overloaded
        | ErrorCode::TicketChanged
        | ErrorCode::TimedOut
        | ErrorCode::TooManyPermits
        | ErrorCode::Unavailable
        | ErrorCode::Unknown => said(),
    }
}

/// Fields of the API that have an option here, by the option's name.
const OPTIONS: [&str; 12] = [
    "expiration-time",
    "grace-time",
    "keep",
    "lock-delay",
    "max-hold",
    "max-hold-time",
    "max-lock-time",
    "max-per-owner",
    "max-queue",
    "max-ttl",
    "min-hold-time",
    "ttl",
];

/// The same text with `--max-ttl` for `max_ttl` and `max_ttl_s`.
fn options(text: &str) -> String {
    let option = |word: &str| {
        let name = match word {
            "supersede" => "latest".to_owned(),
            _ => word.trim_end_matches("_s").replace('_', "-"),
        };
        (OPTIONS.contains(&name.as_str()) || name == "latest").then(|| format!("--{name}"))
    };
    text.split(' ').map(|word| option(word).unwrap_or_else(|| word.to_owned())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_options() {
        for (field, option) in [
            ("ttl must be from 1 s to 2592000 s", "--ttl must be from 1 s to 2592000 s"),
            ("lock_delay must be at most 9 s", "--lock-delay must be at most 9 s"),
            ("a max_hold_s of 0", "a --max-hold of 0"),
            ("size must be from 1", "size must be from 1"),
        ] {
            assert_eq!(options(field), option);
        }
    }
}
