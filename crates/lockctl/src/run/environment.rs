//! What the command is told about its locks.

use lock_client::Held;
use lock_client::api::Ticket;

/// Between the values of several locks, in the order of the command line.
const BETWEEN_LOCKS: &str = ";";

/// The variables of the command.
pub(super) fn of_command(held: &[Held], servers: &str, export_ticket: bool) -> Vec<(&'static str, String)> {
    let tickets: Vec<&Ticket> = held.iter().map(Held::ticket).collect();
    let mut variables = variables(&tickets, servers);
    if export_ticket {
        let ids: Vec<&str> = held.iter().map(Held::id).collect();
        variables.push(("LOCK_TICKET", ids.join(BETWEEN_LOCKS)));
    }
    variables
}

fn variables(tickets: &[&Ticket], servers: &str) -> Vec<(&'static str, String)> {
    let each = |value: &dyn Fn(&Ticket) -> String| {
        tickets.iter().map(|ticket| value(ticket)).collect::<Vec<_>>().join(BETWEEN_LOCKS)
    };
    let slots = |ticket: &Ticket| ticket.slots.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    vec![
        ("LOCK_NAME", each(&|ticket| ticket.lock.clone())),
        ("LOCK_TOKEN", each(&|ticket| ticket.token.map(|token| token.to_string()).unwrap_or_default())),
        ("LOCK_SLOT", each(&|ticket| ticket.slots.first().map(u32::to_string).unwrap_or_default())),
        ("LOCK_SLOTS", each(&slots)),
        ("LOCK_SLOT_NAME", each(&|ticket| ticket.slot_names.first().cloned().unwrap_or_default())),
        ("LOCK_SLOT_NAMES", each(&|ticket| ticket.slot_names.join(","))),
        ("LOCK_SERVER", servers.to_owned()),
    ]
}

/// `export` lines for a POSIX shell.
pub(crate) fn exports(ticket: &Ticket, servers: &str) -> String {
    let mut variables = variables(&[ticket], servers);
    variables.push(("LOCK_TICKET", ticket.id.clone().unwrap_or_default()));
    variables.iter().map(|(name, value)| format!("export {name}={}\n", quote(value))).collect()
}

/// One word of a shell, whatever is in it.
fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell() {
        for (value, word) in [("a-1", "a-1"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$(x)", "'$(x)'")]
        {
            assert_eq!(quote(value), word);
        }
    }
}
