"""A server that is restarted, and killed, under load, its socket kept by its starter: nobody is refused, nobody dies of
it, nothing is lost."""

import json
import time

import pytest

from harness import judge
from harness.load import Load
from harness.published import clients
from harness.wait import until
from harness.wire import get

WORKERS, WORKERS_SIZE, WORK = 50, 5, 0.05
NEW_A_SECOND, LOAD_SIZE = 100, 30
SHORT = {"DEFAULT_LOCK": "", "LONG_POLL": 3, "LOGLEVEL": "info"}
LOCK = "[lock {}]\nSIZE={}\nGRACE_TIME=5\nEXPIRATION_TIME=6\nMAX_LOCK_TIME=6\n"


def left_behind(service):
    """Tickets that are still there, of both locks."""
    locks = [json.loads(get(service.at, f"/v1/locks/{lock}").body) for lock in ("jobs", "load")]
    return [ticket for lock in locks for ticket in [*lock["holders"], *lock["queue"]]]


@pytest.mark.alone
@pytest.mark.timeout(240)
@pytest.mark.parametrize("socket_of", ["socket unit", "its own"])
def test_restarted_and_killed_under_load(make_service, run_client, report, socket_of):
    listen = {"lockserver.socket": ("127.0.0.1", 0)} if socket_of == "socket unit" else None
    sections = LOCK.format("jobs", WORKERS_SIZE) + LOCK.format("load", LOAD_SIZE)
    service = make_service(SHORT, sections, listen=listen).start()
    kinds = list(clients().values())
    workers = []
    for number in range(WORKERS):
        python, env = kinds[number % len(kinds)]
        workers.append(run_client("worker.py", service.url, "jobs", WORK, python=python, env=env))
    for worker in workers:
        worker.expect("ready", 60)
    for worker in workers:
        worker.say("begin")
    load = Load(service.at, "load", NEW_A_SECOND)
    load.start()

    def at_work(seconds):
        """Waits until both kinds have made jobs for so long."""
        end, begun, done = time.monotonic() + seconds, load.begun, len(load.jobs)
        until(lambda: time.monotonic() > end and load.begun > begun + 10 and len(load.jobs) > done + 10, 60, "new jobs")

    at_work(3)
    restarts = [service.restart_in_order()]
    at_work(4)
    killed = time.time()
    service.kill()
    service.start()
    kills = [(killed, time.time())]
    at_work(4)
    restarts.append(service.restart_in_order())
    at_work(3)
    load.stopping.set()
    for worker in workers:
        worker.say("stop")
    load.join(60)
    assert not load.is_alive() and not load.errors, load.errors[:5]

    lines = [json.loads(line) for worker in workers for line in worker.finish(60)]
    jobs = [judge.Job(f"job {number}", one["asked"], one["queried"], one["got"], one["left"]) for number, one in enumerate(lines)]
    # An answer that the kill cut off: the published client asks again, and hears that nothing is left to release.
    unsure = [one for one in lines if not one["released"] and not one["left"] <= kills[0][1] <= one["done"]]
    assert not unsure, unsure[:3]
    assert not load.refused, load.refused[:3]
    cut = [one for one in load.cut if not (one[0] <= kills[0][1] and one[1] >= killed)]
    assert not cut, f"restarts: {restarts}, kill: {kills}, cut: {cut[:5]}"
    judge.check(jobs, WORKERS_SIZE, kills)
    assert judge.most_inside(load.jobs) <= LOAD_SIZE
    assert len(load.jobs) == load.begun, f"{load.begun} clients, {len(load.jobs)} jobs"
    # Queries of which the answer was lost in the kill end by themselves.
    until(lambda: not left_behind(service), 60, "an empty table")
    spans = ", ".join(f"{end - begin:.2f}" for begin, end in [*restarts, *kills])
    report(f"socket: {socket_of}; {len(jobs)} jobs of {WORKERS} clients of 0.36, {load.begun} new clients, {load.told_to_repeat} "
           f"told to repeat, {len(load.cut)} cut by the kill; not served for {spans} s")
