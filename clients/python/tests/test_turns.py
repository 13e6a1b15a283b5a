"""Whose turn it is: the latest only, permits that rest, a cap for each owner."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Running
from lockserver_client import AsyncClient, Client, errors


def test_a_newer_request_ends_the_older_one_that_waits(server: Running, client: Client) -> None:
    first = client.hold("DefaultLock", supersede="main")
    with ThreadPoolExecutor(3) as pool:
        second = pool.submit(client.hold, "DefaultLock", supersede="main")
        server.wait_queued(1)
        other = pool.submit(client.hold, "DefaultLock", supersede="another word")
        server.wait_queued(2)
        third = pool.submit(client.hold, "DefaultLock", supersede="main")
        error = second.exception(60)
        assert isinstance(error, errors.Gone)
        assert error.ended_as == "superseded"
        server.wait_queued(2)
        queue = server.admin.lock("DefaultLock").queue
        assert [ticket.supersede for ticket in queue] == ["another word", "main"]
        assert error.problem.tickets[0].superseded_by == queue[1].number
        assert first.lost is None, "holders are never touched"
        first.release()
        other.result(60).release()
        third.result(60).release()
    assert server.idle()


def test_permits_rest_after_a_success(server: Running, client: Client) -> None:
    with pytest.raises(ZeroDivisionError), client.hold("two", keep_s=600):
        raise ZeroDivisionError
    assert client.lock("two").withheld == 0
    with client.hold("two", keep_s=600):
        pass
    lock = client.lock("two")
    (rest,) = lock.withholdings
    assert (lock.withheld, rest.cause, rest.ended_as) == (1, "cooldown", "released")
    assert rest.ends_in_s is not None
    assert 500 < rest.ends_in_s <= 600
    client.hold("two").release(keep_s=60)
    assert client.lock("two").free == 0
    assert client.try_hold("two") is None
    server.admin.restore("two")
    held = client.hold("two")
    client.release(held.id, keep_s=60)
    assert client.lock("two").withheld == 1


def test_a_cap_and_a_rest_of_a_lock(server: Running, client: Client) -> None:
    made = server.admin.create("n", {"size": 3, "max_per_owner": 2, "min_hold_time_s": 600})
    assert (made.settings["max_per_owner"], made.settings["min_hold_time_s"]) == (2, 600)
    with pytest.raises(errors.TooManyPermits, match="one owner may have 2"):
        client.hold("n", 3)
    with client.hold("n", 2):
        assert client.try_hold("n") is None, "one is free, and not for us"
        with server.admin.hold("n"):
            pass
    assert client.lock("n").withheld == 3
    changed = server.admin.change("n", {"max_per_owner": None, "min_hold_time_s": 0})
    assert (changed.settings["max_per_owner"], changed.settings["min_hold_time_s"]) == (None, 0)


def test_with_asyncio(server: Running) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            async with client.hold("DefaultLock"):
                older = asyncio.create_task(client.hold("DefaultLock", supersede="x"))
                await asyncio.to_thread(server.wait_queued, 1)
                newer = asyncio.create_task(client.hold("DefaultLock", supersede="x"))
                with pytest.raises(errors.Gone, match="supersedes it"):
                    await older
            held = await newer
            await held.release(keep_s=60)
            assert (await client.lock("DefaultLock")).withheld == 1

            @client.limited("two", keep_s=60)
            async def work() -> None:
                pass

            await work()
            assert (await client.lock("two")).withheld == 1

    asyncio.run(main())


def test_withheld_and_restored(server: Running, client: Client) -> None:
    admin = server.admin
    lock = admin.withhold("ports", slots=["port-a"], reason="no ping", until_s=600)
    (one,) = lock.withholdings
    assert (one.cause, one.reason, one.slot_names, one.ended_as) == ("admin", "no ping", ["port-a"], None)
    with client.hold("ports") as other:
        assert other.slot_names == ["port-b"]
        assert client.try_hold("ports") is None
    admin.restore("ports", slots=["port-a"])
    with client.hold("ports") as held:
        assert held.slot_names == ["port-a"]
    (waited,) = admin.withhold("two", 2).withholdings
    assert (waited.awaited, waited.ends_in_s) == (0, None)
    admin.restore("two", waited.number)
    client.hold("two").release(withhold="smells")
    assert client.lock("two").withholdings[0].cause == "broken"


def test_what_others_use(server: Running, client: Client) -> None:
    with client.hold("five", 2):
        lock = server.admin.report("five", in_use=4, until_s=60)
        assert (lock.withheld, lock.free) == (2, 1)
        assert lock.outside is not None
        assert lock.outside.in_use == 4
        server.admin.unreport("five")
        assert (client.lock("five").outside, client.lock("five").free) == (None, 3)


def test_slots_by_name_and_by_tag(server: Running, client: Client) -> None:
    settings = {"slots": ["a", "b", "c"], "tags": {"a": ["fast"], "b": ["fast", "big"]}, "pick": "lru"}
    made = server.admin.create("gpu", settings).settings
    assert (made["tags"], made["pick"]) == (settings["tags"], "lru")
    with client.hold("gpu", slots=["b", "c"]) as two:
        assert sorted(two.slot_names) == ["b", "c"]
        assert two.ticket.selection is not None
        assert sorted(two.ticket.selection["slots"]) == ["b", "c"]
        with client.hold("gpu", tags=["fast"]) as one:
            assert one.slot_names == ["a"]
            assert one.ticket.selection == {"tags": ["fast"]}
            assert client.try_hold("gpu", tags=["fast"]) is None
    with pytest.raises(errors.Invalid, match="no slot d"):
        client.hold("gpu", slots=["d"])
    with pytest.raises(errors.Invalid, match="no slot of the lock has the tag slow"):
        client.hold("gpu", tags=["slow"])
    with pytest.raises(errors.TooManyPermits):
        client.hold("gpu", 3, tags=["fast"])
    with pytest.raises(errors.Invalid):
        client.hold("gpu", 3, slots=["a"])

    @client.limited("gpu", tags=iter(["big"]))
    def which() -> list[str]:
        return client.lock("gpu").holders[0].locks["gpu"].slot_names

    assert [which(), which()] == [["b"], ["b"]]
