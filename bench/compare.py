"""The same load against this server and, where Python 2.7 is, against the published lockserver 0.36, in one run.

The clients do what 0.36's client does: ask, poll get_lock with a second between two polls, release.
0.36 runs with web.py, as its package demands, if pip for Python 2.7 can install it; else with its own fallback.
"""

import json
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import xmlrpc.client

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "outside"))

from harness import judge  # noqa: E402
from harness.paths import PUBLISHED  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.wait import until  # noqa: E402

NAME = "DefaultLock"
WEB_PY = ROOT / "target" / "py27"


class Client:
    """What the published client does, in its rhythm."""

    def __init__(self, url):
        self.proxy = xmlrpc.client.ServerProxy(url)

    def take(self, info, told=lambda: None):
        """Ask, say that the id is there, and wait; the id, and when it was asked and told."""
        asked = time.monotonic()
        done, ticket = self.proxy.query_lock(NAME, info)
        assert done, ticket
        queried = time.monotonic()
        told()
        while self.proxy.get_lock(NAME, ticket) != [True, True]:
            time.sleep(1)
        return ticket, asked, queried

    def release(self, ticket):
        """Release as often as 0.36's client tries."""
        for _ in range(10):
            if self.proxy.release_lock(NAME, ticket) == [True, True]:
                return
            time.sleep(1)
        raise AssertionError("could not release")


def uncontended(url):
    """Median milliseconds of ask + wait + release of a free lock."""
    client, times = Client(url), []
    for _ in range(7):
        begin = time.monotonic()
        client.release(client.take("uncontended")[0])
        times.append((time.monotonic() - begin) * 1000)
    return statistics.median(times)


def twelve_jobs(url):
    """Seconds that 12 clients with jobs of 0.2 s need through a lock of 2; whether the order was right; most inside."""
    jobs, errors = [], []
    # One asks after another, so that it is known who came first.
    turns = [threading.Event() for _ in range(13)]
    turns[0].set()

    def work(number):
        try:
            client = Client(url)
            turns[number].wait()
            ticket, asked, queried = client.take(f"job {number}", turns[number + 1].set)
            got = time.monotonic()
            time.sleep(0.2)
            jobs.append(judge.Job(str(number), asked, queried, got, time.monotonic()))
            client.release(ticket)
        except Exception as error:  # told below
            errors.append(error)
            turns[number + 1].set()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    return time.monotonic() - begin, not judge.overtakings(jobs, 2), judge.most_inside(jobs)


def calls_a_second(url):
    """Calls a second of one client: a holder that renews."""
    client = Client(url)
    ticket, _, _ = client.take("renews")
    begin, count = time.monotonic(), 0
    while time.monotonic() - begin < 3:
        assert client.proxy.get_lock(NAME, ticket) == [True, True]
        count += 1
    rate = count / (time.monotonic() - begin)
    client.release(ticket)
    return rate


def load(url):
    """All three."""
    return {"uncontended": uncontended(url), "jobs": twelve_jobs(url), "calls": calls_a_second(url)}


def this_server(home):
    """The load against this server."""
    server = Server(home, {"DEFAULT_LOCK_SIZE": 2, "LOGLEVEL": "info"}).start()
    try:
        return load(server.url)
    finally:
        server.stop()


def web_py(python):
    """A directory with web.py for Python 2.7, or nothing where it cannot be had."""
    if not (WEB_PY / "web").is_dir():
        install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(WEB_PY), "web.py==0.38"]
        subprocess.run(install, capture_output=True)
    return str(WEB_PY) if (WEB_PY / "web").is_dir() else ""


def old_server(home, python):
    """The load against the published server."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (home / "lockserver.conf").write_text(
        f"[general]\nSERVER=127.0.0.1\nPORT={port}\nDEFAULT_LOCK={NAME}\nDEFAULT_LOCK_SIZE=2\n")
    web = web_py(python)
    command = [python, str(ROOT / "bench" / "old_server.py"), str(PUBLISHED / "lockserver-0.36"), str(home)]
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"PYTHONPATH": web})

    def listens():
        assert process.poll() is None, (home / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(listens, 20, "0.36 listening")
        return {**load(f"http://127.0.0.1:{port}/RPC2"), "web": bool(web)}
    finally:
        process.kill()
        process.wait()


def show(ours, old):
    """One table, with ratios where there is something to compare."""
    def row(what, mine, its, unit, ratio):
        compared = f"{its:>12.2f} {unit:4} {ratio:>8.1f} x better" if old else ""
        print(f"{what:44} {mine:>10.2f} {unit:4} {compared}")

    print(f"\n{'':44} {'this':>10}      {'0.36' if old else '':>12}")
    base = old or {"uncontended": 0, "jobs": (0, True, 0), "calls": 0}
    row("ask + wait + release of a free lock, median", ours["uncontended"], base["uncontended"], "ms",
        base["uncontended"] / ours["uncontended"])
    seconds, old_seconds = ours["jobs"][0], base["jobs"][0]
    row("12 jobs of 0.2 s through a lock of 2", seconds, old_seconds, "s", old_seconds / seconds)
    row("calls a second, one client that renews", ours["calls"], base["calls"], "/s",
        ours["calls"] / base["calls"] if old else 0)
    for name, one in (("this", ours), ("0.36", old)):
        if one:
            order = "first come, first served" if one["jobs"][1] else "NOT first come, first served"
            print(f"{name}: the 12 jobs were {order}; most inside at once: {one['jobs'][2]}")
    if old and not old["web"]:
        print("0.36 ran without web.py: with its own, simpler server and no page")
    if not old:
        print("0.36 was not measured: there is no Python 2.7")


def main():
    python = json.loads((PUBLISHED / "state.json").read_text())["python2"]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        ours = this_server(pathlib.Path(one))
        old = old_server(pathlib.Path(two), python) if python else None
    show(ours, old)


main()
