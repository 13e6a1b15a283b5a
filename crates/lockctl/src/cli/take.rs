//! Words of the commands that take and give back.

use super::{EXIT_STATUS, seconds, whole};
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::time::Duration;

/// How long to wait for a grant. The letters are those of flock(1).
#[derive(Debug, Clone, Args)]
pub(crate) struct Waiting {
    /// Do not wait: status 75 if it is not free
    #[arg(short = 'n', long = "nonblock", visible_alias = "nb", conflicts_with = "wait")]
    pub(crate) nonblock: bool,
    /// Wait no longer than that for all locks together, then status 75; decimals are allowed, 0 is -n
    #[arg(short = 'w', long = "wait", visible_alias = "timeout", value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) wait: Option<Duration>,
    /// Status instead of 75 when it is busy or the wait is over; with 0 nothing is said
    #[arg(short = 'E', long = "conflict-exit-code", value_name = "CODE", value_parser = whole::<u8>)]
    pub(crate) conflict_exit_code: Option<u8>,
    /// With --local: how many permits the lock has. Its first use makes it, with 1 if nothing is said, and another size changes it
    #[arg(long, value_name = "PERMITS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) size: Option<u32>,
    /// -100 to 100; higher goes first
    #[arg(long, value_name = "NUMBER", default_value_t = 0, allow_negative_numbers = true,
        value_parser = clap::value_parser!(i8).range(-100..=100))]
    pub(crate) priority: i8,
    /// What others see beside the ticket; without it the host, the process and the command's name
    #[arg(long, value_name = "TEXT")]
    pub(crate) info: Option<String>,
    /// End the hold after that, whatever is renewed
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) max_hold: Option<Duration>,
    /// Exactly the slots of these names, with commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "tag")]
    pub(crate) slot: Vec<String>,
    /// A slot that has all of these tags, with commas
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub(crate) tag: Vec<String>,
    /// The latest only: end what the same key, or without one the same address, has queued for the same locks with this word
    #[arg(long, value_name = "WORD", num_args = 0..=1, require_equals = true, default_missing_value = "latest")]
    pub(crate) latest: Option<String>,
}

impl Waiting {
    /// Nothing is for ever.
    pub(crate) fn limit(&self) -> Option<Duration> {
        if self.nonblock { Some(Duration::ZERO) } else { self.wait }
    }
}

/// What to do with the command when the lease is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnLost {
    /// TERM, then KILL, before somebody else can have the permit
    Kill,
    /// Say so and let it run, although somebody else may have the permit then
    Warn,
}

/// `run`
#[derive(Debug, Args)]
#[command(after_help = format!("The command finds LOCK_NAME, LOCK_TOKEN (the fencing token), LOCK_SLOT and LOCK_SLOT_NAME (the \
    first slot, by number and name), LOCK_SLOTS and LOCK_SLOT_NAMES (all, with commas; more than 100 numbers as ranges, 0-999) \
    and LOCK_SERVER in its environment; \
    with several locks a value for each in the order of the command line, with ; between.\n\n{EXIT_STATUS}"))]
pub(crate) struct Run {
    /// A lock, or LOCK=PERMITS where PERMITS is a number or `all`. Of several, 16 at most, all are taken at once or none
    #[arg(required_unless_present = "lock", value_name = "LOCK[=PERMITS]")]
    pub(crate) locks: Vec<String>,
    /// One more lock: for names that begin with a dash, as --lock=-NAME
    #[arg(long, value_name = "LOCK[=PERMITS]", allow_hyphen_values = true)]
    pub(crate) lock: Vec<String>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    /// The lease: how long after the last heartbeat the server holds it for us; at least 3 x (--kill-after + 1)
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) ttl: Duration,
    /// Time between TERM and KILL when the lease is lost: 10 seconds, or less where --ttl is short
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) kill_after: Option<Duration>,
    /// If the command succeeds: nobody is given the permits before they were ours for that long, however soon it ends
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) min_hold: Option<Duration>,
    /// What to do with the command when the lease is lost
    #[arg(long, value_name = "WHAT", default_value = "kill")]
    pub(crate) on_lost: OnLost,
    /// Give the command LOCK_TICKET too, with which it can release the lock itself and go on without it
    #[arg(long)]
    pub(crate) export_ticket: bool,
    /// Take no ticket for what a run around this one holds: the command runs as a part of that. 1 or 0 in the variable
    #[arg(long, env = "LOCK_INHERIT", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) inherit: bool,
    /// Say what we wait for and who holds it
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// `acquire`
#[derive(Debug, Args)]
#[command(after_help = EXIT_STATUS)]
pub(crate) struct Acquire {
    /// A lock, or LOCK=PERMITS where PERMITS is a number or `all`. Of several, 16 at most, all are taken at once or none
    #[arg(required = true, value_name = "LOCK[=PERMITS]")]
    pub(crate) locks: Vec<String>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    /// The lease; without it the lock's own
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) ttl: Option<Duration>,
    /// Say what we wait for and who holds it
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
}

/// `renew`
#[derive(Debug, Args)]
pub(crate) struct Renew {
    /// The ticket's id, as `acquire` printed it
    #[arg(env = "LOCK_TICKET", hide_env_values = true)]
    pub(crate) ticket: String,
    /// A new lease from now on
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) ttl: Option<Duration>,
}

/// `release`
#[derive(Debug, Args)]
pub(crate) struct Release {
    /// The ticket's id, as `acquire` printed it; with --number the lock
    #[arg(value_name = "TICKET|LOCK", env = "LOCK_TICKET", hide_env_values = true)]
    pub(crate) ticket: String,
    /// Public number of a ticket of one's own key
    #[arg(long, value_parser = whole::<u64>)]
    pub(crate) number: Option<u64>,
    /// Nobody is given the permits for so long
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true, conflicts_with = "number")]
    pub(crate) keep: Option<Duration>,
    /// What is broken: the permits are withheld, for this reason, until an administrator restores them
    #[arg(long, value_name = "REASON", conflicts_with = "number")]
    pub(crate) withhold: Option<String>,
}
