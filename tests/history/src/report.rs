//! What came of a run, as it is printed.

use crate::faults::{CHANGE, EtcdNemesis};
use crate::history::{Answer, Fault, History, Nanos, Word};
use crate::judge::Finding;
use crate::run::Plan;
use crate::world::Network;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    plan: Plan,
    /// Where the processes were.
    network: String,
    /// What broke the rules.
    pub findings: Vec<Finding>,
    /// Each kind of fault: how often it came, and how long nobody was answered then.
    pub faults: BTreeMap<&'static str, Of>,
    /// How many calls were answered, refused or neither.
    pub calls: [usize; 3],
    grants: usize,
    /// Events that readers were told, and how often they were told to begin anew.
    events: [usize; 2],
    changes: usize,
    takeovers: usize,
    /// The longest time without an answer to anybody: from when on, how long, and in which fault.
    longest: (Nanos, Nanos, &'static str),
    took: Duration,
    /// Why it ended early, if it did.
    pub(crate) trouble: Option<String>,
    pub(crate) kept: Option<PathBuf>,
}

/// A kind of fault in a run.
#[derive(Debug, Default, Clone, Copy)]
pub struct Of {
    /// How often it came.
    pub count: usize,
    /// The longest time in which no client of a pair was answered.
    pub silence: Nanos,
    /// Of such a time the longest part after all was mended.
    pub after: Nanos,
}

impl Report {
    pub(crate) fn of(
        plan: &Plan,
        network: &Network,
        histories: &[History],
        findings: Vec<Finding>,
        trouble: Option<String>,
        took: Duration,
    ) -> Self {
        let mut report = Self {
            plan: plan.clone(),
            network: network.to_string(),
            findings,
            faults: BTreeMap::new(),
            calls: [0; 3],
            grants: 0,
            events: [0; 2],
            changes: 0,
            takeovers: 0,
            longest: (0, 0, "none"),
            took,
            trouble,
            kept: None,
        };
        let mut seen = HashSet::new();
        for history in histories {
            report.takeovers += history.takeovers.len();
            let count = |what: fn(&Word) -> bool| history.news.iter().filter(|news| what(&news.word)).count();
            report.events[0] += count(|word| matches!(word, Word::Event(_)));
            report.events[1] += count(|word| matches!(word, Word::Reset(_)));
            for fault in &history.faults {
                if fault.kind == CHANGE {
                    report.changes += 1;
                } else if seen.insert((fault.kind, fault.from)) {
                    // One of etcd is in the history of each pair.
                    report.faults.entry(fault.kind).or_default().count += 1;
                }
            }
            report.count_calls(history);
            report.measure(history);
        }
        report
    }

    fn count_calls(&mut self, history: &History) {
        let mut granted = HashSet::new();
        for call in &history.calls {
            self.calls[match &call.answer {
                Answer::Refused(_) => 1,
                Answer::Unknown(_) => 2,
                _ => 0,
            }] += 1;
            if let Answer::Ticket(told) = &call.answer
                && told.held
            {
                granted.insert(told.number);
            }
        }
        self.grants += granted.len();
    }

    /// Looks for times in which nobody was answered, and for what was broken then.
    fn measure(&mut self, history: &History) {
        let is_answer = |answer: &Answer| !matches!(answer, Answer::Refused(_) | Answer::Unknown(_));
        let mut answered: Vec<Nanos> =
            history.calls.iter().filter(|call| is_answer(&call.answer)).map(|call| call.answered).collect();
        answered.sort_unstable();
        for silence in answered.windows(2) {
            let (from, until) = (silence[0], silence[1]);
            let together = |fault: &&Fault| fault.until.min(until).saturating_sub(fault.from.max(from));
            let faults = || history.faults.iter().filter(|fault| fault.kind != CHANGE && together(fault) > 0);
            // A fault of a pair lasts until the pair serves again, which it cannot without etcd.
            let of_etcd = faults().filter(|fault| EtcdNemesis::names(fault.kind)).max_by_key(together);
            let of_etcd = of_etcd.filter(|fault| 2 * together(fault) > until - from);
            let Some(cause) = of_etcd.or_else(|| faults().max_by_key(together)) else { continue };
            let of = self.faults.entry(cause.kind).or_default();
            of.silence = of.silence.max(until - from);
            if until - from > self.longest.1 {
                self.longest = (from, until - from, cause.kind);
            }
            of.after = of.after.max(until.saturating_sub(cause.mended.max(from)));
        }
    }

    /// How many faults there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.faults.values().map(|of| of.count).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { seed, members, pairs, clients, .. } = self.plan;
        let (faults, took) = (self.count(), self.took.as_secs());
        writeln!(
            f,
            "seed {seed}: {faults} faults in {took} s; members of etcd: {members}, pairs of servers: {pairs}, clients that \
             compete at each: {clients}; network: {}",
            self.network
        )?;
        writeln!(f, "  how often, longest time in seconds without an answer to anybody, of that after all was mended")?;
        let seconds = |time: Nanos| Duration::from_nanos(time).as_secs_f64();
        for (kind, of) in &self.faults {
            writeln!(f, "  {:4} {:6.1} {:6.1}  {kind}", of.count, seconds(of.silence), seconds(of.after))?;
        }
        let [answered, refused, unknown] = self.calls;
        let all = answered + refused + unknown;
        writeln!(f, "{all} calls: {answered} answered, {refused} refused, {unknown} unknown; {} grants", self.grants)?;
        let [events, resets] = self.events;
        writeln!(f, "{events} events were told to readers, and {resets} times that some are missing")?;
        let (from, time, kind) = self.longest;
        writeln!(f, "nobody was answered for {:.1} s from {:.1} s on ({kind})", seconds(time), seconds(from))?;
        writeln!(f, "{} changes of leader, {} of them at a moment that is known", self.changes, self.takeovers)?;
        for finding in &self.findings {
            writeln!(f, "BROKEN {:?}: {}", finding.promise, finding.what)?;
        }
        if let Some(trouble) = &self.trouble {
            writeln!(f, "the run ended early: {trouble}")?;
        }
        if let Some(kept) = &self.kept {
            writeln!(f, "the history and all logs are in {}", kept.display())?;
        }
        write!(f, "{} findings", self.findings.len())
    }
}
