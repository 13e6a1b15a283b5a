//! All metrics as one text.

use super::catalogue as of;
use super::http::{Forwarded, TimedOut};
use super::locks::{Counts, Label, Series};
use super::process::Process;
use super::text::{Samples, Text};
use super::{Format, Metrics};
use lock_core::{EndedAs, UsageTotals, WithheldCause};

/// What is only known when somebody asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scrape {
    pub ready: bool,
    /// This server leads, or it is the only one.
    pub leads: bool,
    /// The locks were measured just now. If not, nothing is said of how they are: old numbers would be wrong ones.
    pub measured: bool,
    pub urgent: usize,
    pub ordinary: usize,
    pub waiting: usize,
    pub streams: usize,
    pub audited: u64,
    pub audit_lost: u64,
    pub audit_waiting: usize,
}

impl Metrics {
    /// Everything, with those locks that `may_see` admits. Looks at the process, which reads files.
    #[must_use]
    pub fn render(&self, format: Format, scrape: &Scrape, may_see: impl Fn(Label<'_>) -> bool) -> String {
        let mut text = Text::new(format);
        text.family(&of::BUILD).value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        text.family(&of::READY).value(&[], u8::from(scrape.ready));
        text.family(&of::CONFIG_SUCCESSFUL).value(&[], self.configured.get());
        text.family(&of::CONFIG_TIME).value(&[], self.configured_at.get());
        let mut series = self.locks.visible(may_see);
        if !scrape.measured {
            series.iter_mut().for_each(|(_, series)| series.now = None);
        }
        locks_now(&mut text, &series);
        locks_so_far(&mut text, &series);
        self.engine(&mut text, scrape);
        self.http(&mut text, scrape);
        text.family(&of::AUDITED).value(&[], scrape.audited);
        text.family(&of::AUDIT_LOST).value(&[], scrape.audit_lost);
        text.family(&of::AUDIT_WAITING).value(&[], scrape.audit_waiting);
        self.process(&mut text);
        text.finish()
    }

    fn engine(&self, text: &mut Text, scrape: &Scrape) {
        let engine = &self.engine;
        text.family(&of::BATCH).histogram(&[], &engine.batch);
        text.family(&of::BUSY).value(&[], engine.busy_seconds());
        let mut queues = text.family(&of::QUEUE);
        queues.value(&[("queue", "urgent")], scrape.urgent).value(&[("queue", "ordinary")], scrape.ordinary);
        text.family(&of::SHED).value(&[], engine.shed.get());
        text.family(&of::TERMS).value(&[], engine.terms.get());
        text.family(&of::LEADER).value(&[], u8::from(scrape.leads));
        text.family(&of::LEADER_CHANGES).value(&[], engine.leader_changes.get());
        text.family(&of::COMMIT).histogram(&[], &engine.commits);
        text.family(&of::COMMITS_FAILED).value(&[], engine.commits_failed.get());
        text.family(&of::LOADS_FAILED).value(&[], engine.loads_failed.get());
    }

    fn http(&self, text: &mut Text, scrape: &Scrape) {
        let routes = self.http.routes();
        let mut requests = text.family(&of::REQUESTS);
        for (name, route) in routes.iter() {
            for ((method, code), count) in &route.answers {
                let code = code.to_string();
                requests.value(&[("route", name), ("method", method), ("code", &code)], count);
            }
        }
        let mut request = text.family(&of::REQUEST);
        for (name, route) in routes.iter() {
            request.histogram(&[("route", name)], &route.seconds);
        }
        drop(routes);
        let mut forwarded = text.family(&of::FORWARDED);
        for outcome in Forwarded::ALL {
            forwarded.value(&[("outcome", outcome.as_str())], self.http.forwarded[outcome as usize].get());
        }
        text.family(&of::WRONG_KEYS).value(&[], self.http.wrong_keys.get());
        text.family(&of::IN_FLIGHT).value(&[], self.http.in_flight.get());
        text.family(&of::WAITING).value(&[], scrape.waiting);
        text.family(&of::STREAMS).value(&[], scrape.streams);
        text.family(&of::CONNECTIONS).value(&[], self.connections.open.get());
        text.family(&of::ACCEPTED).value(&[], self.connections.accepted.get());
        let mut timed_out = text.family(&of::TIMED_OUT);
        for why in TimedOut::ALL {
            timed_out.value(&[("reason", why.as_str())], self.connections.timed_out[why as usize].get());
        }
    }

    fn process(&self, text: &mut Text) {
        let process = Process::look();
        text.family(&of::CPU).value(&[], process.cpu_seconds);
        let mut known = |family, value: Option<u64>| {
            let mut samples = text.family(family);
            if let Some(value) = value {
                samples.value(&[], value);
            }
        };
        known(&of::OPEN_FDS, process.open_fds);
        known(&of::MAX_FDS, process.max_fds);
        known(&of::RESIDENT, process.resident_bytes);
        known(&of::VIRTUAL, process.virtual_bytes);
        known(&of::THREADS, process.threads);
        known(&of::STARTED, Some(self.started_at));
    }
}

/// A metric, and where its value is found.
type Column<T> = (&'static of::Family, fn(&T) -> u64);

/// How the locks are.
fn locks_now(text: &mut Text, series: &[(String, Series)]) {
    let families: [Column<UsageTotals>; 8] = [
        (&of::LOCK_INSTANCES, |now| now.locks),
        (&of::LOCK_PAUSED, |now| now.paused),
        (&of::LOCK_SIZE, |now| now.size),
        (&of::PERMITS_HELD, |now| now.held),
        (&of::PERMITS_GRANTED, |now| now.granted),
        (&of::PERMITS_WITHHELD, |now| now.withheld),
        (&of::LOCK_QUEUED, |now| now.queued),
        (&of::LOCK_DORMANT, |now| now.dormant),
    ];
    let measured = || series.iter().filter_map(|(label, series)| Some((label, series.now.as_ref()?)));
    for (family, value) in families {
        let mut samples = text.family(family);
        for (label, now) in measured() {
            samples.value(&[("lock", label)], value(now));
        }
    }
    let mut by_cause = text.family(&of::PERMITS_WITHHELD_BY);
    for (label, now) in measured() {
        for cause in WithheldCause::ALL {
            by_cause.value(&[("lock", label), ("cause", cause.as_str())], now.withheld_by[cause as usize]);
        }
    }
    let ages: [Column<UsageTotals>; 2] =
        [(&of::OLDEST_WAITER, |now| now.oldest_waiter), (&of::OLDEST_HOLDER, |now| now.oldest_holder)];
    for (family, age) in ages {
        let mut samples = text.family(family);
        for (label, now) in measured() {
            samples.value(&[("lock", label)], age(now) as f64 / 1000.0);
        }
    }
}

/// What has happened to the locks' tickets since the server began.
fn locks_so_far(text: &mut Text, series: &[(String, Series)]) {
    let counters: [Column<Counts>; 5] = [
        (&of::TICKETS, |counts| counts.tickets.get()),
        (&of::GRANTS, |counts| counts.grants.get()),
        (&of::LAPSED, |counts| counts.lapsed.get()),
        (&of::UNDELIVERED, |counts| counts.undelivered.get()),
        (&of::RELEASES, |counts| counts.ended_as(EndedAs::Released)),
    ];
    let each = |samples: &mut Samples<'_>, write: &dyn Fn(&mut Samples<'_>, &str, &Counts)| {
        series.iter().for_each(|(label, series)| write(samples, label, &series.counts));
    };
    for (family, value) in counters {
        each(&mut text.family(family), &|samples, label, counts| {
            samples.value(&[("lock", label)], value(counts));
        });
    }
    each(&mut text.family(&of::LAST_RELEASE), &|samples, label, counts| {
        if let at @ 1.. = counts.last_release.get() {
            samples.value(&[("lock", label)], at as f64 / 1000.0);
        }
    });
    each(&mut text.family(&of::ENDED), &|samples, label, counts| {
        for how in EndedAs::ALL {
            samples.value(&[("lock", label), ("reason", how.as_str())], counts.ended_as(how));
        }
    });
    each(&mut text.family(&of::WAIT), &|samples, label, counts| {
        samples.histogram(&[("lock", label)], &counts.waits);
    });
    each(&mut text.family(&of::HOLD), &|samples, label, counts| {
        samples.histogram(&[("lock", label)], &counts.holds);
    });
}
