//! What happened in a run, in words. Shared, so that it outlives a panic.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

/// Lines shown of a run that failed.
const SHOWN: usize = 70;

#[derive(Default)]
struct Inner {
    lines: Vec<String>,
    counts: BTreeMap<&'static str, u64>,
    now: String,
}

/// Lines and counters of a run.
#[derive(Clone, Default)]
pub(crate) struct Trace(Rc<RefCell<Inner>>);

impl Trace {
    /// Sets what the following lines begin with.
    pub(crate) fn at(&self, step: u64, mono: u64) {
        self.0.borrow_mut().now = format!("{step:4} {mono:>8} ms");
    }

    pub(crate) fn line(&self, text: &str) {
        let mut inner = self.0.borrow_mut();
        let line = format!("{} {text}", inner.now);
        inner.lines.push(line);
    }

    /// Counts something that the simulation is there to try; the summary shows that it happened.
    pub(crate) fn count(&self, what: &'static str) {
        *self.0.borrow_mut().counts.entry(what).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.borrow().counts.clone()
    }

    pub(crate) fn tail(&self) -> String {
        let inner = self.0.borrow();
        let from = inner.lines.len().saturating_sub(SHOWN);
        inner.lines[from..].join("\n")
    }

    pub(crate) fn text(&self) -> String {
        let inner = self.0.borrow();
        let mut text = inner.lines.join("\n");
        for (what, count) in &inner.counts {
            write!(text, "\n{what}: {count}").expect("a string takes anything");
        }
        text
    }
}
