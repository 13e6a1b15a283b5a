//! What is said when the server says no: in the words of the command line, never in those of HTTP.

use crate::bench::{Bench, text};
use faults::{Fault, Reply};
use lock_client::api::{ErrorCode, Problem};

/// Every code with what the server says of it, and what `lockctl` says.
const SAID: [(ErrorCode, &str, &str); 28] = [
    (
        ErrorCode::Busy,
        "no permit is free now: held by #7 x; ask again later, or say how long to wait: {\"wait_s\": 30}",
        "no permit is free now: held by #7 x; -w TIME",
    ),
    (ErrorCode::ConfigurationRefused, "a.conf:9: SIZE: 'q' is no number", "everything stays as it was, the conf"),
    (ErrorCode::Gone, "the ticket has ended: revoked", "the ticket has ended: revoked"),
    (ErrorCode::Internal, "internal error: the server's log has more", "internal error: the server's log has more"),
    (ErrorCode::Invalid, "max_ttl must be at most 2592000 s", "--max-ttl must be at most 2592000 s"),
    (ErrorCode::LimitReached, "tickets of the lock is at its bound of 9", "is at its bound of 9"),
    (ErrorCode::LockChanged, "it has changed; send its ETag as If-Match", "changed the lock meanwhile: look at it"),
    (ErrorCode::LockExists, "there is a lock of this name already", "there is a lock of this name already"),
    (ErrorCode::LockRetiring, "the lock is being removed", "the lock is being removed"),
    (
        ErrorCode::MethodNotAllowed,
        "this path does not take PUT; the header Allow lists its methods",
        "its version differs from",
    ),
    (ErrorCode::NameWithheld, "the name can be taken again in 5 s", "the name can be taken again in 5 s"),
    (ErrorCode::NotAHolder, "no holder has this token now", "no holder has this token now"),
    (ErrorCode::NotAllowed, "over the Unix socket /run/x", "over the Unix socket /run/x"),
    (ErrorCode::NotFound, "there is nothing at /v1/x", "its version differs from this lockctl"),
    (ErrorCode::Overloaded, "the server has too much to do, try again", "the server has too much to do, try again"),
    (ErrorCode::PayloadTooLarge, "the body is larger than 65536 bytes", "the options are too long"),
    (ErrorCode::RequestIdReused, "this request_id was used with other parameters", "for another one; try again"),
    (ErrorCode::RequestTimeout, "the body did not arrive in time", "only a part of the request in time"),
    (ErrorCode::ShuttingDown, "repeat it with the same request_id", "the server is being stopped; try again"),
    (ErrorCode::TicketChanged, "the ticket has moved on: it is held now", "the ticket has moved on: it is held now"),
    (ErrorCode::TimedOut, "no permit was free in time", "no permit was free in time"),
    (ErrorCode::TooManyPermits, "8 permits were asked for and the lock has 7", "8 permits were asked for and the lock"),
    (
        ErrorCode::Unauthorized,
        "this needs a right, which clients without a key do not have; send a key: 'Authorization: Bearer SECRET'",
        "which clients without a key do not have; --key-file FILE, LOCK_KEY_FILE or LOCK_KEY says which key to send",
    ),
    (ErrorCode::Unavailable, "the store cannot be used now: disk full", "the store cannot be used now: disk full"),
    (ErrorCode::UnknownLock, "lock does not exist; GET /v1/locks lists them", "`lockctl status` lists those there are"),
    (ErrorCode::UnknownTicket, "unknown ticket: the id is not a UUID", "`lockctl status LOCK` lists those there"),
    (ErrorCode::UnsupportedMediaType, "Content-Type is not supported", "its version differs from this lockctl"),
    (
        ErrorCode::WouldEndTickets,
        "3 tickets would end; repeat with ?force=true",
        "3 tickets would end; --force does it",
    ),
];

/// Words of HTTP and JSON.
const FOREIGN: [&str; 16] = [
    "=true",
    "?",
    "&",
    "If-",
    "ETag",
    "GET",
    "PUT",
    "HTTP",
    "/v1",
    "wait_s",
    "request_id",
    "_ttl",
    "header",
    " body",
    "JSON",
    "Content-",
];

#[test]
fn every_refusal_is_said_in_words_of_the_command_line() {
    let bench = Bench::new();
    // One of each kind: taking, giving back, and an administrator's.
    let commands: [&[&str]; 3] = [&["run", "a", "--", "true"], &["release", "x"], &["resize", "a", "2"]];
    for (code, detail, expected) in SAID {
        // Not repeated: how often that is done is another test's affair.
        let mut problem = Problem { retryable: false, ..Problem::new(code, detail) };
        problem.would_end = (code == ErrorCode::WouldEndTickets).then_some(3);
        bench.server.faults(move |_| Fault::Instead(Reply::problem(&problem)));
        for words in commands {
            let output = bench.run(words);
            let said = text(&output.stderr);
            assert!(!output.status.success(), "{code:?} {words:?}");
            let lines: Vec<&str> = said.lines().collect();
            assert!(lines.len() == 1 && lines[0].starts_with("lockctl: "), "{code:?} {words:?}: {said}");
            assert!(said.contains(expected), "{code:?} {words:?}: {said}");
            for foreign in FOREIGN {
                assert!(!said.contains(foreign), "{code:?} {words:?}: {foreign:?} in {said}");
            }
            assert_eq!(said.contains("`a`: "), words[0] == "run", "which of several locks: {said}");
            let socket = code == ErrorCode::NotAllowed && words[0] == "resize";
            assert_eq!(said.contains("lockctl takes that socket by itself"), socket, "{code:?} {words:?}: {said}");
        }
        let output = bench.run(&["--json", "resize", "a", "2"]);
        let told: Problem = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(told.code, code);
        assert!(told.detail.contains(expected), "{}", told.detail);
    }
}
