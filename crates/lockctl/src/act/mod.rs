//! Doing what was typed, one short function per command.

mod admin;
mod generate;
mod take;
mod watch;

use crate::cli::{Cli, Command};
use crate::exit::{Failure, LOST, SYSTEM};
use crate::say;
use crate::show::{self, Style};
use crate::{run, server};
use lock_client::Client;

/// Runs one command line to its exit status.
pub(crate) fn act(cli: Cli) -> Result<u8, Failure> {
    match &cli.command {
        Command::Completions { shell } => return generate::completions(*shell),
        Command::Man { directory } => return generate::manual(directory),
        _ => {}
    }
    // One thread: what has to happen for a command that is running does not depend on how many there are.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(SYSTEM, format!("the runtime does not start: {error}")))?;
    let outcome = runtime.block_on(act_async(cli));
    // A name that is still being looked up must not keep us.
    runtime.shutdown_background();
    outcome
}

async fn act_async(cli: Cli) -> Result<u8, Failure> {
    let servers = server::servers(&cli.connection).join(",");
    let client = server::client(&cli)?;
    let json = cli.json;
    let patience = cli.connection.connect_timeout.map_or(server::LOOK_WITHIN, |told| told.min(server::LOOK_WITHIN));
    let for_administrators = cli.command.is_for_administrators();
    let outcome = match cli.command {
        Command::Run(arguments) => run::run(client, servers, arguments, patience).await,
        Command::Acquire(arguments) => take::acquire(&client, &servers, arguments, patience, json).await,
        Command::Renew(arguments) => take::renew(&client, arguments, json).await,
        Command::Release(arguments) => take::release(&client, arguments, json).await,
        Command::Status { lock, server_itself } => status(&client, lock, server_itself, json).await,
        Command::Watch { lock } => watch::watch(&client, lock.as_deref(), json).await,
        Command::Create(arguments) => admin::create(&client, arguments, json).await,
        Command::Resize(arguments) => admin::resize(&client, arguments, json).await,
        Command::Pause(arguments) => admin::pause(&client, arguments, json).await,
        Command::Resume { lock } => admin::resume(&client, &lock, json).await,
        Command::Restore(arguments) => admin::restore(&client, arguments, json).await,
        Command::Revoke(arguments) => admin::revoke(&client, arguments, json).await,
        Command::Delete(arguments) => admin::delete(&client, arguments, json).await,
        Command::Verify { lock, token } => verify(&client, &lock, token, json).await,
        Command::Reload => admin::reload(&client, json).await,
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { directory } => generate::manual(&directory),
    };
    if for_administrators { outcome.map_err(Failure::for_administrators) } else { outcome }
}

/// Says that something was done. That it is done does not depend on whether somebody can hear it; a program that wants JSON
/// is told if it cannot have it.
fn done(json: bool, text: &str) -> Result<u8, Failure> {
    changed(json, &serde_json::json!({"done": true}), || format!("{}\n", say::clean(text)))
}

/// The same with what has become of it.
fn changed(json: bool, value: &impl serde::Serialize, words: impl FnOnce() -> String) -> Result<u8, Failure> {
    let printed = told(json, value, words);
    if json { printed } else { Ok(0) }
}

async fn status(client: &Client, lock: Option<String>, server_itself: bool, json: bool) -> Result<u8, Failure> {
    let style = Style::of_stdout();
    if server_itself {
        let status = client.status().await?;
        return told(json, &status, || show::server(style, &status));
    }
    match lock {
        Some(name) => {
            let lock = client.lock(&name).await?;
            told(json, &lock, || show::one_lock(style, &lock))
        }
        None => {
            let all = client.locks().await?;
            told(json, &all, || show::all_locks(style, &all.locks))
        }
    }
}

/// Prints a value as JSON or in words.
fn told(json: bool, value: &impl serde::Serialize, words: impl FnOnce() -> String) -> Result<u8, Failure> {
    if json {
        show::out_json(value, false)?;
    } else {
        show::out(&words())?;
    }
    Ok(0)
}

async fn verify(client: &Client, lock: &str, token: u64, json: bool) -> Result<u8, Failure> {
    let holds = client.verify(lock, token).await?;
    let words = if holds { "a holder's now" } else { "not a holder's now" };
    // The answer is the status; the words are for people.
    changed(json, &serde_json::json!({"lock": lock, "token": token, "holds": holds}), || {
        format!("token {token} of `{}` is {words}\n", say::clean(lock))
    })?;
    Ok(if holds { 0 } else { LOST })
}
