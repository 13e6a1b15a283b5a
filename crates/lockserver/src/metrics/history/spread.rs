//! Waiting and holding times of a span, as counts of times that are alike.

use super::Span;
use lock_core::{Ms, WallMs};
use std::collections::VecDeque;

/// Times up to this are alike.
const SMALLEST_MS: f64 = 10.0;
/// So many classes lead from a time to twice that time.
const PER_DOUBLING: f64 = 4.0;
/// The last begins at 16 days.
const CLASSES: usize = 110;

/// A part of a span.
#[derive(Debug)]
struct Slice {
    at: WallMs,
    longest_ms: Ms,
    counts: [u32; CLASSES],
    /// Those that say what is usual.
    usual: u64,
    usual_ms: u64,
}

/// Parts of a span, oldest first.
#[derive(Debug, Default)]
struct Slices(VecDeque<Slice>);

/// Times of the last hour and the last day.
#[derive(Debug, Default)]
pub(super) struct Spread {
    hour: Slices,
    day: Slices,
}

/// Of so many times, the one that half of them do not exceed, and so on: never less than it is, and at most 20 % more. What
/// is under 10 ms is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Times that were measured.
    pub count: u64,
    /// Half of them are no longer.
    pub p50: Option<Ms>,
    /// 90 % of them are no longer.
    pub p90: Option<Ms>,
    /// 99 % of them are no longer.
    pub p99: Option<Ms>,
}

/// An hour in sixths, a day in hours.
const fn slice_ms(span: Span) -> Ms {
    match span {
        Span::Hour => 600_000,
        Span::Day => 3_600_000,
    }
}

fn class(ms: Ms) -> usize {
    let class = PER_DOUBLING * (ms as f64 / SMALLEST_MS).max(1.0).log2();
    (class.ceil() as usize).min(CLASSES - 1)
}

/// The longest time of a class.
fn end(class: usize) -> Ms {
    match class {
        0 => 0,
        _ if class == CLASSES - 1 => Ms::MAX,
        _ => (SMALLEST_MS * 2_f64.powf(class as f64 / PER_DOUBLING)).ceil() as Ms,
    }
}

impl Slices {
    fn add(&mut self, span: Span, at: WallMs, ms: Ms, usual: bool) {
        let begin = at - at % slice_ms(span);
        // The wall clock was set back.
        while self.0.back().is_some_and(|slice| slice.at > begin) {
            self.0.pop_back();
        }
        if self.0.back().is_none_or(|slice| slice.at != begin) {
            if self.0.len() as u64 >= span.ms() / slice_ms(span) {
                self.0.pop_front();
            }
            self.0.push_back(Slice { at: begin, longest_ms: 0, counts: [0; CLASSES], usual: 0, usual_ms: 0 });
        }
        let slice = self.0.back_mut().expect("it is there by now");
        slice.usual += u64::from(usual);
        slice.usual_ms = slice.usual_ms.saturating_add(if usual { ms } else { 0 });
        slice.longest_ms = slice.longest_ms.max(ms);
        let count = &mut slice.counts[class(ms)];
        *count = count.saturating_add(1);
    }

    fn within(&self, span: Span, now: WallMs) -> impl Iterator<Item = &Slice> {
        let oldest = now.saturating_sub(span.ms());
        self.0.iter().filter(move |slice| slice.at + slice_ms(span) > oldest)
    }
}

impl Spread {
    /// A time; one that is not usual stays out of the mean.
    pub(super) fn add(&mut self, at: WallMs, ms: Ms, usual: bool) {
        self.hour.add(Span::Hour, at, ms, usual);
        self.day.add(Span::Day, at, ms, usual);
    }

    fn slices(&self, span: Span, now: WallMs) -> impl Iterator<Item = &Slice> {
        let slices = match span {
            Span::Hour => &self.hour,
            Span::Day => &self.day,
        };
        slices.within(span, now)
    }

    pub(super) fn percentiles(&self, span: Span, now: WallMs) -> Percentiles {
        let (mut counts, mut longest) = ([0_u64; CLASSES], 0);
        for slice in self.slices(span, now) {
            counts.iter_mut().zip(slice.counts).for_each(|(sum, count)| *sum += u64::from(count));
            longest = longest.max(slice.longest_ms);
        }
        let count: u64 = counts.iter().sum();
        let percentile = |percent: u64| {
            let wanted = (count * percent).div_ceil(100);
            let mut seen = 0;
            counts.iter().position(|count| {
                seen += count;
                seen >= wanted && seen > 0
            })
        };
        let of = |percent| percentile(percent).filter(|_| count > 0).map(|class| end(class).min(longest));
        Percentiles { count, p50: of(50), p90: of(90), p99: of(99) }
    }

    /// The average of the usual times of the span, if there are at least so many.
    pub(super) fn mean(&self, span: Span, now: WallMs, least: u64) -> Option<Ms> {
        let (mut sum, mut count) = (0_u64, 0_u64);
        for slice in self.slices(span, now) {
            sum = sum.saturating_add(slice.usual_ms);
            count += slice.usual;
        }
        (count >= least.max(1)).then(|| sum / count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_near_the_times() {
        let mut spread = Spread::default();
        let now = 1_700_000_000_000;
        for ms in (1..=100).map(|tenth| tenth * 1000) {
            spread.add(now, ms, true);
        }
        let told = spread.percentiles(Span::Hour, now);
        assert_eq!(told.count, 100);
        for (told, real) in [(told.p50, 50_000.0), (told.p90, 90_000.0), (told.p99, 99_000.0)] {
            let told = told.unwrap() as f64;
            assert!((1.0..1.2).contains(&(told / real)), "{told} for {real}");
        }
        let mut same = Spread::default();
        (0..20).for_each(|_| same.add(now, 9000, true));
        assert_eq!(same.percentiles(Span::Day, now).p50, Some(9000), "no more than the longest");
        assert_eq!(spread.mean(Span::Hour, now, 100), Some(50_500));
        assert_eq!(spread.mean(Span::Hour, now, 101), None);
        spread.add(now, 3_000_000, false);
        assert_eq!(spread.mean(Span::Hour, now, 1), Some(50_500), "what is not usual is left out");
        assert_eq!(spread.percentiles(Span::Hour, now).count, 101);
    }

    #[test]
    fn what_is_long_ago_is_no_more() {
        let mut spread = Spread::default();
        let begin = 1_700_000_000_000;
        spread.add(begin, 5000, true);
        assert_eq!(spread.percentiles(Span::Hour, begin + 2 * 3_600_000), Percentiles::default());
        assert_eq!(spread.percentiles(Span::Day, begin + 2 * 3_600_000).count, 1);
        assert_eq!(spread.percentiles(Span::Day, begin + 30 * 3_600_000).count, 0);
    }

    #[test]
    fn every_time_has_a_class() {
        for ms in [0, 1, 10, 11, 1000, 86_400_000, u64::MAX] {
            let class = class(ms);
            assert!(class < CLASSES);
            let over = end(class) as f64 / ms as f64;
            assert!(ms <= 10 || ms == u64::MAX || (1.0..1.2).contains(&over), "{ms}: {over}");
        }
        assert_eq!(Spread::default().percentiles(Span::Day, 0), Percentiles::default());
    }
}
