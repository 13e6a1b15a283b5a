//! What can be typed after `lockserver store`.

use clap::Subcommand;
use std::path::PathBuf;

/// What to do with a store. STORE is `sqlite:PATH`, the path of a file, or
/// `etcd:http://HOST:2379,...`; without it, it is the server's: that of
/// `--store`, or of the configuration.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Save the store to a file, while the server runs or not
    #[command(
        after_help = "DEST is complete and proven good, or it is as it was. It holds tickets' ids, which are secrets: its \
                      mode is 0600.\n\nExit status: 0 saved, 64 usage, 73 DEST is there already or cannot be written, \
                      74 store not usable \
                      or damaged, 78 configuration not usable."
    )]
    Backup {
        /// The file to make
        dest: PathBuf,
        /// Replace DEST if it is there
        #[arg(long)]
        force: bool,
    },
    /// Put a backup in the place of the store, while no server uses it
    #[command(
        after_help = "Tokens and ticket numbers of the restored store begin at the clock, above all that were given \
                      before.\n\nExit status: 0 restored, 64 usage, 73 a store is there already, 74 SRC or the store \
                      not usable, 75 a \
                      server uses the store, 78 configuration not usable."
    )]
    Restore {
        /// The backup
        src: PathBuf,
        /// Replace a store that is there; it is kept under another name
        #[arg(long)]
        force: bool,
    },
    /// Copy a store that no server uses to a new one
    #[command(
        after_help = "Exit status: 0 copied, 64 usage, 73 TO holds something already, 74 a store is not usable, 75 a \
                      server uses one of them.\n\nFor etcd, the configuration of the server says how to reach it: \
                      [etcd]."
    )]
    Copy {
        /// The store to copy: sqlite:PATH or etcd:http://HOST:2379,...
        from: String,
        /// A store that is not there yet, or holds nothing: sqlite:PATH or etcd:http://HOST:2379,...
        to: String,
    },
    /// Look for damage in a store or a backup, while a server uses it or not
    #[command(after_help = "Exit status: 0 good, 64 usage, 74 damaged or not usable, 78 configuration not usable.")]
    Check {
        /// The store, or a backup, instead of the server's store
        #[arg(value_name = "STORE")]
        named: Option<String>,
    },
    /// Print locks, holders and queues of a store or a backup, while a server uses it or not
    #[command(after_help = "Exit status: 0 printed, 64 usage, 74 damaged or not usable, 78 configuration not usable.")]
    Dump {
        /// The store, or a backup, instead of the server's store
        #[arg(value_name = "STORE")]
        named: Option<String>,
        /// As JSON, with everything that is stored
        #[arg(long)]
        json: bool,
        /// With tickets' ids and request ids. They are secrets: who knows one may end the ticket
        #[arg(long)]
        with_ids: bool,
    },
}
