//! The manual pages: options from the same table as `--help`, and what a manual has beside them.

use crate::cli;
use crate::exit::{Failure, SYSTEM};
use clap::Command;
use clap_mangen::Man;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// For the bottom of each page.
const SOURCE: &str = concat!("lockctl ", env!("CARGO_PKG_VERSION"));

/// Lines that people type, and what each does, by command.
const EXAMPLES: [(&str, &[(&str, &str)]); 14] = [
    (
        "lockctl",
        &[
            ("lockctl run san-ssh -- ssh san show volumes", "Hold a permit of the lock while the command runs."),
            ("lockctl status", "See all locks."),
        ],
    ),
    (
        "run",
        &[
            (
                "lockctl run -w 5m san-ssh -- ssh san show volumes",
                "Wait for five minutes at most; status 75 if that is not enough.",
            ),
            (
                "lockctl run -n -E 0 nightly-report -- /usr/local/bin/report",
                "For cron on many hosts: one of them runs it, the others print nothing.",
            ),
            (
                "lockctl run licences=3 gpu -- make simulation",
                "Three permits of one lock and one of another, all at once or none.",
            ),
            ("lockctl run table=all -- rebuild-index", "Alone: when nobody else has a permit of it."),
        ],
    ),
    (
        "acquire",
        &[(
            "hold=$(lockctl acquire -w 60 san-ssh) && eval \"$hold\" || exit",
            "Take a permit for the rest of a script; lockctl release gives it back.",
        )],
    ),
    ("renew", &[("lockctl renew --ttl 10m", "Ten more minutes for the ticket in LOCK_TICKET.")]),
    ("release", &[("lockctl release san-ssh --number 145", "Give back ticket 145 of your own key.")]),
    (
        "status",
        &[
            ("lockctl status san-ssh", "The holders and the queue of the lock, with their times."),
            ("lockctl status --holder build7", "Where the host build7 holds or waits, in all locks."),
            ("lockctl status --server-itself", "How the server is, and why lockctl asks this one."),
        ],
    ),
    ("history", &[("lockctl history san-ssh --since 15m", "Its holders and changes in the last quarter of an hour.")]),
    ("watch", &[("lockctl watch san-ssh", "Every change, with its author.")]),
    (
        "check",
        &[(
            "lockctl check san-ssh -w 1m -c 5m",
            "WARNING if the first in line has waited for longer than a minute, CRITICAL after five.",
        )],
    ),
    (
        "create",
        &[(
            "lockctl create licences --size 6 --max-hold-time 8h --description 'CAD licences'",
            "Make a lock of six permits, which are held for eight hours at most.",
        )],
    ),
    ("set", &[("lockctl set licences max-hold-time=4h size=8", "Change two settings; all others stay.")]),
    (
        "pause",
        &[(
            "lockctl pause san-ssh --for 2h --reason 'firmware of the SAN'",
            "Give no permits for two hours; holders go on.",
        )],
    ),
    (
        "revoke",
        &[
            ("lockctl revoke san-ssh 145 --reason 'its host is gone'", "End one ticket."),
            (
                "lockctl revoke deploy --queue --info pipeline-8123",
                "Show the waiters of a dead pipeline, and end them if you say yes.",
            ),
        ],
    ),
    ("reload", &[("lockserver check-config && lockctl reload", "Bring a changed configuration into force.")]),
];

const ENVIRONMENT: [(&str, &str); 7] = [
    ("LOCK_SERVER", "Servers, as --server."),
    ("LOCK_KEY_FILE, LOCK_KEY", "File with the secret of a key, and the secret itself."),
    ("LOCK_CA", "Certificates of authorities to trust, as --ca."),
    ("LOCK_CERT, LOCK_CERT_KEY", "Certificate to show, and its key, as --cert and --cert-key."),
    ("LOCK_CONNECT_TIMEOUT", "As --connect-timeout."),
    ("LOCK_TICKET", "The ticket of renew and release."),
    ("http_proxy, https_proxy, all_proxy, no_proxy", "Proxies. Requests to this machine never go through one."),
];

const OF_THE_COMMAND: [(&str, &str); 6] = [
    (
        "LOCK_NAME",
        "The lock. With several locks each of these variables but LOCK_TICKET has a value for each, in the order of the command line, with ; between.",
    ),
    ("LOCK_TOKEN", "The fencing token."),
    ("LOCK_SLOT, LOCK_SLOT_NAME", "The first slot, by its number from 0 and by its name."),
    ("LOCK_SLOTS, LOCK_SLOT_NAMES", "All slots, with commas; more than 100 numbers as ranges."),
    ("LOCK_SERVER", "The servers that were asked."),
    ("LOCK_TICKET", "Only with --export-ticket: with it the command may give the lock back itself."),
];

const FILES: [(&str, &str); 3] = [
    (
        "~/.config/lockserver/client.conf",
        "Settings of the user, a NAME=VALUE a line: LOCK_SERVER, LOCK_KEY_FILE, LOCK_CA, LOCK_CERT, LOCK_CERT_KEY, LOCK_CONNECT_TIMEOUT. Options and variables come first.",
    ),
    ("/etc/lockserver/client.conf", "The same for all of this machine; the user's come first."),
    (
        "/run/lockserver/admin.sock",
        "The socket of a server on this machine, which is asked if nothing names another one and you may use it.",
    ),
];

const EXIT_STATUS: [(&str, &str); 11] = [
    ("0", "Done; of run that the command ended with 0."),
    ("1", "The present state does not allow all of the change."),
    ("64", "Wrong command line."),
    ("69", "No server answered, or the answer is not from a lockserver."),
    ("71", "This machine refused something."),
    ("75", "Busy, or the wait was over (or the status of -E)."),
    ("76", "The lease was lost and the command was ended; the ticket has ended; the token is not a holder's."),
    ("77", "Not allowed."),
    ("78", "No such lock, or a request that can never be granted."),
    ("126, 127", "The command cannot be run, or is not there."),
    ("128 + N", "Of run: signal N ended the command. Any other status is the command's own."),
];

const EXIT_STATUS_OF_CHECK: [(&str, &str); 4] =
    [("0", "OK."), ("1", "WARNING."), ("2", "CRITICAL."), ("3", "UNKNOWN: the check was not possible.")];

const EXIT_STATUS_ALONE: [(&str, &str); 3] =
    [("0", "Done."), ("64", "Wrong command line."), ("71", "This machine refused something.")];

/// Writes them: `lockctl.1`, `lockctl-run.1` and so on.
pub(super) fn write(directory: &Path) -> Result<u8, Failure> {
    // The version alone: which commit it was built from is no business of the manual.
    let mut command = cli::plain_command().version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    command.build();
    let write = || -> io::Result<()> {
        std::fs::create_dir_all(directory)?;
        for page in std::iter::once(&command).chain(command.get_subcommands()) {
            let name = page.get_display_name().unwrap_or_else(|| page.get_name());
            std::fs::write(directory.join(format!("{name}.1")), text(page.clone(), &command)?)?;
        }
        Ok(())
    };
    write().map_err(|error| Failure::new(SYSTEM, format!("{}: {error}", directory.display())))?;
    Ok(0)
}

fn text(mut page: Command, whole: &Command) -> io::Result<Vec<u8>> {
    // A lock may be given by --lock, too; one there must be.
    let usage = page.render_usage().to_string().replacen("[LOCK[=PERMITS]]...", "<LOCK[=PERMITS]>...", 1);
    let name = page.get_name().to_owned();
    let man = Man::new(page.clone()).source(SOURCE).manual("lockserver");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    let mut more = String::new();
    let _ = writeln!(more, ".SH SYNOPSIS\n{}", line(usage.trim_start_matches("Usage: ").trim()));
    out.extend_from_slice(more.as_bytes());
    man.render_description_section(&mut out)?;
    // What the help says below its options. The statuses have a section of their own.
    let after = page.get_after_help().map(ToString::to_string).unwrap_or_default().replace(cli::EXIT_STATUS, "");
    for paragraph in after.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        out.extend_from_slice(format!(".PP\n{}\n", line(paragraph)).as_bytes());
    }
    man.render_options_section(&mut out)?;
    if page.get_subcommands().next().is_some() {
        man.render_subcommands_section(&mut out)?;
    }
    let mut more = String::new();
    if let Some((_, examples)) = EXAMPLES.iter().find(|(of, _)| *of == name) {
        more.push_str(".SH EXAMPLES\n");
        for (typed, does) in *examples {
            let _ = writeln!(more, ".TP\n\\fB{}\\fR\n{}", roff(typed), line(does));
        }
    }
    let is_alone = cli::is_alone(&name);
    if !is_alone {
        surroundings(&mut more, &name);
    }
    more.push_str(".SH EXIT STATUS\n");
    match name.as_str() {
        "check" => list(&mut more, &EXIT_STATUS_OF_CHECK),
        _ if is_alone => list(&mut more, &EXIT_STATUS_ALONE),
        _ => list(&mut more, &EXIT_STATUS),
    }
    let others = std::iter::once(whole).chain(whole.get_subcommands()).filter(|other| other.get_name() != name);
    let others: Vec<String> = others
        .map(|other| format!("\\fB{}\\fR(1)", roff(other.get_display_name().unwrap_or_else(|| other.get_name()))))
        .collect();
    let _ = writeln!(more, ".SH SEE ALSO\n{}", others.join(", "));
    out.extend_from_slice(more.as_bytes());
    Ok(out)
}

/// What a command that asks a server finds around it.
fn surroundings(out: &mut String, name: &str) {
    out.push_str(".SH ENVIRONMENT\n");
    list(out, &ENVIRONMENT);
    if name == "run" || name == "acquire" {
        let who = if name == "run" { "The command finds in its environment:" } else { "It prints lines that set:" };
        let _ = writeln!(out, ".PP\n{who}");
        list(out, &OF_THE_COMMAND);
    }
    out.push_str(".SH FILES\n");
    list(out, &FILES);
}

fn list(out: &mut String, entries: &[(&str, &str)]) {
    for (name, about) in entries {
        let _ = writeln!(out, ".TP\n\\fB{}\\fR\n{}", roff(name), line(about));
    }
}

/// A text that stands on a line of its own, where a dot at its beginning would be a command.
fn line(text: &str) -> String {
    let text = roff(text);
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq")
}
