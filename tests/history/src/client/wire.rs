//! Requests as they are sent, and what an answer says.

use crate::history::{Answer, Ask, Seen, Told};
use crate::http::Outcome;
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn request(ask: &Ask, options: &Value) -> (Method, String, Option<Value>) {
    match ask {
        Ask::Acquire { lock, request_id, permits } => {
            let mut body = options.clone();
            body["request_id"] = json!(request_id);
            body["permits"] = json!(permits);
            (Method::POST, format!("/v1/locks/{lock}/tickets"), Some(body))
        }
        Ask::Wait { ticket, .. } => (Method::GET, format!("/v1/tickets/{ticket}?wait_s={}", options["wait_s"]), None),
        Ask::Renew { ticket } => (Method::POST, format!("/v1/tickets/{ticket}/renew"), Some(json!({}))),
        Ask::Release { ticket } => (Method::DELETE, format!("/v1/tickets/{ticket}"), None),
        Ask::Resize { lock, size } => (Method::PATCH, format!("/v1/locks/{lock}"), Some(json!({ "size": size }))),
        Ask::Look { lock } => (Method::GET, format!("/v1/locks/{lock}"), None),
        Ask::Verify { lock, token } => (Method::GET, format!("/v1/locks/{lock}/verify?token={token}"), None),
    }
}

pub(super) fn read(ask: &Ask, outcome: Outcome) -> Answer {
    let (status, body) = match outcome {
        Outcome::Answered(status, body) => (status, body),
        Outcome::NotSent(why) => return Answer::Refused(format!("not sent: {why}")),
        Outcome::Unknown(why) => return Answer::Unknown(why),
    };
    if status >= 300 {
        let code = body["code"].as_str().unwrap_or("none").to_owned();
        return match code.as_str() {
            _ if body["may_have_taken_effect"] == true => Answer::Unknown(code),
            "gone" => Answer::Gone(body["ended_as"].as_str().unwrap_or("none").to_owned()),
            "unknown_ticket" => Answer::UnknownTicket,
            "not_a_holder" => Answer::Verified(false),
            "none" | "internal" => Answer::Unknown(format!("{status} {body}")),
            _ => Answer::Refused(code),
        };
    }
    let answer = match ask {
        Ask::Acquire { .. } | Ask::Wait { .. } | Ask::Renew { .. } => told(&body).map(Answer::Ticket),
        Ask::Release { .. } => Some(Answer::Released),
        Ask::Resize { .. } => Some(Answer::Resized),
        Ask::Look { .. } => seen(&body).map(Answer::Seen),
        Ask::Verify { .. } => Some(Answer::Verified(true)),
    };
    answer.unwrap_or_else(|| Answer::Unknown(format!("{status} {body}")))
}

fn told(body: &Value) -> Option<Told> {
    let held = match body["state"].as_str()? {
        "held" => true,
        "queued" => false,
        _ => return None,
    };
    let ttl = Duration::try_from_secs_f64(body["ttl_s"].as_f64()?).ok()?;
    Some(Told {
        id: body["id"].as_str()?.to_owned(),
        number: body["number"].as_u64()?,
        held,
        slots: body["slots"].as_array()?.iter().filter_map(Value::as_u64).collect(),
        token: if held { body["token"].as_u64()? } else { 0 },
        ttl: u64::try_from(ttl.as_nanos()).ok()?,
    })
}

fn seen(body: &Value) -> Option<Seen> {
    let numbers = |name: &str| -> Option<Vec<u64>> {
        body[name].as_array()?.iter().map(|ticket| ticket["number"].as_u64()).collect()
    };
    let size = u32::try_from(body["size"].as_u64()?).ok()?;
    Some(Seen { size, holders: numbers("holders")?, queue: numbers("queue")? })
}
