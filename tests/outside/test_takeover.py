"""Leaders die under fifty unmodified clients that know one address: they go on, in their order, after a pause with a bound.

The address is that of a proxy over both servers. When a leader is to end in order it leads to the standby: a client that was told to come
again by the one that stops would sleep for a second, as 0.36's does.

LOCKSERVER_TAKEOVERS sets how many leaders are killed, and as many are stopped in order.
"""

import itertools
import json
import os
import signal
import statistics
import time

import pytest

from harness import judge
from harness.etcd import Pair
from harness.published import clients
from harness.relay import Relay
from harness.wait import until
from harness.wire import get

TAKEOVERS = int(os.environ.get("LOCKSERVER_TAKEOVERS", "3"))
WORKERS, SIZE, WORK = 50, 6, 0.2
LEASE = 3
# Nobody may be kept out for longer: after a kill, and after an end in order.
KILLED_S, STOPPED_S = LEASE + 2, 0.5
# What a job and the turn of its successor take without any fault on a busy machine.
USUAL_S = WORK + 0.5
SECTIONS = f"[lock jobs]\nSIZE={SIZE}\nGRACE_TIME=5\nEXPIRATION_TIME=10\nMAX_LOCK_TIME=10\n[anonymous]\nRIGHTS=use, observe\n"
pytestmark = pytest.mark.alone


@pytest.fixture
def pair(make_server, etcd):
    """A leader and a standby."""
    return Pair(make_server, etcd, SECTIONS, lease=LEASE, DEFAULT_LOCK="", LONG_POLL=2, LOGLEVEL="warning").start()


@pytest.fixture
def relay(pair):
    """The one address that clients know."""
    one = Relay([server.at for server in pair.servers])
    yield one
    one.close()


def left_behind(server):
    """Tickets that are still there."""
    lock = json.loads(get(server.at, "/v1/locks/jobs").body)
    return [*lock["holders"], *lock["queue"]]


class Jobs:
    """What the workers have told so far."""

    def __init__(self, workers):
        self.workers, self.lines = workers, []

    def read(self):
        """Takes what has arrived."""
        for worker in self.workers:
            while not worker.lines.empty():
                self.lines.append(json.loads(worker.line()))
        return self.lines

    def wait_for_new(self, count):
        """Waits until so many more jobs are done."""
        begun = len(self.read())
        until(lambda: len(self.read()) >= begun + count, 60, f"{count} new jobs")


def longest_pause(jobs, begin, end):
    """The longest time between two grants of which a client heard, near the takeover from `begin` to `end`. The next one is further off:
    each client has a job in between."""
    got = sorted(job.got for job in jobs if begin - USUAL_S <= job.got <= end + 1)
    return max(later - earlier for earlier, later in itertools.pairwise(got))


@pytest.mark.timeout(120 + TAKEOVERS * 60)
def test_fifty_unmodified_clients_go_on_when_their_leaders_die(pair, relay, run_client, report):
    kinds = list(clients().values())
    workers = []
    for number in range(WORKERS):
        python, env = kinds[number % len(kinds)]
        workers.append(run_client("worker.py", relay.url, "jobs", WORK, python=python, env=env))
    for worker in workers:
        worker.expect("ready", 120)
    for worker in workers:
        worker.say("begin")
    told = Jobs(workers)
    told.wait_for_new(2 * WORKERS)

    ends = {signal.SIGKILL: [], signal.SIGTERM: []}
    for _, kind in itertools.product(range(TAKEOVERS), ends):
        leader, standby = pair.leader(), pair.standby()
        if kind == signal.SIGTERM:
            relay.prefer(standby.at)
            until(lambda: not relay.open[leader.at], 60, "every client is at the standby")  # noqa: B023
        begin = time.time()
        leader.signal(kind)
        until(lambda: standby.status().get("role") == "leader", LEASE + 15, "the standby leads")  # noqa: B023
        ends[kind].append((begin, time.time()))
        assert leader.ended() in (0, -signal.SIGKILL)
        told.wait_for_new(WORKERS)
        relay.prefer(None)
        leader.start()
        until(lambda: leader.status().get("role") == "standby", 20, "it stands by")  # noqa: B023
        told.wait_for_new(WORKERS)
    for worker in workers:
        worker.say("stop")
    told.read()
    lines = told.lines + [json.loads(line) for worker in workers for line in worker.finish(60)]

    takeovers = sorted(ends[signal.SIGKILL] + ends[signal.SIGTERM])
    jobs = [judge.Job(f"job {number}", one["asked"], one["queried"], one["got"], one["left"]) for number, one in enumerate(lines)]
    # An answer that the end of a leader cut off: the published client asks again, and hears that nothing is left to release.
    unsure = [one for one in lines if not one["released"]
              and not any(one["left"] <= end and one["done"] >= begin for begin, end in takeovers)]
    assert not unsure, unsure[:3]
    assert judge.most_inside(jobs) <= SIZE
    for begin, end in takeovers:
        near = [job for job in jobs if begin - 10 <= job.got <= end + 10]
        assert not (wrong := judge.overtakings(near, SIZE, takeovers)), f"overtaken: {wrong[:3]}"
    # Queries of which the answer was lost end by themselves.
    until(lambda: not left_behind(pair.leader()), 60, "an empty table")
    pauses = {kind: sorted(longest_pause(jobs, *one) for one in spans) for kind, spans in ends.items()}
    for kind, seconds in pauses.items():
        report(f"{len(seconds)} x {kind.name} under {WORKERS} clients, lease {LEASE} s, {len(jobs)} jobs: nobody let in for "
               f"{seconds[0]:.2f} to {seconds[-1]:.2f} s, median {statistics.median(seconds):.2f} s")
    assert pauses[signal.SIGKILL][-1] <= KILLED_S + USUAL_S, pauses
    assert pauses[signal.SIGTERM][-1] <= STOPPED_S + USUAL_S, pauses
