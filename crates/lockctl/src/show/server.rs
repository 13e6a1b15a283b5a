//! The server and what it did, for people.

use super::Style;
use super::time::{human, moment};
use crate::say::clean;
use crate::server::Servers;
use lock_client::api::{Leader, Reloaded, Standby, Status, You};

/// The server, and why it is this one that was asked.
pub(crate) fn server(style: Style, status: &Status, servers: &Servers) -> String {
    let ready = match &status.trouble {
        Some(trouble) => style.bad(&format!("does not serve: {}", clean(trouble))),
        None if status.ready => style.good("serves"),
        None => style.bad("does not serve"),
    };
    // A server alone leads nobody.
    let is_alone = status.role == "leader" && !status.store.starts_with("etcd:");
    let role = if is_alone { String::new() } else { format!("{}, ", clean(&status.role)) };
    let mut out = format!(
        "lockserver {} {ready}, up {}, {role}store {}\n",
        clean(&status.version),
        human(status.uptime_s.into()),
        clean(&status.store)
    );
    let names = servers.names.iter().map(|name| clean(name)).collect::<Vec<_>>().join(", ");
    out.push_str(&format!("asked at {names} ({})\n", clean(&servers.why)));
    match &status.leader {
        Some(Leader { name, url, since }) => {
            let url = url.as_ref().map(|url| format!(" at {}", clean(url))).unwrap_or_default();
            out.push_str(&format!("{}{url} leads since {}\n", clean(name), moment(since)));
        }
        // A server alone is its own leader, and says nothing of others.
        None if status.role != "leader" => out.push_str(&format!("{}\n", style.bad("no leader is known"))),
        None => {}
    }
    for Standby { name, url, clock_ahead_s } in &status.standbys {
        let url = url.as_ref().map(|url| format!(" at {}", clean(url))).unwrap_or_default();
        let way = if *clock_ahead_s < 0.0 { "behind" } else { "ahead" };
        out.push_str(&format!("{}{url} stands by, its clock {:.2} s {way}\n", clean(name), clock_ahead_s.abs()));
    }
    let files = status.configuration.files.iter().map(|file| clean(file)).collect::<Vec<_>>().join(", ");
    let You { rights, locks, keys, .. } = &status.you;
    let is_told = !keys || rights.iter().any(|right| right == "admin") && locks.iter().any(|lock| lock == "*");
    let files = match files.is_empty() {
        true if is_told => "no file".to_owned(),
        true => "its files are shown to administrators".to_owned(),
        false => files,
    };
    out.push_str(&format!("configuration: {files}, applied {}\n", moment(&status.configuration.loaded_at)));
    if let Some(refused) = &status.configuration.refused {
        out.push_str(&format!("{}\n", style.bad(&format!("the last reload was refused: {}", clean(refused)))));
    }
    for warning in &status.warnings {
        out.push_str(&format!("{}\n", style.busy(&format!("warning: {}", clean(warning)))));
    }
    out
}

/// What a reload changed; what it refused and warned of goes elsewhere.
pub(crate) fn reloaded(reloaded: &Reloaded) -> String {
    let mut out = "the configuration was read again and is in force\n".to_owned();
    let lists = [("made", &reloaded.created), ("changed", &reloaded.changed), ("retired", &reloaded.retired)];
    for (what, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        let names: Vec<String> = names.iter().map(|name| clean(name)).collect();
        out.push_str(&format!("{what}: {}\n", names.join(", ")));
    }
    if lists.iter().all(|(_, names)| names.is_empty()) {
        out.push_str("no lock has changed\n");
    }
    out
}
