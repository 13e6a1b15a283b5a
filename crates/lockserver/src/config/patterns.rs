//! Lists of locks in a value: names, and beginnings of names.

use super::value::{list, quote};
use crate::access::{Patterns, parse_pattern};

/// Names of locks and beginnings of names.
///
/// # Errors
/// Which of them is neither.
pub fn patterns(text: &str) -> Result<Patterns, String> {
    let read = |text: &str| parse_pattern(text).map_err(|error| format!("{}: {error}", quote(text)));
    Ok(Patterns::new(list(text)?.into_iter().map(read).collect::<Result<_, _>>()?))
}
