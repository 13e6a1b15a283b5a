"""A queue of 100,000: a grant takes the time it takes with 10, memory and restart stay small."""

import importlib.util
import json

import pytest

from harness.paths import ROOT

spec = importlib.util.spec_from_file_location("queue_depth", ROOT / "bench" / "queue_depth.py")
queue_depth = importlib.util.module_from_spec(spec)
spec.loader.exec_module(queue_depth)


@pytest.mark.alone
@pytest.mark.timeout(400)
def test_a_hundred_thousand_queued_tickets(tmp_path, report):
    few, many = (queue_depth.measure(tmp_path / str(depth), depth) for depth in (10, queue_depth.MANY))
    report(json.dumps({"few": few, "many": many}))
    assert many["rss_mb"] < 150
    # The aims (3 s, the same time) are shown by `make bench`. Here a noisy machine must pass, and a walk over the queue,
    # which is thousands of times slower, must not.
    assert many["restart_s"] < 30
    assert many["grant_ms"] < 20 * few["grant_ms"] + 20
