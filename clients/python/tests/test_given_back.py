"""Nothing stays behind: errors in the midst of a wait, Ctrl-C at any step, tasks that are cancelled, the end of the program."""

from __future__ import annotations

import asyncio
import functools
import gc
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import httpx
import pytest
from test_wire import RELEASED, TICKET, Fake, client, problem

from conftest import MakeServer, Running, Script, wait_until
from lockserver_client import AsyncClient, AsyncHeld, Client, _janitor, errors

StartScript = Callable[..., Script]
# Every line would take minutes; with a prime number the points are others in each part of the cycle.
STEP = 97
# Interrupted between a lock of theirs and the block that releases it, these wait for themselves for ever. Nobody outside of them
# can help that (https://bugs.python.org/issue29988).
HOLD_LOCKS = ("httpcore", "threading.py")
QUEUED = {**TICKET, "state": "queued", "token": None, "slots": [], "ahead": 2}


@pytest.mark.parametrize("code", ["unauthorized", "not_allowed", "invalid", "request_timeout"])
def test_an_error_in_the_midst_of_a_wait_cancels(code: str) -> None:
    fake = Fake((202, QUEUED), problem(code, 400, retryable=False), (200, RELEASED))
    with pytest.raises(errors.ApiError, match=f"about {code}"):
        client(fake).hold("san")
    assert [one.method for one in fake.requests] == ["POST", "GET", "DELETE"]
    # By its id: a key that was narrowed meanwhile may end its own tickets, but name no requests of the lock.
    assert fake.requests[-1].url.path == f"/v1/tickets/{QUEUED['id']}"


def test_what_nobody_has_a_use_for_is_cancelled_by_its_id() -> None:
    """Interrupted where the plan could not clean up, and by the end of a task."""
    fake = Fake((200, RELEASED))
    record = _janitor.Record(client(fake)._runner, ("san",))
    record.asks("request-1")
    record.made(str(QUEUED["id"]))
    record.give_back()
    # A request for another ticket, of which nothing is known yet.
    record.asks("request-2")
    record.give_back()
    assert [str(one.url) for one in fake.requests] == [
        f"http://one/v1/tickets/{QUEUED['id']}",
        "http://one/v1/locks/san/tickets?request_id=request-2",
    ]

    async def main() -> None:
        waits = asyncio.Event()

        async def answer(request: httpx.Request) -> httpx.Response:
            asked.append(f"{request.method} {request.url.path}")
            if request.method == "GET":
                waits.set()
                await asyncio.Event().wait()
            return httpx.Response(202, json=QUEUED) if request.method == "POST" else httpx.Response(200, json=RELEASED)

        asked: list[str] = []
        async with AsyncClient("http://one", transport=httpx.MockTransport(answer)) as one:
            task = asyncio.create_task(one.hold("san"))
            await waits.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert asked[-1] == f"DELETE /v1/tickets/{QUEUED['id']}"

    asyncio.run(main())


def test_an_error_after_a_try_that_may_have_arrived_cancels() -> None:
    fake = Fake(httpx.ReadError("gone"), problem("unauthorized", 401, retryable=False), (200, RELEASED))
    with pytest.raises(errors.Unauthorized):
        client(fake).hold("san")
    assert [one.method for one in fake.requests] == ["POST", "POST", "DELETE"]
    # What never arrived leaves nothing to cancel.
    fake = Fake(httpx.ConnectError("refused"))
    with pytest.raises(errors.Unreachable):
        client(fake).hold("san")
    assert {one.method for one in fake.requests} == {"POST"}


def test_where_no_more_may_wait_the_place_is_kept(make_server: MakeServer) -> None:
    server = make_server({"MAX_WAITING": 2})
    one = Client(server.url)
    first = one.hold("DefaultLock")
    tokens: list[int] = []

    def wait() -> None:
        with one.hold("DefaultLock", ttl_s=6) as held:
            tokens.append(held.token)

    def is_queued(count: int) -> bool:
        return server.queued() == count

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for place, thread in enumerate(threads, 1):
        thread.start()
        wait_until(functools.partial(is_queued, place), "one more in the queue")
    # Longer than the tickets live without a heartbeat.
    begin = time.monotonic()
    wait_until(lambda: time.monotonic() - begin > 8, "more than a lease")
    assert server.queued() == 5
    first.release()
    for thread in threads:
        thread.join(60)
    assert tokens == sorted(tokens)
    assert len(tokens) == 5
    assert server.idle()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("can't start new thread")], ids=["ctrl-c", "no thread"])
def test_interrupted_when_the_renewing_thread_starts(
    server: Running, client: Client, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    client.hold("DefaultLock").release()
    start = threading.Thread.start

    def interrupted(self: threading.Thread) -> None:
        if self.name == "lockserver DefaultLock":
            if isinstance(error, KeyboardInterrupt):
                start(self)
            raise error
        start(self)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(type(error)):
        client.hold("DefaultLock", ttl_s=600)
    wait_until(server.idle, "no holder")


def test_interrupted_while_it_is_released(server: Running, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for again in (False, True):
        held = client.hold("DefaultLock", ttl_s=600)
        main, exchange = threading.current_thread(), client._runner._exchange

        def interrupted(effect: Any, main: Any = main, exchange: Any = exchange) -> Any:
            if threading.current_thread() is main:
                raise KeyboardInterrupt
            return exchange(effect)

        with monkeypatch.context() as patch:
            patch.setattr(client._runner, "_exchange", interrupted)
            with pytest.raises(KeyboardInterrupt), held:
                pass
        if again:
            held.release()
            assert server.idle()
        wait_until(server.idle, "no holder")


def interrupted_at(point: int, cycle: Callable[[], None]) -> bool:
    """Run it, with a KeyboardInterrupt before its line of that number in this thread; whether there were so many."""
    lines = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines
        if any(name in frame.f_code.co_filename for name in HOLD_LOCKS):
            return None
        lines += event == "line"
        if event == "line" and lines == point:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    try:
        sys.settrace(trace)
        cycle()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return lines >= point


def test_interrupted_at_any_moment(server: Running, client: Client) -> None:
    """An interrupt that comes between any two lines, ours or of httpx, leaves nothing behind. They are counted, not timed."""

    def cycle() -> None:
        with client.hold("two", ttl_s=600):
            pass

    cycle()
    point = 1
    while interrupted_at(point, cycle):
        point += STEP
    gc.collect()
    wait_until(lambda: server.idle("two"), "no ticket")
    assert point > 20 * STEP, "a cycle has thousands of lines"


def test_interrupted_as_a_claim_is_made(server: Running, client: Client) -> None:
    """Every line of it: the thread that gives back lives on."""

    def cycle() -> None:
        _janitor.claim(client._runner, ("two",))

    janitor = _janitor._the_janitor()
    point = 1
    while interrupted_at(point, cycle):
        point += 1
    assert point > 10
    held = client.hold("two", ttl_s=600)
    del held
    wait_until(lambda: server.idle("two"), "no ticket")
    assert janitor is _janitor._the_janitor()


def test_cancelled_as_the_loop_ends(server: Running) -> None:
    """`asyncio.run` cancels what is left, also what gives back after an earlier cancel."""

    async def wait(asynchronous: AsyncClient) -> None:
        async with asynchronous.hold("DefaultLock", ttl_s=600):
            raise AssertionError("it was held")

    async def main(turns: int) -> None:
        asynchronous = AsyncClient(server.url)
        task = asyncio.create_task(wait(asynchronous))
        await asyncio.get_running_loop().run_in_executor(None, server.wait_queued, 1)
        task.cancel()
        for _ in range(turns):
            await asyncio.sleep(0)

    with Client(server.url).hold("DefaultLock"):
        for turns in range(8):
            asyncio.run(main(turns))
            assert server.queued() == 0, turns


def test_dropped_as_the_loop_ends(server: Running) -> None:
    async def main(turns: int) -> None:
        held: AsyncHeld | None = await AsyncClient(server.url).hold("two", ttl_s=600)
        assert held is not None
        for _ in range(turns):
            await asyncio.sleep(0)
        del held

    for turns in range(4):
        with pytest.warns(ResourceWarning, match="never released"):
            asyncio.run(main(turns))
        assert server.idle("two"), turns


def test_a_release_that_is_cancelled_as_the_loop_ends(server: Running) -> None:
    async def main(turns: int) -> None:
        held = await AsyncClient(server.url).hold("two", ttl_s=600)
        task = asyncio.create_task(held.release())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()

    for turns in range(1, 8):
        asyncio.run(main(turns))
        assert server.idle("two"), turns


def test_a_task_of_a_request(server: Running) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as asynchronous:
            held = await asyncio.create_task(asynchronous.hold("DefaultLock"))
            waiting = asyncio.create_task(asynchronous.hold("DefaultLock"))
            await asyncio.get_running_loop().run_in_executor(None, server.wait_queued, 1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert server.queued() == 0
            await held.release()

    asyncio.run(main())


HOLDS_MANY = """
import sys, time
from lockserver_client import Client
client = Client(sys.argv[1])
held = [client.hold("five", ttl_s=60) for _ in range(5)]
print("held")
sys.stdin.readline()
begin = time.monotonic()
import atexit
atexit._run_exitfuncs()
print(time.monotonic() - begin)
"""


def test_the_end_of_the_program_waits_once_for_all(server: Running, script: StartScript) -> None:
    holding = script(HOLDS_MANY, server.url)
    assert holding.line() == "held"
    server.signal(signal.SIGSTOP)
    assert holding.process.stdin is not None
    holding.process.stdin.write("\n")
    holding.process.stdin.flush()
    waited = float(holding.line())
    server.signal(signal.SIGCONT)
    assert holding.end()[0] == 0
    # Two seconds each would be ten.
    assert 1.5 < waited < 6
    wait_until(lambda: server.holding("five") in (0, 5), "an answer")


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_wait_s_bounds_the_time_without_a_server(silent: str) -> None:
    refused = "http://127.0.0.1:1"
    for servers, bound in ((refused, 8), (silent, 11), ([silent, refused], 11)):
        begin = time.monotonic()
        with pytest.raises(errors.Unreachable):
            Client(servers).try_hold("DefaultLock")
        assert time.monotonic() - begin < bound, servers


def test_a_reader_of_events_is_woken(server: Running) -> None:
    events = Client(server.url).events()
    connected = threading.Event()

    def read() -> None:
        server.admin.pause("two", "one event")
        connected.set()
        list(events)

    events._connect()
    reader = threading.Thread(target=read)
    reader.start()
    assert connected.wait(60)
    wait_until(lambda: events.last_id is not None, "the reader has read, and waits")
    begin = time.monotonic()
    events.close()
    reader.join(10)
    assert not reader.is_alive()
    # The server writes every 15 s.
    assert time.monotonic() - begin < 8
