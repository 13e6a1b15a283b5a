"""The same with asyncio: holding, waiting, being cancelled."""

from __future__ import annotations

import asyncio
import gc
import os
import time
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from conftest import Running, wait_until
from lockserver_client import AsyncClient, AsyncHeld, LeaseLost, TimedOut, errors


async def in_thread(work: Callable[..., object], *arguments: object) -> None:
    """Do something that blocks, while other tasks go on."""
    await asyncio.get_running_loop().run_in_executor(None, work, *arguments)


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until it is true, while other tasks go on."""
    await in_thread(wait_until, condition, what)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test, which must not leave a task behind."""

    async def checked() -> None:
        await main
        left = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
        pending = (await asyncio.wait(left, timeout=30))[1] if left else None
        assert not pending, pending

    asyncio.run(checked())


def test_takes_and_gives_back(server: Running) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            async with client.hold("DefaultLock", info="nightly") as held:
                assert held.slots == [0]
                assert held.lost is None
                assert await client.verify("DefaultLock", held.token)
                with pytest.raises(errors.Busy):
                    await client.hold("DefaultLock", wait_s=0)
                assert await client.try_hold("DefaultLock") is None
                with pytest.raises(TimedOut):
                    await client.hold("DefaultLock", wait_s=0.3)
                assert (await client.lock("DefaultLock")).queued == 0
            by_hand = await client.hold("DefaultLock")
            await by_hand.release()
            await by_hand.release()
            again = await client.try_hold("DefaultLock")
            assert again is not None
            async with again:
                pass
            assert (await client.lock("DefaultLock")).holding == 0

    run(main())


def test_over_a_unix_socket(server: Running) -> None:
    async def main() -> None:
        async with AsyncClient(f"unix:{server.process.directory}/admin.sock") as admin:
            await admin.create("san-ssh", {"size": 7})
            assert (await admin.change("san-ssh", {"size": 5})).size == 5
            assert (await admin.replace("san-ssh", {"size": 6})).size == 6
            assert (await admin.pause("san-ssh", "firmware", 60)).paused
            assert not (await admin.resume("san-ssh")).paused
            held = await admin.hold("san-ssh", ttl_s=1)
            await admin.revoke("san-ssh", held.number, "gone")
            lost = await held.wait_lost()
            assert lost is not None
            assert lost.problem is not None
            with pytest.raises(LeaseLost, match="revoked"):
                await held.release()
            await admin.restore("san-ssh")
            await admin.delete("san-ssh")
            assert (await admin.reload()).refused == []
            assert (await admin.status()).ready
            assert "san-ssh" not in [lock.name for lock in (await admin.locks()).locks]

    run(main())


def test_limited(server: Running) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            inside = most = 0

            @client.limited("two")
            async def work(number: int) -> int:
                nonlocal inside, most
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.01)
                inside -= 1
                return number

            assert await asyncio.gather(*[work(one) for one in range(12)]) == list(range(12))
            assert most == 2

            def plain() -> None:
                pass

            with pytest.raises(TypeError, match="not a coroutine function"):
                client.limited("two")(plain)

    run(main())


def test_renews_itself_and_tells_the_loss(server: Running) -> None:
    async def main() -> None:
        told: list[LeaseLost] = []

        async def lost(why: LeaseLost) -> None:
            await asyncio.sleep(0)
            told.append(why)

        async with AsyncClient(server.url) as client:
            held = await client.hold("DefaultLock", ttl_s=2, on_lost=lost)
            begin = time.monotonic()
            await until(lambda: time.monotonic() - begin > 3, "more than a lease")
            assert held.lost is None
            server.kill()
            why = await held.wait_lost()
            assert why is not None
            assert why.problem is None
            assert isinstance(held.lost, LeaseLost)
            await until(lambda: told, "the callback")
            assert told == [why]
            with pytest.raises(LeaseLost, match="no renewal was answered"):
                await held.release()
        server.start()

    run(main())


def test_lost_is_raised_at_the_exit(server: Running) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            with pytest.raises(LeaseLost, match="revoked"):
                async with client.hold("DefaultLock") as held:
                    server.admin.revoke("DefaultLock", held.number)
            with pytest.raises(ZeroDivisionError):
                async with client.hold("DefaultLock") as held:
                    server.admin.revoke("DefaultLock", held.number)
                    raise ZeroDivisionError

    run(main())


def test_events(server: Running) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            as_of = (await client.locks()).as_of
            async with client.hold("two"):
                pass
            async with client.events("two", as_of) as events:
                told = [await events.__anext__() for _ in range(4)]
            assert [one.kind for one in told] == ["queued", "granted", "held", "ended"]
            seen = 0
            async with client.events("two", as_of) as events:
                async for event in events:
                    seen += 1
                    if event.kind == "ended":
                        break
            assert seen == 4
            assert events.last_id == told[3].id

    run(main())


def test_a_reader_of_events_is_woken(server: Running) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            events = client.events()
            # Closed, it never needs the pause before another try.
            events._follower.pause = lambda *_: pytest.fail("it tries again")  # type: ignore[method-assign]

            async def read() -> list[str]:
                return [event.kind async for event in events]

            reader = asyncio.get_running_loop().create_task(read())
            await until(lambda: events._open, "it is connected")
            server.admin.pause("two", "one event")
            await until(lambda: events.last_id, "the reader has read, and waits")
            await events.aclose()
            assert await asyncio.wait_for(reader, 60) == ["lock_changed"]

    run(main())


def test_one_client_in_one_loop_after_another(server: Running) -> None:
    client = AsyncClient(server.url)

    async def main() -> None:
        async with client.hold("DefaultLock"):
            pass
        await client.aclose()

    run(main())
    run(main())
    assert server.idle()


def test_what_is_dropped_is_given_back(server: Running) -> None:
    async def drop(client: AsyncClient) -> None:
        held: AsyncHeld | None = await client.hold("DefaultLock")
        assert held is not None
        del held

    async def main() -> None:
        async with AsyncClient(server.url) as client:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                await drop(client)
                gc.collect()
                await until(server.idle, "nothing held")
            assert any("never released" in str(one.message) for one in told)

    run(main())


def test_a_loop_that_ends_gives_back(server: Running) -> None:
    kept: list[AsyncHeld] = []

    async def main() -> None:
        kept.append(await AsyncClient(server.url).hold("DefaultLock"))

    asyncio.run(main())
    assert server.idle()


def test_a_callback_that_fails(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    async def bad(lost: LeaseLost) -> None:
        raise RuntimeError("what the callback did")

    async def main() -> None:
        async with AsyncClient(server.url) as client:
            held = await client.hold("DefaultLock", ttl_s=4, on_lost=bad)
            server.admin.revoke("DefaultLock", held.number)
            assert await held.wait_lost() is not None
            await until(lambda: "what the callback did" in caplog.text, "the log")

    run(main())


def test_loops_that_are_closed_are_forgotten(server: Running) -> None:
    client = AsyncClient(server.url)

    async def use() -> None:
        async with client.hold("five"):
            pass

    def open_files() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    with warnings.catch_warnings():
        # Nobody closed the client, and asyncio says so.
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(use())
        before = open_files()
        for _ in range(10):
            asyncio.run(use())
        assert len(client._runner._idle) == 1
        assert open_files() <= before + 2
        client._runner._idle.clear()
        gc.collect()


def test_closing_while_other_loops_work() -> None:
    """The set of what runs in the background is everybody's, and others add to it meanwhile."""

    class OfAnotherLoop:
        def get_loop(self) -> None:
            background.add(OfAnotherLoop())

    async def main() -> None:
        client = AsyncClient("http://127.0.0.1:1")
        client._runner._background = background
        await client.aclose()

    background: Any = {OfAnotherLoop()}
    run(main())
    assert len(background) == 2
