//! Whatever goes wrong, in words.

use std::error::Error;

/// Anything that went wrong.
pub(crate) type Fault = Box<dyn Error + Send + Sync>;
