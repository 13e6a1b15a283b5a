//! Streams with a mistake in each: the judge finds it, and finds nothing in what is right.

use crate::history::{Answer, Event, News, SECOND, Word};
use crate::judge::Promise;
use crate::judge::planted::{Story, held};

const WRONG: &[Promise] = &[Promise::Events];

impl Story {
    fn news(mut self, reader: u32, at: u64, word: Word) -> Self {
        self.0.news.push(News { reader, at: at * SECOND, word });
        self
    }

    fn event(self, reader: u32, at: u64, id: &str, kind: &str, number: u64) -> Self {
        let event = Event {
            id: id.to_owned(),
            kind: kind.to_owned(),
            lock: "x".to_owned(),
            ticket: Some(number),
            token: (kind == "granted").then_some(number),
            ended_as: (kind == "ended").then(|| "released".to_owned()),
        };
        self.news(reader, at, Word::Event(event))
    }

    /// Two tickets, each granted with its number as token. The first one is released, by 6.
    fn of_two() -> Self {
        let first = Self::of(2).acquire(2, 3, 1, held(1, 0, 1)).renew(4, 5, 1, held(1, 0, 1));
        first.release(5, 6, 1, Answer::Released).acquire(7, 8, 2, held(2, 1, 2))
    }

    /// The reader begins when the stream is at 7-0.
    fn begun(self, reader: u32, at: u64) -> Self {
        self.news(reader, at, Word::Begun(None)).news(reader, at, Word::At("7-0".to_owned()))
    }

    fn resumed(self, reader: u32, at: u64, after: &str) -> Self {
        let (asked, told) = (Word::Begun(Some(after.to_owned())), Word::At(after.to_owned()));
        self.news(reader, at, Word::Broken("cut".to_owned())).news(reader, at, asked).news(reader, at, told)
    }

    fn reset(self, reader: u32, at: u64, id: &str) -> Self {
        self.news(reader, at, Word::Reset(id.to_owned()))
    }

    /// The reader is told all.
    fn told(self, reader: u32) -> Self {
        self.begun(reader, 1).granted_and_ended(reader).event(reader, 8, "7-3", "granted", 2)
    }

    fn granted_and_ended(self, reader: u32) -> Self {
        self.event(reader, 3, "7-1", "granted", 1).event(reader, 6, "7-2", "ended", 1)
    }
}

#[test]
fn all_is_told() {
    Story::of_two().told(0).told(1).breaks(&[]);
    Story::of_two().breaks(&[]);
}

#[test]
fn a_grant_or_an_end_that_is_missing() {
    let begun = || Story::of_two().begun(0, 1);
    begun().event(0, 6, "7-1", "ended", 1).event(0, 8, "7-2", "granted", 2).breaks(WRONG);
    begun().event(0, 3, "7-1", "granted", 1).event(0, 8, "7-2", "granted", 2).breaks(WRONG);
    // What comes last may be under way.
    begun().granted_and_ended(0).breaks(&[]);
    begun().event(0, 3, "7-1", "granted", 1).breaks(&[]);
    begun().breaks(&[]);
    // What is older than the stream is not in it, and what is as old may be.
    Story::of_two().begun(0, 5).event(0, 8, "7-1", "granted", 2).breaks(&[]);
    Story::of_two().begun(0, 2).event(0, 6, "7-1", "ended", 1).event(0, 8, "7-2", "granted", 2).breaks(&[]);
    // Nobody knows of it.
    begun().granted_and_ended(0).event(0, 7, "7-3", "queued", 5).event(0, 8, "7-4", "granted", 2).breaks(&[]);
}

#[test]
fn a_stream_that_says_nothing() {
    let silent = |at| Story::of_two().begun(0, 1).news(0, at, Word::Comment("7-0".to_owned()));
    silent(50).breaks(WRONG);
    silent(18).breaks(&[]);
    // It may have been told and not have come.
    Story::of_two().begun(0, 1).resumed(0, 50, "7-0").breaks(&[]);
}

#[test]
fn an_end_that_is_another_one() {
    let lost = |how: &str| {
        let gone = Answer::Gone(how.to_owned());
        let story = Story::of(2).begun(0, 1).acquire(2, 3, 1, held(1, 0, 1)).renew(30, 31, 1, gone);
        story.acquire(32, 33, 2, held(2, 1, 2)).event(0, 3, "7-1", "granted", 1)
    };
    let told = |how: &str, ended_as: &str| {
        let mut story = lost(how).event(0, 31, "7-2", "ended", 1);
        if let Some(News { word: Word::Event(event), .. }) = story.0.news.last_mut() {
            event.ended_as = Some(ended_as.to_owned());
        }
        story.event(0, 33, "7-3", "granted", 2)
    };
    told("lost", "lost").breaks(&[]);
    told("lost", "released").breaks(WRONG);
    lost("lost").event(0, 33, "7-3", "granted", 2).breaks(WRONG);
}

#[test]
fn an_event_that_comes_twice() {
    Story::of_two().told(0).event(0, 9, "7-3", "granted", 2).breaks(WRONG);
    Story::of_two().told(0).event(0, 9, "7-4", "granted", 2).breaks(WRONG);
    Story::of_two().told(0).event(0, 9, "7-4", "ended", 1).breaks(WRONG);
    Story::of_two().told(0).event(0, 9, "7-4", "ended", 2).breaks(&[]);
    // A token that is smaller than one before.
    let granted =
        |one, other| Story::of_two().told(0).event(0, 9, "7-4", "granted", one).event(0, 9, "7-5", "granted", other);
    granted(6, 5).breaks(WRONG);
    granted(5, 6).breaks(&[]);
}

#[test]
fn a_break_in_which_something_is_lost() {
    let broken = |after: &str| Story::of_two().begun(0, 1).event(0, 3, "7-1", "granted", 1).resumed(0, 7, after);
    broken("7-1").event(0, 7, "7-2", "ended", 1).event(0, 8, "7-3", "granted", 2).breaks(&[]);
    broken("7-1").event(0, 8, "7-3", "granted", 2).breaks(WRONG);
    // The reader that has not asked for what it has missed is not told.
    broken("7-2").event(0, 8, "7-3", "granted", 2).breaks(&[]);
    broken("7-1").reset(0, 7, "7-2").event(0, 8, "7-3", "granted", 2).breaks(&[]);
    // The server goes on after what it has not told.
    let leap = |id: &str| broken("7-1").news(0, 8, Word::Comment(id.to_owned()));
    leap("7-1").breaks(&[]);
    leap("7-2").breaks(WRONG);
}

#[test]
fn two_readers_who_are_told_differently() {
    let other = || Story::of_two().told(0).begun(1, 1);
    other().granted_and_ended(1).event(1, 8, "7-3", "granted", 2).breaks(&[]);
    other().granted_and_ended(1).event(1, 7, "7-9", "queued", 5).breaks(WRONG);
    // Another event with the same id.
    other().granted_and_ended(1).event(1, 7, "7-3", "queued", 5).breaks(WRONG);
    other().reset(1, 7, "8-0").event(1, 7, "8-1", "queued", 5).breaks(&[]);
}

#[test]
fn the_events_of_another_leader() {
    Story::of_two().told(0).takeover(6).breaks(WRONG);
    Story::of_two().told(0).takeover(7).breaks(&[]);
    let reset = Story::of_two().takeover(6).begun(0, 1).granted_and_ended(0).reset(0, 7, "8-0");
    reset.event(0, 8, "8-1", "granted", 2).breaks(&[]);
}
