//! Texts that people read: which characters mislead them, or what shows them. `lock-api` has the same list for programs that do
//! not know this crate; a test compares the two.

use std::borrow::Cow;
use std::sync::Arc;

/// Ends a text that was longer than it may be.
pub const CUT_MARK: &str = "…";

/// Whether a character ends a line somewhere, drives a terminal, shows text in another order than it is written, or is not seen
/// at all, so that two texts look alike. The joiners U+200C and U+200D are none: Persian and many emoji are not written
/// without them.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The text with U+FFFD for each unsafe character.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.contains(is_unsafe) { text.replace(is_unsafe, "\u{fffd}").into() } else { text.into() }
}

/// Whether the text may be kept and shown as it is.
///
/// # Errors
/// Which character it may not contain; `what` names the text.
pub fn check(what: &str, text: &str) -> Result<(), String> {
    match text.chars().find(|c| is_unsafe(*c)) {
        None => Ok(()),
        Some(bad) => Err(format!(
            "{what} contains {bad:?} (U+{:04X}); control characters, invisible ones and those that turn the direction of \
             writing are not allowed",
            u32::from(bad)
        )),
    }
}

/// The text, or as much of it as fits into so many bytes with a mark at its end.
#[must_use]
pub fn cut(text: &Arc<str>, max: usize) -> Arc<str> {
    if text.len() <= max {
        return text.clone();
    }
    let end = text.floor_char_boundary(max - CUT_MARK.len());
    Arc::from(format!("{}{CUT_MARK}", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unsafe() {
        for bad in "\0\n\t\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{200b}\u{200e}\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}\u{e0041}".chars() {
            assert!(is_unsafe(bad), "{bad:?}");
        }
        for good in "a ä\u{a0}€\u{200c}\u{200d}\u{fe0f}\u{fffd}👩‍💻".chars() {
            assert!(!is_unsafe(good), "{good:?}");
        }
        assert_eq!(clean("a\nb\u{202e}c"), "a\u{fffd}b\u{fffd}c");
        assert!(matches!(clean("größe"), Cow::Borrowed("größe")));
    }

    #[test]
    fn what_is_cut_ends_with_a_mark_and_within_its_bound() {
        assert_eq!(&*cut(&Arc::from("ääää"), 8), "ääää");
        assert_eq!(&*cut(&Arc::from("äääää"), 8), "ää…");
    }
}
