//! Doing what was typed, one short function per command.

mod admin;
mod check;
mod generate;
mod look;
mod manual;
mod many;
mod set;
mod take;
mod watch;

pub(crate) use check::UNKNOWN;

use crate::cli::{Cli, Command};
use crate::exit::{Failure, LOST, SYSTEM};
use crate::say;
use crate::show;
use crate::{run, server};
use lock_client::Client;

/// Runs one command line to its exit status.
pub(crate) fn act(cli: Cli) -> Result<u8, Failure> {
    let is_check = matches!(cli.command, Command::Check(_));
    match &cli.command {
        Command::Completions { shell } => return generate::completions(*shell),
        Command::Man { directory } => return manual::write(directory),
        _ => {}
    }
    // One thread: what has to happen for a command that is running does not depend on how many there are.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(SYSTEM, format!("the runtime does not start: {error}")))?;
    let outcome = runtime.block_on(act_async(cli));
    let outcome = if is_check { outcome.or_else(|failure| check::unknown(&failure)) } else { outcome };
    // A name that is still being looked up must not keep us.
    runtime.shutdown_background();
    outcome
}

async fn act_async(mut cli: Cli) -> Result<u8, Failure> {
    // Of a variable that nobody set, say. Its path would be that of all locks.
    if cli.command.lock().is_some_and(str::is_empty) {
        return Err(Failure::usage("the name of the lock is missing"));
    }
    if let Command::Check(asked) = &cli.command {
        check::prepare(asked, &mut cli.connection);
    }
    let chosen = server::choose(&mut cli.connection)?;
    let servers = chosen.names.join(",");
    let client = server::client(&cli, &chosen)?;
    if let Some(local) = chosen.local.as_ref().filter(|_| cli.stays()) {
        local.keep()?;
    }
    let is_local = chosen.local.is_some();
    let json = cli.json;
    let lock = cli.command.lock().map(str::to_owned);
    let patience = cli.connection.connect_timeout.map_or(server::LOOK_WITHIN, |told| told.min(server::LOOK_WITHIN));
    let for_administrators = cli.command.is_for_administrators();
    let outcome = match cli.command {
        Command::Run(arguments) => run::run(client.clone(), servers, is_local, arguments, patience).await,
        Command::Acquire(arguments) => take::acquire(&client, &servers, is_local, arguments, patience, json).await,
        Command::Renew(arguments) => take::renew(&client, arguments, json).await,
        Command::Release(arguments) => take::release(&client, arguments, json).await,
        Command::Status(asked) => look::status(&client, &chosen, asked, json).await,
        Command::History(asked) => look::history(&client, asked, json).await,
        Command::Check(asked) => check::check(&client, &asked).await,
        Command::Watch { lock } => watch::watch(&client, lock.as_deref(), json).await,
        Command::Create(arguments) => admin::create(&client, arguments, json).await,
        Command::Set(arguments) => set::set(&client, arguments, json).await,
        Command::Resize(arguments) => admin::resize(&client, arguments, json).await,
        Command::Pause(arguments) => admin::pause(&client, arguments, json).await,
        Command::Resume { lock } => admin::resume(&client, &lock, json).await,
        Command::Withhold(arguments) => admin::withhold(&client, arguments, json).await,
        Command::Restore(arguments) => admin::restore(&client, arguments, json).await,
        Command::Outside(arguments) => admin::outside(&client, arguments, json).await,
        Command::Revoke(arguments) => many::revoke(&client, arguments, json).await,
        Command::Delete(arguments) => admin::delete(&client, arguments, json).await,
        Command::Verify { lock, token } => verify(&client, &lock, token, json).await,
        Command::Reload => admin::reload(&client, json).await,
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { directory } => manual::write(&directory),
    };
    let outcome = if for_administrators { outcome.map_err(Failure::for_administrators) } else { outcome };
    match outcome {
        Err(failure) if failure.is_unknown_lock() => Err(look::suggest(&client, failure, lock.as_deref()).await),
        outcome => outcome,
    }
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
