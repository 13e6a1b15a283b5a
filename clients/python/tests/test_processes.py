"""Processes: forks, signals, the end of the interpreter, clocks that are set, and `python -m`."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from typing import Callable

import pytest

from conftest import Running, Script, silence, wait_until
from lockserver_client import Client, Held, LeaseLost, LockserverError, Retry

StartScript = Callable[..., Script]


def forked(work: Callable[[], object]) -> int:
    """Run it in a forked child; its exit status."""
    with warnings.catch_warnings():
        # From 3.12 on Python warns of forks beside threads: this is what is to be tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException as error:
            sys.stderr.write(f"in the child: {error!r}\n")
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_does_not_release_its_parents_ticket(server: Running, client: Client) -> None:
    held = client.hold("DefaultLock", ttl_s=20)

    client.lock("two")
    connections = list(client._runner._idle[0])
    assert connections

    def used(*_: object, **__: object) -> None:
        raise AssertionError("the child uses a connection of its parent")

    def child() -> None:
        for one in connections:
            setattr(one, "stream", used)  # noqa: B010
        with held:
            assert isinstance(held.lost, LeaseLost)
            assert "before the fork" in str(held.lost)
        held.release()
        assert held.wait_lost(0) is not None
        # Its own client works, on connections of its own.
        assert client.lock("DefaultLock").holding == 1
        with client.hold("two") as own:
            assert own.lost is None

    assert forked(child) == 0
    assert held.lost is None
    assert server.holding() == 1
    assert client.verify("DefaultLock", held.token)
    held.release()
    assert server.idle()


def test_a_child_does_not_renew_its_parents_ticket(server: Running, client: Client) -> None:
    held = client.hold("DefaultLock", ttl_s=1)
    read, write = os.pipe()

    def child() -> None:
        os.close(write)
        os.read(read, 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        child()
        os._exit(0)
    os.close(read)
    silence(held)
    wait_until(server.idle, "the end of a lease that only a living child knows")
    os.close(write)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with pytest.raises(LeaseLost):
        held.release()


def _hold_in_pool(url: str) -> int:
    with Client(url).hold("two") as held:
        return held.token


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_multiprocessing(server: Running, client: Client, method: str) -> None:
    with client.hold("DefaultLock"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            tokens = pool.map(_hold_in_pool, [server.url] * 6)
        assert len(set(tokens)) == 6
        assert server.holding() == 1
    assert server.idle("two")


def test_errors_cross_processes(server: Running, client: Client) -> None:
    with client.hold("two", 2):
        raised = []
        for call in (
            lambda: client.hold("nope"),
            lambda: client.hold("two", wait_s=0.01),
            lambda: Client(server.url + "/elsewhere").status(),
            lambda: Client("unix:/none", retry=Retry(rounds=1)).status(),
        ):
            with pytest.raises(LockserverError) as error:
                call()
            raised.append(error.value)
    raised.append(LeaseLost("two", 5))
    assert len({type(one) for one in raised}) == 5
    for one in raised:
        copy = pickle.loads(pickle.dumps(one))
        assert (type(copy), str(copy)) == (type(one), str(one))


WAITS = """
import sys
from lockserver_client import Client
client = Client(sys.argv[1])
print("waiting")
try:
    client.hold("DefaultLock")
except KeyboardInterrupt:
    print("interrupted")
    raise
"""


WAITS_ASYNC = """
import asyncio, sys
from lockserver_client import AsyncClient
async def main():
    async with AsyncClient(sys.argv[1]) as client:
        await client.hold("DefaultLock")
print("waiting")
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
    raise
"""


@pytest.mark.parametrize("code", [WAITS, WAITS_ASYNC], ids=["threads", "asyncio"])
def test_ctrl_c_while_waiting_cancels_the_ticket(server: Running, client: Client, script: StartScript, code: str) -> None:
    with client.hold("DefaultLock"):
        waiting = script(code, server.url)
        assert waiting.line() == "waiting"
        server.wait_queued(1)
        waiting.process.send_signal(signal.SIGINT)
        assert waiting.line() == "interrupted"
        # The ticket was gone before the program heard of it.
        assert server.queued() == 0
        assert waiting.end()[0] != 0


def test_a_waiter_that_is_killed_is_passed_over(server: Running, client: Client, script: StartScript) -> None:
    held = client.hold("DefaultLock")
    waiting = script(WAITS, server.url)
    assert waiting.line() == "waiting"
    server.wait_queued(1)
    waiting.process.kill()
    wait_until(lambda: server.admin.lock("DefaultLock").queue[0].dormant, "a dormant waiter")
    held.release()
    client.hold("DefaultLock", wait_s=30).release()


HOLDS = """
import sys
from lockserver_client import Client
held = Client(sys.argv[1]).hold("DefaultLock", ttl_s=300)
print("held")
if sys.argv[2] == "exit":
    sys.exit(7)
if sys.argv[2] == "error":
    raise RuntimeError("what went wrong")
sys.stdin.read()
"""


@pytest.mark.parametrize(("how", "status"), [("exit", 7), ("error", 1)])
def test_the_end_of_the_program_gives_back(server: Running, script: StartScript, how: str, status: int) -> None:
    holding = script(HOLDS, server.url, how)
    assert holding.line() == "held"
    code, _, said = holding.end()
    assert code == status
    assert "held and never released" not in said
    assert server.idle()


LEAVES_OPEN = """
import sys
from lockserver_client import Client
client = Client(sys.argv[1])
with client.hold("DefaultLock"):
    client.locks()
"""


def test_nothing_is_open_at_the_end_of_the_program(server: Running, script: StartScript) -> None:
    done = script(LEAVES_OPEN, server.url, env={**os.environ, "PYTHONDEVMODE": "1"}).end()
    assert (done[0], done[2]) == (0, "")


def test_a_daemon_thread_that_waits_as_the_program_ends(server: Running, client: Client, script: StartScript) -> None:
    with client.hold("DefaultLock"):
        waiting = script(WAITS_IN_A_DAEMON, server.url)
        server.wait_queued(1)
        # The end of its input ends the program.
        assert waiting.end()[0] == 0
        assert server.queued() == 0


WAITS_IN_A_DAEMON = """
import sys, threading
from lockserver_client import Client
client = Client(sys.argv[1])
threading.Thread(target=client.hold, args=("DefaultLock",), kwargs={"ttl_s": 600}, daemon=True).start()
sys.stdin.readline()
"""


def test_what_is_dropped_is_given_back(server: Running, client: Client) -> None:
    held: Held | None = client.hold("DefaultLock")
    assert held is not None
    with pytest.warns(ResourceWarning, match="never released"):
        del held
    wait_until(server.idle, "nothing held")


CLOCK = """
import itertools, sys, time, datetime
real, steps = time.time, itertools.cycle([0.0, 1e9, -1e9, 86400.0, -3600.0])
time.time = lambda: real() + next(steps)
from lockserver_client import Client
client = Client(sys.argv[1])
with client.hold("DefaultLock", ttl_s=2) as held:
    begin = time.monotonic()
    while time.monotonic() - begin < 3:
        assert held.lost is None, held.lost
        assert 0 < held.remaining_s <= 2
        time.sleep(0.01)
begin = time.monotonic()
with client.hold("DefaultLock"):
    try:
        client.hold("DefaultLock", wait_s=1)
    except TimeoutError:
        assert 1 <= time.monotonic() - begin < 60
print("done")
"""


def test_clocks_that_are_set_change_nothing(server: Running, script: StartScript) -> None:
    jumping = script(CLOCK, server.url)
    code, out, err = jumping.end()
    assert (code, out.strip()) == (0, "done"), err


def test_no_wall_clock_is_asked() -> None:
    import ast
    import pathlib

    import lockserver_client

    for path in pathlib.Path(lockserver_client.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = f"{node.value.id}.{node.attr}" if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else ""
            assert name not in ("time.time", "time.time_ns", "datetime.datetime"), f"{path}: {name}"


def test_python_m_points_to_lockctl() -> None:
    done = subprocess.run([sys.executable, "-m", "lockserver_client", "status"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 64
    assert "use lockctl" in done.stderr
    assert done.stdout == ""


def test_the_clock_goes_on_while_the_machine_sleeps() -> None:
    from lockserver_client import _clock

    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= _clock.now() <= time.clock_gettime(time.CLOCK_BOOTTIME)


FORK_IN_A_COROUTINE = """
import asyncio, os, select, sys, warnings
from lockserver_client import AsyncClient

warnings.simplefilter("ignore")
url, how = sys.argv[1:]
parent = os.getpid()


async def main():
    client = AsyncClient(url)
    async with client.hold("two", ttl_s=20) as held:
        waiter = asyncio.create_task(client.hold("DefaultLock", ttl_s=20))
        print("ready")
        while not select.select([sys.stdin], [], [], 0)[0]:
            await asyncio.sleep(0.01)
        child = os.fork()
        if child == 0:
            assert "before the fork" in str(held.lost)
            if how == "exit":
                sys.exit(0)
            if how == "error":
                raise RuntimeError("of the child")
            os._exit(asyncio_in_a_thread(client))
        # Not by waitpid alone: a loop that the child broke would never come back from this.
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            await asyncio.sleep(0.01)
        print("child ended")
        other = await waiter
        print("granted", other.lost, held.lost)
        await other.release()
    await client.aclose()


def asyncio_in_a_thread(client):
    import threading
    done = []

    async def own():
        async with client.hold("five", ttl_s=20) as held:
            done.append(held.lost)
        await client.aclose()

    thread = threading.Thread(target=lambda: asyncio.run(own()))
    thread.start()
    thread.join(30)
    return 0 if done == [None] else 1


try:
    asyncio.run(main())
except BaseException as error:
    if os.getpid() == parent:
        raise
    os._exit(0)
"""


@pytest.mark.parametrize("how", ["exit", "error", "own loop"])
def test_a_child_of_a_coroutine_leaves_its_parents_tickets(
    server: Running, client: Client, script: StartScript, how: str
) -> None:
    first = client.hold("DefaultLock", ttl_s=60)
    parent = script(FORK_IN_A_COROUTINE, server.url, how)
    assert parent.line() == "ready"
    server.wait_queued(1)
    number = server.admin.lock("DefaultLock").queue[0].number
    assert parent.process.stdin is not None
    parent.process.stdin.write("\n")
    parent.process.stdin.flush()
    assert parent.line() == "child ended"
    assert server.holding("two") == 1
    assert [ticket.number for ticket in server.admin.lock("DefaultLock").queue] == [number]
    assert server.idle("five")
    first.release()
    # The answer to a request that was on its way while the child ended.
    assert parent.line() == "granted None None"
    status, _, err = parent.end()
    assert status == 0, err
    assert server.idle("two")
    assert server.idle()
