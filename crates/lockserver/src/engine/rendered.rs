//! An answer or event as it goes over the wire, made once for all clients that get the same.

use std::sync::{Arc, OnceLock};

/// An outcome or event as bytes of some protocol, made by the first who needs it.
pub type Rendered = Arc<OnceLock<Arc<[u8]>>>;
