//! Words of the commands for administrators.

use super::{seconds, whole};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use std::str::FromStr;
use std::time::Duration;

/// A name of a slot with its tags, as in the configuration: `gpu0 {a100 nvlink}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) tags: Vec<String>,
}

impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some((name, rest)) = text.split_once('{') else {
            return Ok(Self { name: text.to_owned(), tags: Vec::new() });
        };
        let Some(tags) = rest.strip_suffix('}') else {
            return Err(
                "the tags of a slot stand in braces after its name, with blanks between: gpu0 {a100 nvlink}".to_owned()
            );
        };
        Ok(Self { name: name.trim_end().to_owned(), tags: tags.split_whitespace().map(str::to_owned).collect() })
    }
}

/// What a change needs that would end tickets.
#[derive(Debug, Args)]
pub(crate) struct Force {
    /// Do it although tickets end; with resize, although names of permits are lost
    #[arg(long)]
    pub(crate) force: bool,
    /// With --force: only if so many tickets end
    #[arg(long, value_name = "NUMBER", requires = "force", value_parser = whole::<u64>)]
    pub(crate) expect_tickets: Option<u64>,
}

impl Force {
    pub(crate) fn guarded(&self) -> lock_client::Guarded {
        lock_client::Guarded { force: self.force, expect_tickets: self.expect_tickets, revision: None }
    }
}

/// `create`
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name of the new lock
    pub(crate) lock: String,
    /// How many permits it has
    #[arg(long, value_name = "NUMBER", required_unless_present = "slots", value_parser = whole::<u32>)]
    pub(crate) size: Option<u32>,
    /// Names of its permits, with commas: their number is the size. Tags stand in braces after a name: `gpu0 {a100 nvlink},gpu1`
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "size")]
    pub(crate) slots: Option<Vec<Slot>>,
    /// Which of the slots that fit is given: the first, or the one that has been unused for longest
    #[arg(long, value_name = "first|lru", value_parser = ["first", "lru"], default_value = "first")]
    pub(crate) pick: String,
    /// Time to claim a grant
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) grace_time: Option<Duration>,
    /// Lease of queued tickets of XML-RPC clients; 0 for none
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) expiration_time: Option<Duration>,
    /// Lease of holders that ask for none; 0 for none
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) max_lock_time: Option<Duration>,
    /// Longest hold, whatever is renewed; 0 for none
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) max_hold_time: Option<Duration>,
    /// Longest lease that may be asked for
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) max_ttl: Option<Duration>,
    /// How long permits are withheld after their holder was lost
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) lock_delay: Option<Duration>,
    /// Longest queue
    #[arg(long, value_name = "NUMBER", value_parser = whole::<u32>)]
    pub(crate) max_queue: Option<u32>,
    /// Most permits of one key, or without one of one address, at a time
    #[arg(long, value_name = "NUMBER", value_parser = whole::<u32>)]
    pub(crate) max_per_owner: Option<u32>,
    /// How long after they were claimed permits are not given again
    #[arg(long, value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) min_hold_time: Option<Duration>,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) description: String,
}

/// `resize`
#[derive(Debug, Args)]
pub(crate) struct Resize {
    /// The lock
    pub(crate) lock: String,
    /// How many permits it has from now on; holders stay. A lock whose permits have names needs --slots
    #[arg(required_unless_present = "slots", value_parser = whole::<u32>)]
    pub(crate) size: Option<u32>,
    /// Names of its permits from now on, with commas: their number is the size. Tags stand in braces after a name
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "size")]
    pub(crate) slots: Option<Vec<Slot>>,
    /// Say what would happen, and do nothing
    #[arg(long, conflicts_with_all = ["force", "expect_tickets"])]
    pub(crate) preview: bool,
    #[command(flatten)]
    pub(crate) force: Force,
}

/// `pause`
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The lock
    pub(crate) lock: String,
    /// Why, for those who wait
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Go on by itself after that
    #[arg(long = "for", value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) until: Option<Duration>,
}

/// `withhold`
#[derive(Debug, Args)]
pub(crate) struct Withhold {
    /// The lock
    pub(crate) lock: String,
    /// How many permits: those that are free at once, the rest as it comes back
    #[arg(required_unless_present = "slot", value_parser = whole::<u32>)]
    pub(crate) permits: Option<u32>,
    /// Slots by their names instead, with commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "permits")]
    pub(crate) slot: Option<Vec<String>>,
    /// Why, for everybody who looks
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    /// Restore them by itself after that
    #[arg(long = "for", value_name = "TIME", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) until: Option<Duration>,
}

/// `restore`
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The lock
    pub(crate) lock: String,
    /// Only those of the withholding with this number, as `status` shows it
    #[arg(long, value_parser = whole::<u64>)]
    pub(crate) number: Option<u64>,
    /// Only the slots of these names, with commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "number")]
    pub(crate) slot: Option<Vec<String>>,
}

/// `outside`
#[derive(Debug, Args)]
pub(crate) struct Outside {
    /// The lock
    pub(crate) lock: String,
    /// Permits in use in all, also by those who do not ask the server
    #[arg(required_unless_present = "none", value_parser = whole::<u32>)]
    pub(crate) in_use: Option<u32>,
    /// So long the report counts, if no other comes
    #[arg(long = "for", value_name = "TIME", value_parser = seconds, allow_negative_numbers = true, default_value = "300")]
    pub(crate) until: Duration,
    /// Take the report back
    #[arg(long, conflicts_with = "in_use")]
    pub(crate) none: bool,
}

/// `revoke`
#[derive(Debug, Args)]
#[command(
    after_help = "Without a number all tickets that fit all of --from, --of-key, --info, --holders and --queue are shown; they end \
    when you say yes, or with --yes. A ticket that moved on meanwhile, because a waiter got its permits say, is left alone."
)]
pub(crate) struct Revoke {
    /// The lock
    pub(crate) lock: String,
    /// Public number of the ticket, as `status` shows it
    #[arg(required_unless_present_any = ["from", "key_name", "words", "holders", "queue"], value_parser = whole::<u64>)]
    pub(crate) number: Option<u64>,
    /// Why, for its client
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) which: Which,
    /// End them without a question
    #[arg(long, conflicts_with = "number")]
    pub(crate) yes: bool,
}

/// Which of a lock's tickets. An empty text is in every ticket: it is a variable that nobody set, and no filter.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Those of clients at this address
    #[arg(long, value_name = "ADDRESS", conflicts_with = "number", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) from: Option<String>,
    /// Those that were made with the key of this name
    #[arg(long = "of-key", id = "key_name", value_name = "NAME", conflicts_with = "number",
        value_parser = NonEmptyStringValueParser::new())]
    pub(crate) key_name: Option<String>,
    /// Those whose info contains this
    #[arg(long = "info", id = "words", value_name = "TEXT", conflicts_with = "number",
        value_parser = NonEmptyStringValueParser::new())]
    pub(crate) words: Option<String>,
    /// Those that have permits
    #[arg(long, conflicts_with_all = ["number", "queue"])]
    pub(crate) holders: bool,
    /// Those that wait
    #[arg(long, conflicts_with = "number")]
    pub(crate) queue: bool,
}

/// `delete`
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The lock
    pub(crate) lock: String,
    #[command(flatten)]
    pub(crate) force: Force,
}

/// `set`
#[derive(Debug, Args)]
#[command(
    after_help = "Settings: size, slots (names with commas), pick (first or lru), grace-time, expiration-time, max-lock-time, \
    max-hold-time, max-ttl, lock-delay, max-queue, max-per-owner, min-hold-time, description. Times are as 90, 20m or \
    1h30m; 0 is never; an empty value is the default."
)]
pub(crate) struct Set {
    /// The lock
    pub(crate) lock: String,
    /// What to change, as max-hold-time=10m or description="disks of db1"; what is not named stays
    #[arg(required = true, value_name = "SETTING=VALUE")]
    pub(crate) settings: Vec<String>,
    #[command(flatten)]
    pub(crate) force: Force,
}
