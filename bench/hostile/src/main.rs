//! What a client of lockserver notices while another one does its worst, one attack after the other.
//!
//! For each attack: a fresh server, what the attack needs, then the attack by a process of its own, niced, since it shares
//! the processors with the server that is measured, and beside it a client that has nothing to do with it.

mod attacks;
mod client;
mod server;
mod setting;
mod victim;

use attacks::Attack;
use clap::Parser;
use client::{Client, Fault};
use server::{HOSTILE_FROM, Server};
use setting::{HOSTILE, secret_of};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use tokio::time::Instant;
use victim::{Memory, Noticed};

/// What must hold in each of them.
const P99_MAX_MS: f64 = 100.0;
const PEAK_MAX_MB: f64 = 500.0;

#[derive(Debug, Parser)]
#[command(about = "Measure what a client notices while another one does its worst")]
struct Arguments {
    /// The server's program
    #[arg(long, env = "LOCKSERVER_BIN")]
    server: PathBuf,
    /// Seconds of each attack
    #[arg(long, env = "ATTACK_SECONDS", default_value_t = 60)]
    seconds: u64,
    /// Without keys: everybody is an address
    #[arg(long)]
    open: bool,
    /// The table goes there as well
    #[arg(long)]
    out: Option<PathBuf>,
    /// Be the attacker, of that server (for this program itself)
    #[arg(long, hide = true)]
    at: Option<SocketAddr>,
    /// The server's certificate
    #[arg(long, hide = true)]
    tls: Option<PathBuf>,
    /// Attacks; all of them if none is named
    attacks: Vec<String>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode, Fault> {
    let arguments = Arguments::parse();
    let mut chosen = attacks::all();
    if !arguments.attacks.is_empty() {
        let known: Vec<&str> = chosen.iter().map(|one| one.name).collect();
        if let Some(unknown) = arguments.attacks.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("there is no attack {unknown}; there are {}", known.join(", ")).into());
        }
        chosen.retain(|one| arguments.attacks.iter().any(|name| name == one.name));
    }
    let time = Duration::from_secs(arguments.seconds);
    if let Some(at) = arguments.at {
        let secret = (!arguments.open).then(|| secret_of(HOSTILE));
        let client = Client { at, from: HOSTILE_FROM, secret, tls: arguments.tls };
        println!("{}", attacks::run(chosen[0], client, time).await);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = "| attack | what it does | what it got | p50 ms | p99 ms | p99 of new connections | longest ms | not done | memory MB | disk MB | cpu |\n\
                     | --- | --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |\n"
        .to_owned();
    let mut good = true;
    for attack in chosen {
        let mut row = measure(&arguments, attack, time).await?;
        good &= row.good();
        eprintln!("{}", row.line());
        for complaint in &row.complaints {
            eprintln!("    {complaint}");
        }
        table.push_str(&row.line());
        table.push('\n');
        if let Some(out) = &arguments.out {
            std::fs::write(out, &table)?;
        }
    }
    println!("{table}");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What came of one attack.
struct Row {
    attack: Attack,
    got: String,
    noticed: Noticed,
    peak_mb: f64,
    disk_mb: f64,
    cpu: f64,
    complaints: Vec<String>,
}

impl Row {
    fn good(&mut self) -> bool {
        self.noticed.failed.is_empty() && self.noticed.quantile(0.99) < P99_MAX_MS && self.peak_mb < PEAK_MAX_MB
    }

    fn line(&mut self) -> String {
        let verdict = if self.good() { "" } else { " **(!)**" };
        let times = [0.5, 0.99, 1.0].map(|share| self.noticed.quantile(share));
        let fresh = victim::quantile(&mut self.noticed.fresh, 0.99);
        let mut failed = self.noticed.failed.len().to_string();
        let mut shown: Vec<(usize, &String)> = Vec::new();
        for why in &self.noticed.failed {
            match shown.iter_mut().find(|(_, known)| *known == why) {
                Some((count, _)) => *count += 1,
                None => shown.push((1, why)),
            }
        }
        for (count, why) in shown.iter().take(4) {
            let _ = write!(failed, "; {count} x {why}");
        }
        format!(
            "| {}{verdict} | {} | {} | {:.1} | {:.1} | {fresh:.1} | {:.0} | {failed} | {:.0} | {:.0} | {:.2} |",
            self.attack.name,
            self.attack.about,
            self.got,
            times[0],
            times[1],
            times[2],
            self.peak_mb,
            self.disk_mb,
            self.cpu,
        )
    }
}

async fn measure(arguments: &Arguments, attack: Attack, time: Duration) -> Result<Row, Fault> {
    let mut server = Server::start(&arguments.server, attack.setting, !arguments.open)?;
    setting::prepare(&server, attack.setting).await?;
    let victim = server.victim();
    let memory = Memory::make(&victim).await?;
    eprintln!("{}: prepared, server {} with {:.0} MB", attack.name, server.pid(), server.peak_mb());
    let (begin, cpu) = (Instant::now(), server.cpu_s());
    let attacker = attacker(arguments, &server.hostile(), attack, time)?;
    let mut noticed = victim::watch(&victim, begin + time).await;
    let cpu = (server.cpu_s() - cpu) / begin.elapsed().as_secs_f64();
    let got = tokio::task::spawn_blocking(|| attacker.wait_with_output()).await??;
    match memory.check().await {
        Ok(wrong) => noticed.failed.extend(wrong),
        Err(error) => noticed.failed.push(format!("afterwards: {error}")),
    }
    if !server.runs() {
        noticed.failed.push("the server has ended".to_owned());
    }
    Ok(Row {
        attack,
        got: String::from_utf8_lossy(&got.stdout).trim().to_owned(),
        noticed,
        peak_mb: server.peak_mb(),
        disk_mb: server.disk_mb(),
        cpu,
        complaints: server.complaints().into_iter().take(3).collect(),
    })
}

fn attacker(
    arguments: &Arguments,
    hostile: &Client,
    attack: Attack,
    time: Duration,
) -> Result<std::process::Child, Fault> {
    let mut command = Command::new("nice");
    command.args(["-n", "10"]).arg(std::env::current_exe()?).arg("--server").arg(Path::new(&arguments.server));
    command.arg(format!("--at={}", hostile.at)).arg(format!("--seconds={}", time.as_secs()));
    if arguments.open {
        command.arg("--open");
    }
    if let Some(tls) = &hostile.tls {
        command.arg("--tls").arg(tls);
    }
    Ok(command.arg(attack.name).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
}
