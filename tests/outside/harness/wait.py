"""Waiting for something to become true. Nothing here or in the tests sleeps and hopes."""

import time


def soon(seconds, attempt, tries=20):
    """Fail unless `attempt`, which says how many seconds it took, is quicker than that once: a machine that is busy with other things
    is slow at times, one that waits for a timer always."""
    taken = []
    while not taken or taken[-1] >= seconds:
        assert len(taken) < tries, f"never within {seconds} s: {taken}"
        taken.append(attempt())


def until(condition, seconds, what):
    """Ask `condition` again and again until it gives something true, and return that; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
