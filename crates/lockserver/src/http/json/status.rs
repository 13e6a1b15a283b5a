//! The state of the server, and the reload of its configuration.

use super::asked::Asked;
use super::openapi::Call;
use super::problem::{Answer, Refusal};
use super::view;
use crate::access::Right;
use crate::http::cluster::Cluster;
use crate::http::service::told_warnings;
use axum::http::StatusCode;
use lock_api::{ErrorCode, Reloaded, Status, routes};
use lock_core::limits;
use serde_json::json;
use tokio::sync::oneshot;
use utoipa::openapi::path::HttpMethod;

pub(super) fn describe() -> Vec<Call> {
    vec![
        Call::new(HttpMethod::Get, routes::STATUS, "status", "The state of the server").answer::<Status>(
            200,
            "The state",
            json!({
                "version": env!("CARGO_PKG_VERSION"), "uptime_s": 86_400, "role": "leader", "leader": null, "standbys": [],
                "store": "sqlite:/var/lib/lockserver/lockserver.db", "ready": true, "trouble": null,
                "configuration": {
                    "files": ["/etc/lockserver/lockserver.conf"], "loaded_at": "2026-05-04T03:02:01Z", "refused": null,
                },
                "warnings": [],
                "you": {"key": "ops", "from": "192.0.2.7", "rights": ["observe", "use", "admin"], "locks": ["*"], "keys": true},
                "limits": {"wait_s": 60},
            }),
        ),
        Call::new(HttpMethod::Post, routes::RELOAD, "reload", "Read the configuration again")
            .about("For administrators. All or nothing: with an error in it everything stays as it was.")
            .answer::<Reloaded>(
                200,
                "What it changed",
                json!({"created": ["san-ssh"], "changed": [], "retired": [], "refused": [], "warnings": []}),
            )
            .errors(&[ErrorCode::ConfigurationRefused, ErrorCode::NotAllowed]),
    ]
}

pub(super) async fn get(asked: Asked) -> Answer {
    asked.only_parameters(&[])?;
    let (app, service) = (&asked.app, &asked.app.service);
    let trouble = app.trouble();
    let (role, leader) = service.cluster.as_ref().map_or(("leader", None), |cluster| cluster.seen());
    let mut configured = service.configured.borrow().clone();
    let mut store = service.store.clone();
    let in_doubt = app.in_doubt();
    let mut warnings = app.warnings();
    // Names of files and what is wrong with a configuration may tell of others' keys and locks.
    if !asked.who.may_see_configuration() {
        warnings.truncate(in_doubt.is_some().into());
        configured.status.files.clear();
        configured.status.refused =
            configured.status.refused.map(|_| "the last reload was refused; administrators are told why".to_owned());
        store = store.split(':').next().unwrap_or_default().to_owned();
    }
    let bounds = [
        ("wait_s", limits::WAIT_MAX_MS / 1000),
        ("ttl_s", limits::TTL_MAX_MS / 1000),
        ("permits", limits::PERMITS_MAX.into()),
        ("locks", limits::LOCKS_MAX as u64),
        ("tickets", limits::TICKETS_MAX as u64),
        ("tickets_of_a_lock", limits::LOCK_TICKETS_MAX as u64),
        ("tickets_of_a_key_or_address", limits::OWNER_TICKETS_MAX as u64),
        ("waiting_requests_of_a_key_or_address", app.live().max_waiting as u64),
        ("event_streams_of_a_key_or_address", limits::EVENT_STREAMS_MAX as u64),
        ("events_remembered", limits::EVENTS_MAX as u64),
        ("listed_locks", limits::LISTED_LOCKS_MAX as u64),
        ("listed_tickets", limits::LISTED_TICKETS_MAX as u64),
        ("listed_slots", limits::LISTED_SLOTS_MAX as u64),
        ("listed_bytes", limits::LISTED_BYTES_MAX as u64),
        ("reads", limits::READS_MAX as u64),
        ("reads_of_a_key_or_address", limits::OWNER_READS_MAX as u64),
        ("read_bytes", limits::READ_BYTES_MAX as u64),
        ("read_bytes_of_a_key_or_address", limits::OWNER_READ_BYTES_MAX as u64),
        ("body_bytes", limits::BODY_BYTES_MAX as u64),
        ("info_bytes", limits::INFO_BYTES_MAX as u64),
    ];
    let status = Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: service.started.elapsed().into(),
        role: role.to_owned(),
        leader,
        standbys: service.cluster.as_ref().map_or_else(Vec::new, Cluster::standbys),
        store,
        ready: trouble.is_none(),
        trouble,
        configuration: configured.status,
        warnings: told_warnings(&warnings),
        you: asked.who.you(),
        limits: bounds.into_iter().map(|(name, bound)| (name.to_owned(), bound)).collect(),
    };
    Ok(view::json(StatusCode::OK, &status))
}

pub(super) async fn reload(asked: Asked) -> Answer {
    asked.who.may_everywhere(Right::Admin)?;
    asked.only_parameters(&[])?;
    let gone = || Refusal::new(ErrorCode::ShuttingDown, "the server is shutting down");
    let (answer, told) = oneshot::channel();
    asked.app.service.reload.send(answer).await.map_err(|_| gone())?;
    match told.await.map_err(|_| gone())? {
        Ok(reloaded) => Ok(view::json(StatusCode::OK, &reloaded)),
        Err(text) => Err(Refusal::new(ErrorCode::ConfigurationRefused, text)),
    }
}
