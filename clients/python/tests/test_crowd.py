"""Crowds: never more inside than the size, everybody gets in, in the order of arrival."""

from __future__ import annotations

import asyncio
import threading

import pytest

from conftest import MakeServer, raise_file_limit
from lockserver_client import AsyncClient, Client

SIZE = 5
SECTION = f"[lock crowd]\nSIZE={SIZE}\n"


def judge(most: int, seen: list[tuple[int, int]], count: int) -> None:
    """`seen` is number and token of each ticket. Numbers rise as tickets arrive, tokens as they are granted."""
    assert most == SIZE
    assert len(seen) == count
    tokens = [token for _, token in sorted(seen)]
    assert tokens == sorted(tokens), "somebody was overtaken"


@pytest.mark.crowd
@pytest.mark.timeout(600)
def test_200_threads(make_server: MakeServer) -> None:
    raise_file_limit()
    server = make_server(sections=SECTION)
    client = Client(server.url, timeout_s=120)
    inside = most = 0
    guard = threading.Lock()
    seen: list[tuple[int, int]] = []
    start = threading.Barrier(200)

    def work() -> None:
        nonlocal inside, most
        start.wait(120)
        with client.hold("crowd", ttl_s=300) as held:
            with guard:
                inside += 1
                most = max(most, inside)
                seen.append((held.number, held.token))
            threading.Event().wait(0.005)
            with guard:
                inside -= 1
            assert held.lost is None

    threads = [threading.Thread(target=work) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(500)
    judge(most, seen, 200)
    assert server.idle("crowd")


@pytest.mark.crowd
@pytest.mark.timeout(900)
def test_1500_tasks(make_server: MakeServer) -> None:
    raise_file_limit()
    server = make_server(sections=SECTION)
    inside = most = 0
    seen: list[tuple[int, int]] = []

    async def work(client: AsyncClient) -> None:
        nonlocal inside, most
        async with client.hold("crowd", ttl_s=600) as held:
            inside += 1
            most = max(most, inside)
            seen.append((held.number, held.token))
            await asyncio.sleep(0.001)
            inside -= 1
            assert held.lost is None

    async def main() -> None:
        async with AsyncClient(server.url, timeout_s=120, connect_timeout_s=60) as client:
            await asyncio.gather(*[work(client) for _ in range(1500)])

    asyncio.run(main())
    judge(most, seen, 1500)
    assert server.idle("crowd")
