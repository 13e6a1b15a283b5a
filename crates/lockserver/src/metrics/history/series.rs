//! How much of a lock was in use, and how long its queue was, in equal steps of time.

use super::Span;
use lock_core::{Usage, WallMs};
use std::collections::VecDeque;

/// One step. Unix time in seconds, so that a day of a thousand locks stays small.
#[derive(Debug, Clone, Copy)]
struct Point {
    at_s: u32,
    size: u32,
    in_use_max: u32,
    queued_max: u32,
    in_use_mean: f32,
    looks: u16,
    full: u16,
}

/// The steps of a span, oldest first.
#[derive(Debug)]
pub(super) struct Series {
    span: Span,
    points: VecDeque<Point>,
}

/// Equal steps of time, oldest first. A step without a value is one that the server did not see.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// When the first step begins; meaningless if there is none.
    pub begin: WallMs,
    pub steps: Vec<Option<Sample>>,
}

/// What was seen in one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Permits, at its end.
    pub size: u32,
    /// Permits granted or held, on average.
    pub in_use: f32,
    /// The same at most.
    pub in_use_max: u32,
    /// Tickets in the queue, at most.
    pub queued_max: u32,
    /// Share of the looks at which no permit was left, 0 to 1.
    pub full: f32,
}

fn seconds(wall: WallMs) -> u32 {
    u32::try_from(wall / 1000).unwrap_or(u32::MAX)
}

impl Series {
    pub(super) fn new(span: Span) -> Self {
        Self { span, points: VecDeque::new() }
    }

    fn most(&self) -> usize {
        (self.span.ms() / self.span.step_ms()) as usize
    }

    pub(super) fn add(&mut self, now: WallMs, usage: &Usage) {
        let at_s = seconds(now - now % self.span.step_ms());
        // The wall clock was set back: what is in the future then did not happen.
        while self.points.back().is_some_and(|point| point.at_s > at_s) {
            self.points.pop_back();
        }
        let [in_use, queued] = [usage.in_use, usage.queued].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let full = u16::from(usage.is_full());
        if let Some(point) = self.points.back_mut().filter(|point| point.at_s == at_s) {
            point.size = usage.size;
            point.in_use_max = point.in_use_max.max(in_use);
            point.queued_max = point.queued_max.max(queued);
            point.looks = point.looks.saturating_add(1);
            point.full = point.full.saturating_add(full);
            point.in_use_mean += (in_use as f32 - point.in_use_mean) / f32::from(point.looks);
            return;
        }
        if self.points.len() >= self.most() {
            self.points.pop_front();
        }
        let (in_use_max, queued_max, in_use_mean) = (in_use, queued, in_use as f32);
        self.points.push_back(Point { at_s, size: usage.size, in_use_max, queued_max, in_use_mean, looks: 1, full });
    }

    pub(super) fn samples(&self, now: WallMs) -> Samples {
        let step_s = seconds(self.span.step_ms());
        let oldest = seconds(now.saturating_sub(self.span.ms()));
        let mut points = self.points.iter().filter(|point| point.at_s >= oldest).peekable();
        let Some(first) = points.peek().map(|point| point.at_s) else { return Samples::default() };
        let mut steps: Vec<Option<Sample>> = Vec::with_capacity(self.most());
        for point in points {
            let place = ((point.at_s - first) / step_s) as usize;
            // Clocks jump; a gap is never longer than the span.
            steps.resize(place.min(self.most()), None);
            steps.push(Some(Sample {
                size: point.size,
                in_use: point.in_use_mean,
                in_use_max: point.in_use_max,
                queued_max: point.queued_max,
                full: f32::from(point.full) / f32::from(point.looks),
            }));
        }
        Samples { begin: u64::from(first) * 1000, steps }
    }
}
