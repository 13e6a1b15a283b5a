"""asyncio tasks that are cancelled leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from test_async import in_thread, run, until

from conftest import Running
from lockserver_client import AsyncClient


def test_a_cancelled_wait_leaves_no_ticket(server: Running) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client, client.hold("DefaultLock") as held:

            async def wait() -> None:
                async with client.hold("DefaultLock"):
                    raise AssertionError("it was held")

            for _ in range(3):
                tasks = [asyncio.create_task(wait()) for _ in range(5)]
                await in_thread(server.wait_queued, 5)
                for task in tasks:
                    task.cancel()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(isinstance(one, asyncio.CancelledError) for one in done), done
                # At once, not when a lease ends.
                assert server.queued() == 0
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(wait(), 0.5)
            assert server.queued() == 0
            assert held.lost is None

    run(main())


def test_cancelled_at_any_moment(server: Running) -> None:
    """Cancelled after more and more turns of the loop: whatever it was doing, nothing is left behind."""

    async def main() -> None:
        async with AsyncClient(server.url) as client:

            async def take() -> None:
                async with client.hold("two"):
                    pass

            for turns in range(60):
                task = asyncio.create_task(take())
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await client.aclose()
            await until(lambda: server.idle("two"), "no ticket")

    run(main())


def test_cancelled_twice(server: Running) -> None:
    async def main() -> None:
        client = AsyncClient(server.url)
        async with client.hold("DefaultLock"):
            task = asyncio.create_task(client._runner.run(_waiting(client)))
            await in_thread(server.wait_queued, 1)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await client.aclose()
            assert server.queued() == 0

    def _waiting(client: AsyncClient) -> Any:
        from lockserver_client._acquire import Wanted, acquire

        return acquire(client._core, Wanted("DefaultLock"))

    run(main())


def test_cancelled_while_it_works(server: Running) -> None:
    async def main() -> None:
        client = AsyncClient(server.url)

        async def work() -> None:
            async with client.hold("DefaultLock"):
                await asyncio.sleep(600)

        task = asyncio.create_task(work())
        await until(lambda: server.holding() == 1, "a holder")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.idle()
        await client.aclose()

    run(main())
