"""Several locks in one ticket, all or nothing, against the real server."""

from __future__ import annotations

import asyncio
import threading

import pytest

from conftest import Running
from lockserver_client import AsyncClient, Client, TimedOut, errors


def test_all_are_held_or_none(server: Running, client: Client) -> None:
    with client.hold({"two": 2, "ports": 1, "five": "all"}) as held:
        assert [(name, part.permits) for name, part in held.locks.items()] == [("five", "all"), ("ports", 1), ("two", 2)]
        assert held.locks["two"].slots == [0, 1]
        assert held.locks["ports"].slot_names == ["port-a"]
        assert held.lock == "five, ports, two"
        for name in held.locks:
            assert client.verify(name, held.token)
            (holder,) = client.lock(name).holders
            assert (holder.number, holder.lock, list(holder.locks)) == (held.number, None, ["five", "ports", "two"])
        assert [ticket.number for ticket in client.my_tickets()] == [held.number]
        with pytest.raises(errors.Busy, match='lock "two": ') as busy:
            client.hold({"ports": 1, "two": 1}, wait_s=0)
        assert busy.value.problem.lock == "two"
        assert client.try_hold({"ports": 1, "two": 1}) is None
        with pytest.raises(TimedOut, match=r"timed out after .* waiting for 'ports, two'"):
            client.hold({"ports": 1, "two": 1}, wait_s=0.2)
        assert client.lock("ports").queued == 0
        assert client.lock("ports").free == 1
    assert all(server.idle(name) for name in ("two", "ports", "five"))


def test_no_order_is_wrong(server: Running, client: Client) -> None:
    inside: list[str] = []
    most: list[int] = []

    def work(names: tuple[str, str]) -> None:
        for _ in range(5):
            with client.hold(dict.fromkeys(names, 1)):
                inside.append(names[0])
                most.append(len(inside))
                inside.remove(names[0])

    names = ("DefaultLock", "two")
    threads = [threading.Thread(target=work, args=(names if number % 2 else names[::-1],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(most) == 40
    assert max(most) == 1
    assert server.idle()
    assert server.idle("two")


def test_one_that_refuses_is_told(client: Client) -> None:
    for wanted, kind, name in (
        ({"two": 1, "nowhere": 1}, errors.UnknownLock, "nowhere"),
        ({"two": 3, "five": 1}, errors.TooManyPermits, "two"),
    ):
        with pytest.raises(kind) as told:
            client.hold(wanted)
        assert told.value.problem.lock == name
    with pytest.raises(errors.Invalid, match="choose in one lock"):
        client.hold({"two": 1, "ports": 1}, slots=["port-a"])
    with pytest.raises(ValueError, match="name a lock"):
        client.hold({})
    with client.hold({"ports": 1}, slots=["port-b"]) as held:
        assert held.slot_names == ["port-b"]


def test_a_decorator_for_several(server: Running, client: Client) -> None:
    @client.limited({"DefaultLock": 1, "two": 1})
    def holding() -> list[int]:
        return [client.lock(name).holding for name in ("DefaultLock", "two")]

    assert holding() == [1, 1]
    assert server.idle()


def test_with_asyncio(server: Running) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            async with client.hold({"DefaultLock": 1, "two": 1}) as held:
                assert list(held.locks) == ["DefaultLock", "two"]
                waits = asyncio.create_task(client.hold({"two": 2, "DefaultLock": 1}))
                await asyncio.to_thread(server.wait_queued, 1)
                await asyncio.to_thread(server.wait_queued, 1, "two")
                # Given up, it leaves every queue.
                waits.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waits
                assert (await client.lock("two")).queued == 0
                waits = asyncio.create_task(client.hold({"two": 2, "DefaultLock": 1}))
                await asyncio.to_thread(server.wait_queued, 1)
            later = await waits
            assert later.locks["two"].slots == [0, 1]
            await later.release()

    asyncio.run(main())
    assert server.idle("two")
