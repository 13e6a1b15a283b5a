//! Which locks may be told to who asks: a bundle is listed with each of its locks, and who sees one may not see another.

use lock_core::LockName;

/// Whether a lock is to be seen.
pub(in crate::http) type Sees<'s> = &'s dyn Fn(&LockName) -> bool;

/// Of who made the ticket, or may end it.
pub(super) const ALL: Sees<'static> = &|_| true;
