//! A stream of events as it comes: chunks of Server-Sent Events become what a reader was told.

use crate::history::{Event, Word};
use serde_json::Value;

/// Puts chunks together.
#[derive(Debug, Default)]
pub(super) struct Frames {
    rest: Vec<u8>,
    /// Of the frame that is not complete.
    lines: Vec<(String, String)>,
}

impl Frames {
    /// What this chunk completes.
    pub(super) fn add(&mut self, chunk: &[u8]) -> Vec<Word> {
        self.rest.extend_from_slice(chunk);
        let mut words = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]);
            if !line.is_empty() {
                let (field, value) = line.split_once(':').unwrap_or((&line, ""));
                self.lines.push((field.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()));
            } else if let Some(word) = self.complete() {
                words.push(word);
            }
        }
        words
    }

    fn complete(&mut self) -> Option<Word> {
        let lines = std::mem::take(&mut self.lines);
        let of = |name: &str| lines.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        let id = of("id")?;
        let Some(data) = of("data") else {
            // A line that begins with a colon is a comment.
            return Some(if of("").is_some() { Word::Comment(id) } else { Word::At(id) });
        };
        let kind = of("event").unwrap_or_default();
        if kind == "reset" {
            return Some(Word::Reset(id));
        }
        let data: Value = serde_json::from_str(&data).unwrap_or_default();
        let text = |name: &str| data[name].as_str().map(str::to_owned);
        Some(Word::Event(Event {
            id,
            kind,
            lock: text("lock").unwrap_or_default(),
            ticket: data["number"].as_u64(),
            token: data["token"].as_u64(),
            ended_as: text("ended_as"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_whatever_the_chunks() {
        let stream = "retry: 2000\nid: 7-1\n\nid: 7-2\nevent: granted\ndata: {\"lock\":\"x\",\"number\":3,\"token\":9}\n\n\
            : still here\nid: 7-2\n\nid: 8-0\nevent: reset\ndata: {\"as_of\":\"8-0\"}\n\nid: 8-1\nevent: ended\n";
        let granted = Event {
            id: "7-2".to_owned(),
            kind: "granted".to_owned(),
            lock: "x".to_owned(),
            ticket: Some(3),
            token: Some(9),
            ended_as: None,
        };
        let told = [
            Word::At("7-1".to_owned()),
            Word::Event(granted),
            Word::Comment("7-2".to_owned()),
            Word::Reset("8-0".to_owned()),
        ];
        for size in [1, 3, 1000] {
            let mut frames = Frames::default();
            let words: Vec<Word> = stream.as_bytes().chunks(size).flat_map(|chunk| frames.add(chunk)).collect();
            assert_eq!(words, told, "in chunks of {size}");
        }
    }
}
