"""lockctl behind a proxy that loses requests and answers: never a second permit, and nothing left behind.

The proxy cuts a connection before the request went on, after it was done and before its answer came back, in the middle of the
answer, or while the request waits in the queue. What it does is drawn from a seed: LOCKSERVER_PROXY_SEED repeats one that failed.
"""

import collections
import itertools
import os
import random
import re
import select
import signal
import socket
import subprocess
import threading

import pytest

from harness.api import Api
from harness.paths import lockctl
from harness.wait import until

SEED = int(os.environ.get("LOCKSERVER_PROXY_SEED") or random.randrange(2**32))
RESET = b"\1\0\0\0\0\0\0\0"
# No request is cut more often than that in a row: a client that repeats it gets through.
IN_A_ROW = 3
RUNS = 24


def message(connection, buffer=b""):
    """One HTTP message with its body; nothing if the other side has closed."""
    while b"\r\n\r\n" not in buffer:
        data = connection.recv(65536)
        if not data:
            return None
        buffer += data
    head, _, body = buffer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    while len(body) < int(length.group(1) if length else 0):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


class Proxy:
    """Passes requests on, one connection to the server for each, and cuts as the seed says."""

    def __init__(self, target, seed):
        self.target, self.random = target, random.Random(seed)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.at = self.listener.getsockname()
        self.lock, self.in_a_row, self.cuts = threading.Lock(), collections.Counter(), collections.Counter()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()
        except OSError:
            pass  # closed: the test is over

    def draw(self, request):
        """What happens to this request. The same bytes again are the same request again."""
        with self.lock:
            first = not self.cuts and request.startswith(b"POST")
            kind = "answer" if first else self.random.choice(["none", "none", "none", "request", "answer", "half", "wait"])
            if self.in_a_row[request] >= IN_A_ROW:
                kind = "none"
            if kind == "wait" and b"wait_s=" not in request.partition(b"\r\n")[0]:
                kind = "none"
            self.in_a_row[request] = 0 if kind == "none" else self.in_a_row[request] + 1
            if kind != "none":
                self.cuts[kind] += 1
            return kind

    def serve(self, client):
        try:
            with client:
                while (request := message(client)) and self.passed_on(client, request):
                    pass
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        except OSError:
            pass  # somebody has hung up

    def passed_on(self, client, request):
        kind = self.draw(request)
        if kind == "request":
            return False
        with socket.create_connection(self.target, 60) as server:
            server.sendall(request)
            # A client that hangs up here hangs up there.
            patience = 0.1 if kind == "wait" else 60
            ready, _, _ = select.select([server, client], [], [], patience)
            if server not in ready:
                return False
            answer = message(server)
        if kind == "answer" or answer is None:
            return False
        client.sendall(answer[:len(answer) // 2] if kind == "half" else answer)
        return kind != "half"

    def close(self):
        self.listener.close()


@pytest.fixture
def server(make_server):
    """A server with a lock of size 2."""
    return make_server(sections="[lock two]\nSIZE=2").start()


@pytest.fixture
def proxy(server):
    """The proxy before it."""
    proxy = Proxy(server.at, SEED)
    yield proxy
    proxy.close()


@pytest.fixture
def ctl(proxy, tmp_path):
    """Start lockctl behind the proxy; what still runs at the end is killed."""
    started = []
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOCK_")}
    env["LOCK_SERVER"] = "http://{}:{}".format(*proxy.at)

    def start(*words):
        process = subprocess.Popen([lockctl(), *words], env=env, cwd=tmp_path, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process
    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def ended(process, seconds=90):
    """Its status, and what it said, but for the line about a server that was cut off for a second."""
    said, _ = process.communicate(timeout=seconds)
    return process.returncode, "".join(line for line in said.splitlines(True) if " does not answer (" not in line)


def judge(server, tickets):
    """Nothing is left, nothing had to be ended by its lease, and each call made one ticket."""
    with Api(server.at) as api:
        two = api.ok("GET", "/v1/locks/two")
        assert (two["in_use"], two["queued"]) == (0, 0), f"seed {SEED}: {two}"
        seen = two["statistics"]
        assert (seen["queries"], seen["expired"], seen["lost"]) == (tickets, 0, 0), f"seed {SEED}: {seen}"


def test_runs_take_one_permit_each(server, proxy, ctl, tmp_path, report):
    job = "echo + >>steps; sleep 0.02; echo - >>steps"
    runs = [ctl("run", "-w", "80", "two", "--", "sh", "-c", job) for _ in range(RUNS)]
    for run in runs:
        assert ended(run) == (0, ""), f"seed {SEED}"
    steps = [1 if line == "+" else -1 for line in (tmp_path / "steps").read_text().split()]
    assert len(steps) == 2 * RUNS and max(itertools.accumulate(steps)) <= 2, f"seed {SEED}"
    judge(server, RUNS)
    assert proxy.cuts["answer"] and sum(proxy.cuts.values()) >= 5, proxy.cuts
    report(f"{RUNS} runs behind a proxy with seed {SEED} that cut {dict(proxy.cuts)}")


def test_tickets_of_scripts(server, ctl):
    for _ in range(6):
        status, said = ended(ctl("acquire", "-w", "30", "two"))
        assert status == 0, f"seed {SEED}: {said}"
        with Api(server.at) as api:
            assert api.ok("GET", "/v1/locks/two")["in_use"] == 1, f"seed {SEED}"
        ticket = re.search(r"^export LOCK_TICKET=(\S+)$", said, re.M).group(1)
        assert ended(ctl("renew", ticket))[0] == 0, f"seed {SEED}"
        assert ended(ctl("release", ticket)) == (0, "released\n"), f"seed {SEED}"
    judge(server, 6)


def test_who_gives_up_leaves_nothing(server, ctl):
    with Api(server.at) as api:
        tickets = [api.take("two") for _ in range(2)]
        impatient = [ctl("run", "-w", "0.5", "two", "--", "true") for _ in range(4)]
        busy = [ctl("run", "-n", "two", "--", "true") for _ in range(3)]
        for one in [*impatient, *busy]:
            status, said = ended(one)
            assert status == 75, f"seed {SEED}: {said}"
        interrupted = ctl("run", "two", "--", "true")
        until(lambda: api.ok("GET", "/v1/locks/two")["queued"] == 1, 30, f"it waits; seed {SEED}")
        interrupted.send_signal(signal.SIGINT)
        assert ended(interrupted)[0] == 130, f"seed {SEED}"
        assert api.ok("GET", "/v1/locks/two")["queued"] == 0, f"seed {SEED}: nobody is in the queue any more"
        for ticket in tickets:
            api.release(ticket)
    # Those who would not wait had no ticket at any time.
    judge(server, len(tickets) + len(impatient) + 1)
