//! Completions, from the same table as `--help`; names of locks are asked of the server.

use crate::cli;
use crate::exit::Failure;
use crate::show;
use clap_complete::Shell;
use std::collections::BTreeSet;

/// Prints the names of locks for a shell that completes one. Nobody waits for a server with a finger on the Tab key.
const NAMES: &str = "lockctl status --names --connect-timeout 1 2>/dev/null";

/// Commands whose first word is a lock.
const OF_A_LOCK: [&str; 16] = [
    "acquire", "check", "delete", "history", "outside", "pause", "release", "resize", "restore", "resume", "revoke",
    "run", "set", "status", "watch", "withhold",
];

/// After the function that clap made, which it completes. A word may be a lock unless it begins an option or is the value of one. For
/// bash `=` is a word of its own, and a number of permits follows it.
const BASH: &str = r#"
_lockctl_with_locks() {
    _lockctl "$@"
    local command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} i
    [[ $COMP_CWORD -ge 2 && $word != -* && $word != = && $before != = ]] || return 0
    case $before in @VALUED@) return 0 ;; esac
    case $command in @COMMANDS@) ;; *) return 0 ;; esac
    for ((i = 2; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} != -- ]] || return 0
    done
    local IFS=$'\n'
    COMPREPLY+=($(compgen -W "$(@NAMES@)" -- "$word"))
}
complete -F _lockctl_with_locks -o nosort -o bashdefault -o default lockctl 2>/dev/null ||
    complete -F _lockctl_with_locks -o bashdefault -o default lockctl
"#;

const ZSH: &str = r#"
_lockctl_locks() {
    [[ $LBUFFER == *' -- '* ]] && { _default; return }
    local -a names
    names=("${(@f)$(@NAMES@)}")
    compadd -a names
}
"#;

pub(super) fn completions(shell: Shell) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::command_to_complete(), "lockctl", &mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    show::out(&with_locks(shell, text))?;
    Ok(0)
}

/// Options that are followed by their value, of any command.
fn valued() -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    let command = cli::plain_command();
    let arguments = command.get_subcommands().chain([&command]).flat_map(clap::Command::get_arguments);
    for one in arguments.filter(|one| one.get_action().takes_values() && !one.is_require_equals_set()) {
        let long = one.get_long_and_visible_aliases().unwrap_or_default();
        let short = one.get_short_and_visible_aliases().unwrap_or_default();
        options.extend(long.iter().map(|name| format!("--{name}")).chain(short.iter().map(|name| format!("-{name}"))));
    }
    options
}

fn with_locks(shell: Shell, text: String) -> String {
    let valued = valued().into_iter().collect::<Vec<_>>().join(" | ");
    let filled = |template: &str| {
        let filled = template.replace("@NAMES@", NAMES).replace("@COMMANDS@", &OF_A_LOCK.join(" | "));
        filled.replace("@VALUED@", &valued)
    };
    match shell {
        Shell::Bash => text + &filled(BASH),
        Shell::Zsh => {
            // What stands for a lock is told by its place: clap completes files there.
            let is_lock = |line: &str| {
                ["':lock --", "'::lock --", "'*::locks --"].iter().any(|begin| line.trim_start().starts_with(begin))
            };
            let lines = text.lines().map(|line| match line.strip_suffix(":_default' \\") {
                Some(begin) if is_lock(line) => format!("{begin}:_lockctl_locks' \\"),
                _ => line.to_owned(),
            });
            let text: String = lines.map(|line| line + "\n").collect();
            // Before the last lines, which call the function of this file.
            match text.find("if [ \"$funcstack[1]\" = \"_lockctl\" ]") {
                Some(end) => format!("{}{}\n{}", &text[..end], filled(ZSH), &text[end..]),
                None => text,
            }
        }
        Shell::Fish => {
            let of = OF_A_LOCK.map(|command| {
                let here = format!("__fish_seen_subcommand_from {command}; and not contains -- -- (commandline -opc)");
                format!("complete -c lockctl -n \"{here}\" -f -a \"({NAMES})\"\n")
            });
            text + &of.concat()
        }
        _ => text,
    }
}
