//! Withheld permits: by an administrator's word, by a report of what others use; and restored.

use super::asked::Asked;
use super::change::{answer, slot_names, tell};
use super::examples;
use super::openapi::Call;
use super::problem::{Answer, Refusal};
use crate::engine::EngineError;
use axum::http::StatusCode;
use lock_api::{ErrorCode, Lock, Report, Seconds, Withhold, routes};
use lock_core::{Command, Rejection, Restored, ToWithhold};
use serde_json::json;
use std::sync::Arc;
use utoipa::openapi::path::HttpMethod;

pub(super) fn describe() -> Vec<Call> {
    let etag = [("ETag", "Revision of the settings")];
    vec![
        Call::new(HttpMethod::Post, routes::LOCK_WITHHELD, "withhold", "Withhold permits, or slots by their names")
            .about(
                "For administrators. Free permits are withheld at once, the others as they come back (`awaited`). Holders keep theirs, and size \
                 and names stay as they are.",
            )
            .body::<Withhold>(json!({"slots": ["port-b"], "reason": "no ping", "until_s": 3600}), true)
            .answer_with::<Lock>(200, "Withheld, or to be", examples::lock(), &etag)
            .errors(&[ErrorCode::UnknownLock, ErrorCode::NotAllowed, ErrorCode::LimitReached, ErrorCode::NameWithheld]),
        Call::new(HttpMethod::Delete, routes::LOCK_WITHHELD, "restore", "Restore withheld permits before their time")
            .about("For administrators. Without a parameter all of the lock.")
            .query_number("number", 17, "Only those of the withholding with this number")
            .query_text("slots", "port-a,port-b", "Only the slots of these names")
            .answer_with::<Lock>(200, "Open", examples::lock(), &etag)
            .errors(&[ErrorCode::UnknownLock, ErrorCode::UnknownTicket, ErrorCode::NotAllowed]),
        Call::new(HttpMethod::Put, routes::LOCK_OUTSIDE, "report", "Report how many permits are in use in all")
            .about(
                "For administrators that can see the use by others, who do not ask this server. The server subtracts the permits of its own \
                 holders from `in_use`, and withholds the rest until the next report. A report that is older than its `until_s` is stale: \
                 then nothing is withheld, and an event and the log say so.",
            )
            .body::<Report>(json!({"in_use": 5, "until_s": 300}), true)
            .answer_with::<Lock>(200, "Reported", examples::lock(), &etag)
            .errors(&[ErrorCode::UnknownLock, ErrorCode::NotAllowed, ErrorCode::LimitReached, ErrorCode::NameWithheld]),
        Call::new(HttpMethod::Delete, routes::LOCK_OUTSIDE, "unreport", "Take the report back")
            .about("For administrators. The permits that it withheld can be given again.")
            .answer_with::<Lock>(200, "Without a report", examples::lock(), &etag)
            .answer_plain(204, "Without a report, and without the lock: it was idle", None)
            .errors(&[ErrorCode::UnknownLock, ErrorCode::NotAllowed]),
    ]
}

pub(super) async fn withhold(mut asked: Asked) -> Answer {
    asked.only_parameters(&[])?;
    let lock = asked.lock()?;
    let wanted: Withhold = asked.wanted().await?;
    let what = match (wanted.permits, &wanted.slots) {
        (Some(count), None) => ToWithhold::Count(count),
        (None, Some(names)) => ToWithhold::Slots(slot_names(names)?),
        _ => return Err(Refusal::invalid("say either how many permits or the names of the slots: permits or slots")),
    };
    if wanted.until_s.is_some_and(|until| until.as_ms() == 0) {
        let text = "until_s must be more than 0; leave it out for a withholding that lasts until somebody restores it";
        return Err(Refusal::invalid(text));
    }
    let (reason, lasts) = (Arc::from(wanted.reason.as_str()), wanted.until_s.map(Seconds::as_ms));
    let command = Command::Withhold { lock, what, reason, lasts };
    answer(&asked, StatusCode::OK, asked.app.engine.submit(&asked.caller, command).await, &wanted)
}

pub(super) async fn restore(asked: Asked) -> Answer {
    asked.only_parameters(&["number", "slots"])?;
    let lock = asked.lock()?;
    let which = match (asked.count("number")?, asked.text("slots")) {
        (None, None) => Restored::All,
        (Some(number), None) => Restored::Number(number),
        (None, Some(names)) => {
            let names: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
            Restored::Slots(slot_names(&names)?)
        }
        (Some(_), Some(_)) => return Err(Refusal::invalid("number and slots exclude each other")),
    };
    let told = match asked.app.engine.submit(&asked.caller, Command::Restore { lock, which }).await {
        Err(EngineError::Rejected(Rejection::UnknownTicket)) => {
            let text = "the lock has no withholding of this number: `withholdings` of the lock lists those there are";
            return Err(Refusal::new(ErrorCode::UnknownTicket, text));
        }
        told => told?,
    };
    tell(&asked, StatusCode::OK, &told)
}

pub(super) async fn report(mut asked: Asked) -> Answer {
    asked.only_parameters(&[])?;
    let lock = asked.lock()?;
    let wanted: Report = asked.wanted().await?;
    let command = Command::Outside { lock, report: Some((wanted.in_use, wanted.until_s.as_ms())) };
    answer(&asked, StatusCode::OK, asked.app.engine.submit(&asked.caller, command).await, &wanted)
}

pub(super) async fn unreport(asked: Asked) -> Answer {
    asked.only_parameters(&[])?;
    let command = Command::Outside { lock: asked.lock()?, report: None };
    let told = asked.app.engine.submit(&asked.caller, command).await?;
    tell(&asked, StatusCode::OK, &told)
}
