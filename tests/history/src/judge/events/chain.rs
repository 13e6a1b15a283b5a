//! What a reader was told without a gap: from its first connection or a `reset` on, over breaks after which it resumed.

use crate::history::{Event, Nanos, News, Word};

/// Events of one reader, each of which follows the one before.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    pub(super) reader: u32,
    /// When the reader knew that it begins. What happened before may be missing.
    pub(super) begun: Nanos,
    /// The id that it begins after.
    pub(super) start: Option<&'a str>,
    /// With the time when the reader was told.
    pub(super) events: Vec<(Nanos, &'a Event)>,
    /// When the reader last heard that there was nothing new.
    pub(super) quiet: Option<Nanos>,
    /// Ids to which the stream went on without an event.
    pub(super) leaps: Vec<(Nanos, &'a str)>,
    /// What the next event follows.
    last: Option<&'a str>,
}

impl<'a> Chain<'a> {
    const fn new(reader: u32, begun: Nanos, start: Option<&'a str>) -> Self {
        Self { reader, begun, start, events: Vec::new(), quiet: None, leaps: Vec::new(), last: start }
    }

    /// Two ids of which the second followed the first.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let ids = self.start.into_iter().chain(self.events.iter().map(|(_, event)| event.id.as_str()));
        ids.clone().zip(ids.skip(1))
    }

    /// The reader would resume after this id. No filter of a run keeps events away, so that it is that of the last event.
    fn moved_to(&mut self, at: Nanos, id: &'a str) {
        if self.last != Some(id) {
            self.leaps.push((at, id));
        }
        self.last = Some(id);
    }
}

/// All chains of a history.
pub(super) fn chains(news: &[News]) -> Vec<Chain<'_>> {
    let mut readers: Vec<u32> = news.iter().map(|news| news.reader).collect();
    readers.sort_unstable();
    readers.dedup();
    readers
        .into_iter()
        .flat_map(|reader| of_reader(reader, news.iter().filter(move |news| news.reader == reader)))
        .collect()
}

fn of_reader<'a>(reader: u32, news: impl Iterator<Item = &'a News>) -> Vec<Chain<'a>> {
    let mut chains: Vec<Chain<'a>> = Vec::new();
    let mut goes_on = false;
    for News { at, word, .. } in news {
        let last = chains.last_mut().filter(|_| goes_on);
        match (word, last) {
            (Word::Broken(_), _) => continue,
            // It goes on if the reader has asked for what comes next in it.
            (Word::Begun(after), last) => {
                goes_on = last.is_some_and(|chain| after.is_some() && after.as_deref() == chain.last);
                continue;
            }
            (Word::Reset(id), _) | (Word::At(id) | Word::Comment(id), None) => {
                chains.push(Chain::new(reader, *at, Some(id)));
            }
            (Word::At(id), Some(chain)) => chain.moved_to(*at, id),
            (Word::Comment(id), Some(chain)) => {
                chain.moved_to(*at, id);
                chain.quiet = Some(*at);
            }
            (Word::Event(event), Some(chain)) => {
                chain.events.push((*at, event));
                chain.last = Some(&event.id);
            }
            (Word::Event(event), None) => {
                let mut chain = Chain::new(reader, *at, None);
                chain.events.push((*at, event));
                chain.last = Some(&event.id);
                chains.push(chain);
            }
        }
        goes_on = true;
    }
    chains
}
