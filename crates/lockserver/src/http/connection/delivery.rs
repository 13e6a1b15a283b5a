//! What became of an answer: the one place that decides it, for every protocol.
//!
//! An answer is a stretch of the bytes that a connection carries. It is *delivered* once the peer's kernel has acknowledged
//! its last byte. It is *unsent* if the connection is over and our kernel has not sent its first byte. Everything else is
//! *unknown* when the connection ends: a reset proves nothing, for a client may read the whole answer and reset the connection
//! before its (delayed) acknowledgement leaves.

use crate::engine::Delivery;

/// Which of a connection's bytes an answer is, counted from the connection's beginning and below TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// No byte of the answer comes before this one. `None` while HTTP has let go of none of them.
    pub(super) begin: Option<u64>,
    /// All of them come before this one. `None` while HTTP still has some.
    pub(super) end: Option<u64>,
}

/// How far the bytes of a connection have come, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wire {
    /// So many were given to the kernel, and after the connection's end at most so many of them have ever left it.
    pub(super) sent: u64,
    /// So many have arrived at the peer's kernel.
    pub(super) acknowledged: u64,
    /// The kernel neither sends nor takes any more.
    pub(super) over: bool,
}

impl Span {
    /// What became of the answer, if that is known.
    pub(super) fn settled(self, wire: Wire) -> Option<Delivery> {
        let arrived = self.end.is_some_and(|end| end <= wire.acknowledged);
        if arrived { Some(Delivery::Delivered) } else { wire.over.then(|| self.at_the_end(wire)) }
    }

    /// What became of it, once nothing more is given to the kernel.
    pub(super) fn at_the_end(self, wire: Wire) -> Delivery {
        if self.end.is_some_and(|end| end <= wire.acknowledged) {
            Delivery::Delivered
        } else if self.begin.is_none_or(|begin| begin >= wire.sent) {
            Delivery::Unsent
        } else {
            Delivery::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_never_left_is_unsent_and_only_what_arrived_whole_is_delivered() {
        use Delivery::{Delivered, Unknown, Unsent};
        let whole = Span { begin: Some(100), end: Some(150) };
        let half = Span { begin: Some(100), end: None };
        let none = Span { begin: None, end: None };
        for (sent, acknowledged, [of_whole, of_half, of_none]) in [
            (100, 100, [Unsent, Unsent, Unsent]),
            (100, 50, [Unsent, Unsent, Unsent]),
            (101, 100, [Unknown, Unknown, Unsent]),
            (150, 0, [Unknown, Unknown, Unsent]),
            (150, 149, [Unknown, Unknown, Unsent]),
            (150, 150, [Delivered, Unknown, Unsent]),
        ] {
            for over in [false, true] {
                let wire = Wire { sent, acknowledged, over };
                for (span, end) in [(whole, of_whole), (half, of_half), (none, of_none)] {
                    assert_eq!(span.at_the_end(wire), end, "{span:?} {wire:?}");
                    let settled = (over || end == Delivered).then_some(end);
                    assert_eq!(span.settled(wire), settled, "{span:?} {wire:?}");
                }
            }
        }
    }
}
