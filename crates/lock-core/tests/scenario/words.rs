//! Outcomes in the words of the scripts.

use lock_core::{
    LockView, Ms, Outcome, Rejection, SlotName, SlotRanges, State, TicketRecord, TicketView, UsageTotals, WithheldCause,
};

pub(super) fn seconds(time: Ms) -> String {
    match time % 1000 {
        0 => (time / 1000).to_string(),
        rest => format!("{}.{rest:03}", time / 1000),
    }
}

/// `0-1,4` and, if they have names, `a,b`.
pub(super) fn slots(ticket: &TicketRecord) -> String {
    if !ticket.is_bundle() {
        return slots_of(&ticket.slots, &ticket.slot_names);
    }
    let parts = ticket.parts().map(|part| format!("{}:{}", part.lock, slots_of(part.slots, part.slot_names)));
    parts.collect::<Vec<_>>().join(" ")
}

fn slots_of(slots: &SlotRanges, names: &[SlotName]) -> String {
    let ranges: Vec<String> = slots
        .iter()
        .map(|&(start, end)| match start == end {
            true => start.to_string(),
            false => format!("{start}-{end}"),
        })
        .collect();
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    format!("{} {}", ranges.join(","), names.join(",")).trim().to_owned()
}

/// How many are before it, of a bundle in each of its locks.
pub(super) fn ahead(view: Option<&TicketView>) -> String {
    let Some(view) = view.filter(|view| view.ticket.is_bundle()) else {
        return view.map_or(0, |view| view.ahead).to_string();
    };
    let others = view.others.iter().map(|part| (&part.lock, part.ahead.expect("a look tells all")));
    let all = std::iter::once((&view.ticket.lock, view.ahead)).chain(others);
    all.map(|(lock, ahead)| format!("{lock}:{ahead}")).collect::<Vec<_>>().join(" ")
}

pub(super) fn state(ticket: &TicketRecord, ahead: &str) -> String {
    match &ticket.state {
        State::Queued { dormant: true } => format!("dormant ahead {ahead}"),
        State::Queued { dormant: false } => format!("queued ahead {ahead}"),
        State::Granted => format!("granted {}", slots(ticket)),
        State::Held => format!("held {}", slots(ticket)),
        State::Ended { how, .. } => how.as_str().to_owned(),
    }
}

fn lock(view: &LockView) -> String {
    let mut text = format!(
        "size {} free {} in-use {} withheld {} queued {}",
        view.lock.settings.size(),
        view.usage.free,
        view.usage.in_use,
        view.usage.withheld,
        view.usage.queued
    );
    let awaited: u64 = view.withholdings.iter().map(|one| one.wanted()).sum::<u64>() - view.usage.withheld;
    if awaited > 0 {
        text.push_str(&format!(" awaited {awaited}"));
    }
    for (is, word) in [(view.lock.pause.is_some(), " paused"), (view.lock.retiring, " retiring")] {
        if is {
            text.push_str(word);
        }
    }
    if !view.lock.slot_names.is_empty() {
        let names = view.lock.slot_names.iter().map(|(slot, name)| format!("{slot}={name}"));
        text.push_str(&format!(" names {}", names.collect::<Vec<_>>().join(",")));
    }
    if !view.overridden.is_empty() {
        text.push_str(&format!(" overridden {}", view.overridden.join(",")));
    }
    text
}

/// What is not zero.
pub(super) fn usage_totals(numbers: &UsageTotals) -> String {
    let &UsageTotals {
        locks,
        paused,
        size,
        held,
        granted,
        withheld,
        withheld_by,
        queued,
        dormant,
        oldest_waiter,
        oldest_holder,
    } = numbers;
    let mut words = vec![format!("locks {locks} size {size}")];
    for (word, count) in [
        ("paused", paused),
        ("held", held),
        ("granted", granted),
        ("withheld", withheld),
        ("queued", queued),
        ("dormant", dormant),
    ] {
        words.extend((count > 0).then(|| format!("{word} {count}")));
    }
    let causes = WithheldCause::ALL.iter().filter(|cause| withheld_by[**cause as usize] > 0);
    words.extend(causes.map(|cause| format!("{} {}", cause.as_str(), withheld_by[*cause as usize])));
    words.extend((oldest_waiter > 0).then(|| format!("oldest {}", seconds(oldest_waiter))));
    words.extend((oldest_holder > 0).then(|| format!("holder {}", seconds(oldest_holder))));
    words.join(" ")
}

pub(super) fn result(outcome: Result<Outcome, Rejection>) -> String {
    match outcome {
        Ok(Outcome::Ticket(view)) => state(&view.ticket, &ahead(Some(&view))),
        Ok(Outcome::Waiting(view)) => format!("waits ahead {}", ahead(Some(&view))),
        Ok(Outcome::NothingHeld) => "nothing".to_owned(),
        Ok(Outcome::Lock(view)) => lock(&view),
        Ok(Outcome::Locks(locks)) => {
            let names: Vec<&str> = locks.locks.iter().map(|lock| lock.lock.name.as_str()).collect();
            format!("locks {}", names.join(",")).trim().to_owned()
        }
        Ok(Outcome::Tickets(tickets)) => format!("{} tickets", tickets.tickets.len()),
        Ok(Outcome::Done) => "done".to_owned(),
        Ok(Outcome::Incomplete) => "again".to_owned(),
        Ok(Outcome::Configured(report)) => {
            let mut text = "configured".to_owned();
            for (word, names) in [
                ("created", report.created),
                ("changed", report.changed),
                ("retired", report.retired),
                ("refused", report.refused),
            ] {
                if !names.is_empty() {
                    text.push_str(&format!(" {word} {}", names.join(",")));
                }
            }
            text
        }
        Err(why) => format!("refused: {}", rejection(&why)),
    }
}

fn rejection(why: &Rejection) -> String {
    match why {
        Rejection::InLock(lock, reason) => format!("{lock}: {}", rejection(reason)),
        Rejection::NotUsable => "not usable".to_owned(),
        Rejection::UnknownLock => "unknown lock".to_owned(),
        Rejection::UnknownTicket => "unknown ticket".to_owned(),
        Rejection::Gone(view) => format!("gone, {}", view.ended().map_or("alive?", |how| how.as_str())),
        Rejection::Withdrawn => "withdrawn".to_owned(),
        Rejection::RequestIdReused => "request_id reused".to_owned(),
        Rejection::HolderTaken => "holder taken".to_owned(),
        Rejection::Busy | Rejection::Paused(_) => "busy".to_owned(),
        Rejection::TooManyPermits { asked, size } => format!("{asked} of {size} permits"),
        Rejection::TooManyForOwner { asked, max } => format!("{asked} permits, {max} for one owner"),
        Rejection::UnknownTag { unknown, known } => {
            let known: Vec<&str> = known.iter().map(|tag| tag.as_str()).collect();
            format!("no tag {unknown}, there are {}", known.join(" ")).trim_end().to_owned()
        }
        Rejection::TooFewSlots { asked, there } => format!("{asked} of {there} slots"),
        Rejection::UnknownSlot { unknown, known } => {
            let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            format!("no slot {unknown}, there are {}", known.join(" ")).trim_end().to_owned()
        }
        Rejection::TooManyWithheld { asked, left } => format!("withhold {asked} of {left} left"),
        Rejection::Retiring => "retiring".to_owned(),
        Rejection::NameWithheld(time) => format!("name withheld for {}", seconds(*time)),
        Rejection::LimitReached { what, max } => format!("{what} {max}"),
        Rejection::Invalid(_) => "invalid".to_owned(),
        Rejection::RevisionMismatch(_) => "changed since".to_owned(),
        Rejection::Exists => "exists".to_owned(),
        Rejection::WouldEnd { tickets, .. } => format!("would end {tickets}"),
        Rejection::NotAHolder => "not a holder".to_owned(),
        Rejection::OutOfReach(_) => "out of reach".to_owned(),
        Rejection::NotAllowed => "not allowed".to_owned(),
        Rejection::StageChanged(view) => {
            format!("moved, {}", view.ticket.stage().map_or("ended?", lock_core::Stage::as_str))
        }
    }
}
