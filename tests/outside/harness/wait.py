"""Waiting for something to become true. Nothing here or in the tests sleeps and hopes."""

import time


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
