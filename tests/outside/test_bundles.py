"""Many processes that each run something under several locks at once, in any order: none gets stuck, none overlaps another one, and no
permit lies idle that somebody at the head of every queue could use.

LOCKSERVER_BUNDLE_SECONDS (60) says for how long.
"""

import collections
import itertools
import json
import os
import random
import subprocess
import threading
import time

import pytest

from harness.api import Api
from harness.paths import lockctl

SECONDS = float(os.environ.get("LOCKSERVER_BUNDLE_SECONDS", "60"))
PROCESSES = 20
SIZES = {f"lock-{number}": 1 + number % 3 for number in range(8)}
#: Far more than any turn takes, so that only a stuck client reaches it.
STUCK_S = 120.0
#: What runs under the locks: it notes when it begins and ends, each in one write, and takes a moment.
JOB = 'printf "%s + %s\\n" "$(cut -d" " -f1 /proc/uptime)" "$0" >>"$NOTES"; sleep "$1"; printf "%s - %s\\n" "$(cut -d" " -f1 /proc/uptime)" "$0" >>"$NOTES"'


pytestmark = pytest.mark.timeout(SECONDS + 600)


def words(dice):
    """Some of the locks, in any order, with so many permits as `lockctl run` is told."""
    wanted = {name: dice.choice([1, 1, 1, SIZES[name], "all"]) for name in dice.sample(sorted(SIZES), dice.choice([1, 2, 2, 3, 4, 8]))}
    return wanted, [name if permits == 1 else f"{name}={permits}" for name, permits in wanted.items()]


def one_worker(number, url, notes, end, failures, done):
    """Run one thing after another until it is time to stop."""
    dice = random.Random(number)
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOCK_")}
    env.update(LOCK_SERVER=url, NOTES=str(notes))
    for turn in itertools.count():
        if time.monotonic() > end or failures:
            return
        wanted, locks = words(dice)
        name = json.dumps({"who": f"{number}.{turn}", "wanted": wanted}, separators=(",", ":"))
        command = [lockctl(), "run", *locks, "--", "sh", "-c", JOB, name, f"{dice.random() * 0.05:.3f}"]
        try:
            ran = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STUCK_S)
        except subprocess.TimeoutExpired:
            failures.append(f"{name} is stuck")
            return
        if ran.returncode != 0:
            failures.append(f"{name}: status {ran.returncode}: {ran.stderr}")
            return
        done[number] += 1


def permits(wanted, lock):
    """As a number."""
    return SIZES[lock] if wanted == "all" else wanted


def never_more_than_size(notes):
    """From what the jobs wrote themselves. They are written in one order, whatever their clocks say."""
    out, most = collections.Counter(), collections.Counter()
    for line in notes.read_text().splitlines():
        _, sign, job = line.split(" ", 2)
        for lock, wanted in json.loads(job)["wanted"].items():
            out[lock] += permits(wanted, lock) * (1 if sign == "+" else -1)
            most[lock] = max(most[lock], out[lock])
            assert out[lock] <= SIZES[lock], f"{out[lock]} of {lock} are in use: {line}"
    assert not +out, out
    return most


def could_be_let_in(locks):
    """Tickets that wait although they are the first that counts in each of their queues and fit into all of their locks.

    A client that is not first everywhere holds up nobody: those behind pass.
    """
    locks = {lock["name"]: lock for lock in locks}
    waiting, dormant = {}, set()
    for lock in locks.values():
        assert not lock["paused"] and lock["queued"] == len(lock["queue"])
        for place, ticket in enumerate(lock["queue"]):
            of = ticket["locks"]
            if ticket["dormant"]:
                dormant.add(ticket["number"])
            waiting.setdefault(ticket["number"], ({name: one["permits"] for name, one in of.items()}, {}))[1][lock["name"]] = place
            assert set(waiting[ticket["number"]][0]) <= set(locks)
    held_up, idle = set(), []
    # One order everywhere: who came first has the lowest number.
    for number, (wanted, places) in sorted(waiting.items()):
        assert set(places) == set(wanted), f"ticket {number} waits in all of its queues: {places} of {wanted}"
        if number in dormant or held_up & set(wanted):
            continue
        held_up |= set(wanted)
        alone = {name: locks[name]["in_use"] == 0 for name in wanted}
        blocked = {name: any(ticket["locks"][name]["permits"] == "all" for ticket in locks[name]["holders"]) for name in wanted}
        if all(alone[name] if want == "all" else not blocked[name] and locks[name]["free"] >= want for name, want in wanted.items()):
            idle.append((number, wanted, places))
    return idle


def test_many_locks_at_once_for_many_processes(make_server, tmp_path):
    sections = "".join(f"[lock {name}]\nSIZE={size}\n" for name, size in SIZES.items())
    server = make_server({"LOGLEVEL": "info"}, sections=sections).start()
    notes, failures, done = tmp_path / "notes", [], collections.Counter()
    notes.touch()
    url, end = f"http://{server.address}:{server.port}", time.monotonic() + SECONDS
    workers = [threading.Thread(target=one_worker, args=(number, url, notes, end, failures, done)) for number in range(PROCESSES)]
    for worker in workers:
        worker.start()
    looks, crowded = 0, 0
    with Api(server.at) as api:
        while any(worker.is_alive() for worker in workers):
            locks = api.ok("GET", "/v1/locks")["locks"]
            if failures:
                break
            idle = could_be_let_in([lock for lock in locks if lock["name"] in SIZES])
            assert not idle, f"{idle} could be let in: {json.dumps(locks)}"
            looks += 1
            crowded += any(lock["queued"] > 1 for lock in locks)
    for worker in workers:
        worker.join(2 * STUCK_S)
    assert not failures, failures
    most = never_more_than_size(notes)
    assert all(done[number] > 0 for number in range(PROCESSES)), f"everybody had a turn: {done}"
    assert looks > 10 and crowded > 5, f"{crowded} of {looks} looks saw a queue: this shows nothing"
    assert most == SIZES, f"each lock was full at some time, or this shows nothing: {most}"
    with Api(server.at) as api:
        assert all(lock["in_use"] == lock["queued"] == 0 for lock in api.ok("GET", "/v1/locks")["locks"])
