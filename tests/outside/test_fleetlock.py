"""FleetLock, as zincati speaks it: one node of a group reboots at a time."""

import json
import signal

import pytest

from harness.wait import until
from harness.wire import http, request

GROUP = "[lock fleetlock-*]\nSIZE=1\n"
HEADER = "fleet-lock-protocol: true"


@pytest.fixture
def ask(make_server):
    """POST to a path as the client does it: pretty JSON, no Content-Type; status and body."""
    server = make_server(sections=GROUP).start()

    def ask(path, node, group="default", headers=(HEADER,), body=None):
        wanted = {"client_params": {"id": node, "group": group}}
        data = json.dumps(wanted, indent=2).encode() if body is None else body
        response = http(server.at, request(data, list(headers), "POST", path))
        return response.status, json.loads(response.text) if response.text else None
    return ask


LOCK, UNLOCK = "/v1/pre-reboot", "/v1/steady-state"
FULL = {"kind": "failed_lock_semaphore_full", "value": "semaphore currently full, all slots are locked already"}


@pytest.mark.parametrize("prefix", ["", "/fleetlock"])
def test_the_sequence_of_a_client(ask, prefix):
    lock, unlock = prefix + LOCK, prefix + UNLOCK
    assert ask(lock, "a") == (200, None)
    assert ask(lock, "a") == (200, None), "the same node is told yes again"
    assert ask(lock, "b") == (423, FULL)
    assert ask(unlock, "b") == (200, None), "not to hold anything is fine"
    assert ask(lock, "b") == (423, FULL), "and gives nobody else's slot away"
    assert ask(unlock, "a") == (200, None)
    assert ask(unlock, "a") == (200, None)
    assert ask(lock, "b") == (200, None)
    assert ask(lock, "a", group="workers.eu-1") == (200, None), "another group is another lock"


@pytest.mark.parametrize("change, kind", [
    ({"headers": ()}, "missing_fleetlock_header"),
    ({"headers": ("fleet-lock-protocol: yes",)}, "missing_fleetlock_header"),
    ({"node": ""}, "invalid_client_identity"),
    ({"node": "x" * 201}, "invalid_client_identity"),
    ({"group": ""}, "invalid_group"),
    ({"group": "a/b"}, "invalid_group"),
    ({"body": b"not json"}, "bad_request"),
    ({"body": b"{}"}, "bad_request"),
    ({"body": b""}, "bad_request"),
])
def test_what_is_wrong_is_refused_with_a_kind(ask, change, kind):
    status, body = ask(LOCK, **{"node": "a", **change})
    assert status == 400 and body["kind"] == kind and body["value"]


def test_a_group_without_a_lock(make_server):
    server = make_server().start()
    data = json.dumps({"client_params": {"id": "a", "group": "default"}}).encode()
    response = http(server.at, request(data, [HEADER], "POST", LOCK))
    assert response.status == 400 and json.loads(response.text)["kind"] == "unknown_group"


def test_a_slot_survives_a_restart(make_server):
    server = make_server(sections=GROUP).start()

    def ask(path, node):
        data = json.dumps({"client_params": {"id": node, "group": "default"}}).encode()
        return http(server.at, request(data, [HEADER], "POST", path)).status
    assert ask(LOCK, "a") == 200
    server.restart()
    assert (ask(LOCK, "b"), ask(LOCK, "a"), ask(UNLOCK, "a"), ask(LOCK, "b")) == (423, 200, 200, 200)


def test_another_prefix_and_its_reload(make_server):
    server = make_server(sections="[fleetlock]\nPREFIX=reboot-\n[lock reboot-*]\n[lock node-*]\n").start()

    def lock_of(group):
        """The locks of which a grant to this group took a permit."""
        data = json.dumps({"client_params": {"id": "a", "group": group}}).encode()
        assert http(server.at, request(data, [HEADER], "POST", LOCK)).status == 200
        locks = json.loads(http(server.at, request("", method="GET", path="/v1/locks", length=False)).text)["locks"]
        return [lock["name"] for lock in locks if lock["holders"] and lock["name"].endswith(group)]
    assert lock_of("one") == ["reboot-one"]
    server.configure({}, "[fleetlock]\nPREFIX=node-\n[lock reboot-*]\n[lock node-*]\n")
    server.signal(signal.SIGHUP)
    until(lambda: "node-two" in lock_of("two"), 10, "the prefix of the reload")
