"""Administration and events, with threads."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import httpx
import pytest

from conftest import Running, wait_until
from lockserver_client import Client, Event, errors


def test_locks_are_made_changed_and_deleted(server: Running, client: Client) -> None:
    admin = server.admin
    made = admin.create("san-ssh", {"size": 7, "description": "SSH sessions of the SAN"})
    assert (made.size, made.settings["description"]) == (7, "SSH sessions of the SAN")
    with pytest.raises(errors.LockExists):
        admin.create("san-ssh", {"size": 7})
    changed = admin.change("san-ssh", {"size": 5}, revision=made.revision)
    assert changed.size == 5
    with pytest.raises(errors.LockChanged):
        admin.change("san-ssh", {"size": 6}, revision=made.revision)
    assert admin.replace("san-ssh", {"size": 2}).settings["description"] == ""
    assert admin.change("san-ssh", {"max_hold_time_s": 5}).settings["max_hold_time_s"] == 5
    assert admin.change("san-ssh", {"max_hold_time_s": None}).settings["max_hold_time_s"] is None
    for stale in (admin.delete, lambda name, revision: admin.replace(name, {"size": 6}, revision=revision)):
        with pytest.raises(errors.LockChanged):
            stale("san-ssh", revision=made.revision)
    # A plain variable will do.
    plain = {"size": 3}
    now = admin.replace("san-ssh", plain, revision=admin.lock("san-ssh").revision)
    assert now.size == 3
    with pytest.raises(errors.NotAllowed):
        client.change("san-ssh", {"size": 9})
    with client.hold("san-ssh"):
        with pytest.raises(errors.WouldEndTickets) as would_end:
            admin.delete("san-ssh")
        assert would_end.value.would_end == 1
        assert would_end.value.tickets[0].lock == "san-ssh"
    admin.delete("san-ssh")
    with pytest.raises(errors.UnknownLock):
        client.lock("san-ssh")


def test_everything_that_is_told(server: Running, client: Client) -> None:
    """The fields of this client are those of the server."""

    def compare(value: Any, found: Any) -> None:
        if isinstance(value, list):
            for one, other in zip(value, found):
                compare(one, other)
        elif isinstance(value, dict) and dataclasses.is_dataclass(found):
            names = {one.metadata.get("name", one.name): one.name for one in dataclasses.fields(found)}
            assert set(value) <= set(names), type(found)
            for name, inner in value.items():
                compare(inner, getattr(found, names[name]))

    as_of = client.locks().as_of
    with client.hold("two", info="told"), Client(server.url).events("two", as_of) as events:
        event = next(events)
        assert event.usage is not None
        assert event.usage.size == 2
        lock, history, status = client.lock("two"), client.history("two"), client.status()
        get = httpx.Client(base_url=server.url).get
        compare(get("/v1/locks/two").json(), lock)
        compare(get("/v1/locks/two/history").json(), history)
        compare(get("/v1/status").json(), status)
    assert lock.holders[0].from_ == status.you.from_ != ""
    assert lock.holding_since is not None
    assert "use" in status.you.rights
    assert history.hour.step_s == 10
    assert history.events[0].lock == "two"


def test_pause_and_resume(server: Running, client: Client) -> None:
    paused = server.admin.pause("DefaultLock", "firmware", until_s=3600)
    assert paused.paused
    assert paused.pause_reason == "firmware"
    assert client.try_hold("DefaultLock") is None
    assert not server.admin.resume("DefaultLock").paused
    with client.hold("DefaultLock"):
        pass


def test_revoke_restore_and_reload(server: Running, client: Client) -> None:
    server.admin.change("DefaultLock", {"lock_delay_s": 600})
    held = client.hold("DefaultLock", ttl_s=1)
    server.admin.revoke("DefaultLock", held.number, "host is gone")
    lost = held.wait_lost(60)
    assert lost is not None
    assert lost.problem is not None
    assert lost.problem.ended_as == "revoked"
    (kept,) = server.admin.lock("DefaultLock").withholdings
    assert (kept.number, kept.cause, kept.ended_as, kept.reason) == (held.number, "lost_holder", "revoked", "host is gone")
    server.admin.restore("DefaultLock", held.number)
    assert server.admin.lock("DefaultLock").withheld == 0
    assert server.admin.reload().refused == []


def test_a_ticket_that_has_moved_on_is_left_alone(server: Running, client: Client) -> None:
    with pytest.raises(errors.LeaseLost, match="revoked"), client.hold("DefaultLock") as held:
        with pytest.raises(errors.TicketChanged) as moved:
            server.admin.revoke("DefaultLock", held.number, "too late", state="queued")
        assert moved.value.tickets[0].state == "held"
        server.admin.revoke("DefaultLock", held.number, state="held")


def test_looking(server: Running, client: Client) -> None:
    status = client.status()
    assert status.ready
    assert status.limits
    assert status.configuration.refused is None
    everything = client.locks()
    assert [lock.name for lock in everything.locks] == ["DefaultLock", "five", "ports", "two"]
    assert everything.as_of


def test_events_from_a_listing_on(server: Running, client: Client) -> None:
    as_of = client.locks().as_of
    with client.hold("two", info="hello") as held:
        pass
    with client.hold("five"):
        pass
    with client.events("two", as_of) as events:
        told = [next(events) for _ in range(4)]
        assert [one.kind for one in told] == ["queued", "granted", "held", "ended"]
        assert told[0].info == "hello"
        assert {one.number for one in told} == {held.number}
        assert told[1].token == held.token
        assert told[3].ended_as == "released"
        assert events.last_id == told[3].id
    with pytest.raises(StopIteration):
        next(events)
    # From the middle: nothing twice, nothing missing.
    with client.events("two", told[1].id) as again:
        assert [next(again).kind for _ in range(2)] == ["held", "ended"]


def test_events_of_several_locks_and_of_what_is_withheld(server: Running, client: Client) -> None:
    as_of = client.locks().as_of
    with client.hold({"two": 1, "five": 2}) as held:
        pass
    server.admin.withhold("ports", slots=["port-a"], reason="no ping", until_s=600)
    server.admin.restore("ports")
    with client.events(None, as_of) as events:
        told = [next(events) for _ in range(10)]
    both = [(kind, lock) for kind in ("queued", "granted", "held", "ended") for lock in ("five", "two")]
    assert [(one.kind, one.lock) for one in told[:8]] == both
    assert {one.number for one in told[:8]} == {held.number}
    begin, end = told[8:]
    assert (begin.kind, begin.cause, begin.permits, begin.slot_names, begin.reason) == (
        "permits_withheld",
        "admin",
        1,
        ["port-a"],
        "no ping",
    )
    assert begin.until is not None
    assert begin.withholding == end.withholding
    assert (end.kind, end.permits, end.until) == ("permits_restored", 1, None)


def test_events_go_on_after_a_restart(server: Running, client: Client) -> None:
    told: list[Event] = []
    events = client.events("DefaultLock", client.locks().as_of)

    def read() -> None:
        for event in events:
            told.append(event)
            if event.kind == "ended":
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    held = client.hold("DefaultLock")
    wait_until(lambda: any(one.kind == "held" for one in told), "the first event")
    server.kill()
    server.start()
    # Another process cannot know what was before it.
    wait_until(lambda: any(one.kind == "reset" for one in told), "that events are missing")
    held.release()
    reader.join(60)
    assert not reader.is_alive()
    events.close()
    assert told[-1].number == held.number


def test_events_of_what_is_not_allowed(client: Client) -> None:
    with client.events("nope/") as events, pytest.raises(errors.Invalid):
        next(events)
