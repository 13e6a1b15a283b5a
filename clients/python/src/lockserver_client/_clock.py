"""The clock of leases: it goes on while the machine sleeps, and nobody can set it."""

from __future__ import annotations

import time

# Linux has CLOCK_BOOTTIME. CLOCK_MONOTONIC counts the sleep of a Mac as well, unlike time.monotonic there.
_ID: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def now() -> float:
    """Seconds since some moment in the past. Only differences mean something."""
    return time.monotonic() if _ID is None else time.clock_gettime(_ID)
