//! Events, for people.

use super::Style;
use super::lock::info;
use super::time::{human, moment};
use crate::say::clean;
use lock_client::api::{Event, History, Percentiles, Seconds};

/// One event on one line.
pub(crate) fn event(style: Style, event: &Event) -> String {
    let kind = event.kind.as_str();
    let mut line = format!("{}  {:<14} {}", style.dim(&moment(&event.at)), kind, style.bold(&clean(&event.lock)));
    if let Some(number) = event.number {
        line.push_str(&format!("  #{number}"));
    }
    if let (Some(permits), Some(cause)) = (event.permits, event.cause) {
        let names: Vec<String> = event.slot_names.iter().map(|name| clean(name)).collect();
        let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(",")) };
        let kind = if permits == 1 { "permit" } else { "permits" };
        line.push_str(&format!("  {permits} {kind}{names}  {}", cause.as_str()));
    }
    if let Some(ended_as) = event.ended_as {
        line.push_str(&format!("  {}", ended_as.as_str()));
    }
    for (what, duration) in [("waited", event.waited_s), ("held", event.held_s)] {
        if let Some(duration) = duration {
            line.push_str(&format!("  {what} {}", human(duration.into())));
        }
    }
    if let Some(token) = event.token {
        line.push_str(&format!("  token {token}"));
    }
    if !event.changes.is_empty() {
        let changes: Vec<String> = event.changes.iter().map(|change| clean(&change.words())).collect();
        line.push_str(&format!("  {}", changes.join(", ")));
    }
    if let Some(until) = &event.until {
        line.push_str(&format!("  until {}", moment(until)));
    }
    if let Some(by) = &event.by {
        line.push_str(&format!("  by {}", clean(by)));
    }
    let words = [event.owner.as_deref().map(clean), event.from.as_deref().map(clean), event.info.as_deref().map(info)];
    for text in words.into_iter().chain([event.reason.as_deref().map(clean)]).flatten().filter(|text| !text.is_empty())
    {
        line.push_str(&format!("  {}", style.dim(&text)));
    }
    line.push('\n');
    line
}

/// Events, the first first; with a lock's past its times.
pub(crate) fn history(style: Style, events: &[Event], past: Option<&History>) -> String {
    let mut out: String = events.iter().map(|one| event(style, one)).collect();
    if events.is_empty() {
        out.push_str("there are no remembered events of that time\n");
    }
    if let Some(past) = past {
        for (span, past) in [("hour", &past.hour), ("day", &past.day)] {
            out.push_str(&format!("last {span}: waited {}; held {}\n", times(past.waits), times(past.holds)));
        }
    }
    out
}

fn times(times: Percentiles) -> String {
    if times.count == 0 {
        return "by nobody".to_owned();
    }
    let time = |time: Option<Seconds>| time.map_or_else(|| "-".to_owned(), |time| human(time.into()));
    format!("p50 {}, p90 {}, p99 {} ({})", time(times.p50_s), time(times.p90_s), time(times.p99_s), times.count)
}
