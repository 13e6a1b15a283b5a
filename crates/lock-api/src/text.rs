//! Texts that people read: which characters mislead them, or what shows them. `lock-core` has the same list for the server; a test
//! compares the two.

use std::borrow::Cow;

/// Whether a character ends a line somewhere, drives a terminal, shows text in another order than it is written, or is not seen
/// at all, so that two texts look alike. The server takes none of them in names, `info` and reasons. The joiners U+200C and
/// U+200D are none: Persian and many emoji are not written without them.
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
