"""State locks of Terraform and OpenTofu: the lock half of their `http` backend."""

import contextlib
import json

import pytest

from harness.api import Admin, Api
from harness.wait import until
from harness.wire import Connection, http, request

PATH = "/v1/terraform/tf-network"


def lock_info(ident, who="ada@build7"):
    """A LockInfo as Terraform writes it."""
    return {"ID": ident, "Operation": "OperationTypeApply", "Info": "", "Who": who, "Version": "1.7.0",
            "Created": "2026-01-15T10:30:45.123456789Z", "Path": ""}


A, B = lock_info("6e1d1d5e-0d2b-4a8c-9b7d-1f2e3d4c5b6a"), lock_info("0b9c8d7e-6f5a-4b3c-8d2e-1f0a9b8c7d6e", "bob@laptop")


@pytest.fixture
def server(make_server):
    return make_server(sections="[terraform]\nLOCKS=tf-*, nope\n[lock tf-*]\nSIZE=1\n").start()


@pytest.fixture
def ask(server):
    """One request; status and body."""
    def ask(method, info, path=PATH):
        data = b"" if info is None else json.dumps(info).encode()
        response = http(server.at, request(data, ["Content-Type: application/json"], method, path))
        try:
            return response.status, json.loads(response.text)
        except ValueError:
            return response.status, response.text
    return ask


@pytest.mark.parametrize("lock, unlock", [("LOCK", "UNLOCK"), ("POST", "DELETE"), ("PUT", "DELETE")])
def test_the_sequence_of_a_client(ask, lock, unlock):
    assert ask(lock, A)[0] == 200
    assert ask(lock, A)[0] == 200, "a retry with the same ID has it still"
    assert ask(lock, B) == (423, A), "with the holder's whole LockInfo: without an ID in it the client does not wait"
    assert ask(unlock, B) == (423, A), "somebody else's lock is not given back"
    assert ask(lock, B)[0] == 423
    assert ask(unlock, A)[0] == 200
    assert ask(unlock, A)[0] == 200, "a retry of the unlock finds nothing and is fine"
    assert ask(lock, B)[0] == 200


def test_a_lock_that_takes_nobody_in_says_why_in_words_that_terraform_reads(server, ask):
    gone = "/v1/terraform/tf-gone"
    with Admin(server) as admin:
        admin.ok("PUT", "/v1/locks/tf-gone", {"size": 1, "lock_delay_s": 600}, 201)
        assert ask("LOCK", A, gone)[0] == 200
        admin.ok("DELETE", "/v1/locks/tf-gone?force=true&expect_tickets=1", status=204)
    status, info = ask("LOCK", B, gone)
    assert (status, info["ID"]) == (423, "none") and "deleted while in use" in info["Info"], info


def test_a_force_unlock_without_a_body_needs_an_administrator(ask):
    assert ask("LOCK", A)[0] == 200
    assert ask("UNLOCK", None) == (423, A)
    assert ask("LOCK", B)[0] == 423


def test_a_force_unlock_ends_who_held_the_lock_and_nobody_who_gets_it_by_that(make_server):
    server = make_server(sections="[lock tf-*]\nSIZE=1\n").start()
    with contextlib.ExitStack() as stack:
        first, *waiting = [stack.enter_context(Api(server.at)) for _ in range(6)]
        first.take("tf-x", info="dead")
        for place, api in enumerate(waiting):
            api.ask("POST", "/v1/locks/tf-x/tickets", {"wait_s": 60})
            until(lambda: first.ok("GET", "/v1/locks/tf-x")["queued"] == place + 1, 20, "the next one waits")
        for _ in range(3):
            first.ok("POST", "/v1/locks/tf-x/tickets", {"queue": True}, 202)
        with Admin(server) as admin:
            assert admin.ok("DELETE", "/v1/terraform/tf-x") is None
        status, held = waiting[0].answer()
        assert (status, held["state"]) == (201, "held")
        seen = first.ok("GET", "/v1/locks/tf-x")
        assert (seen["statistics"]["revoked"], seen["holding"], seen["queued"]) == (1, 1, 7), seen
        assert [one["number"] for one in seen["holders"]] == [held["number"]]
        assert not any(api.connection.ready() for api in waiting[1:])


def test_a_holder_that_is_no_terraform_is_shown_as_one(server, ask):
    with Connection(server.at) as other:
        ticket = other.take("backup of the state", "tf-network")
        status, info = ask("LOCK", A)
        assert status == 423 and info["ID"] and info["Info"] == "backup of the state" and info["Who"]
        assert other.release(ticket, "tf-network")
    assert ask("LOCK", A)[0] == 200


def waits(server, info, path, place, seen):
    """A LOCK that waits, as the one at that place of the queue."""
    connection = Connection(server.at)
    connection.send(request(json.dumps(info).encode(), ["Content-Type: application/json"], "LOCK", path))
    until(lambda: seen.ok("GET", "/v1/locks/tf-network")["queued"] == place, 20, "it waits")
    return connection


def test_a_wait_in_the_queue_is_answered_when_the_lock_is_held(server, ask):
    path = f"{PATH}?wait_s=600"
    third = lock_info("third")
    assert ask("LOCK", A, path)[0] == 200, "a free lock is taken at once"
    with Api(server.at) as seen, waits(server, B, path, 1, seen) as second, waits(server, third, path, 2, seen) as last:
        assert ask("UNLOCK", A, path)[0] == 200, "the unlock address may say it too"
        assert second.read().status == 200
        assert not last.ready()
        assert ask("LOCK", A)[0] == 423
        assert ask("UNLOCK", B)[0] == 200
        assert last.read().status == 200
        assert seen.ok("GET", "/v1/locks/tf-network")["queued"] == 0


def test_who_hangs_up_while_waiting_keeps_the_place_for_the_same_id_and_no_permit(server, ask):
    path = f"{PATH}?wait_s=600"
    assert ask("LOCK", A)[0] == 200
    with Api(server.at) as seen:
        def queue():
            return [(json.loads(one["info"])["ID"], one["dormant"]) for one in seen.ok("GET", "/v1/locks/tf-network")["queue"]]

        gone = waits(server, B, path, 1, seen)
        with waits(server, lock_info("third"), path, 2, seen) as last:
            gone.close()
            until(lambda: queue() == [(B["ID"], True), ("third", False)], 20, "it is passed over")
            with Connection(server.at) as again:
                again.send(request(json.dumps(B).encode(), [], "LOCK", path))
                until(lambda: queue() == [(B["ID"], False), ("third", False)], 20, "the same ID has its old place")
                again.close()
            until(lambda: queue() == [(B["ID"], True), ("third", False)], 20, "it is passed over once more")
            assert ask("UNLOCK", A)[0] == 200
            assert last.read().status == 200
        assert ask("UNLOCK", lock_info("third"))[0] == 200
        assert seen.ok("GET", "/v1/locks/tf-network")["holding"] == 0
        assert ask("LOCK", A)[0] == 200, "nobody is in the way"


def test_a_wait_that_is_over_leaves_nothing(server, ask):
    assert ask("LOCK", A)[0] == 200
    assert ask("LOCK", B, f"{PATH}?wait_s=0.2") == (423, A)
    with Api(server.at) as seen:
        assert seen.ok("GET", "/v1/locks/tf-network")["queued"] == 0


def test_a_place_in_the_queue_that_an_administrator_ends(server, ask):
    assert ask("LOCK", A)[0] == 200
    with Admin(server) as admin, waits(server, B, f"{PATH}?wait_s=600", 1, admin) as second:
        [queued] = admin.ok("GET", "/v1/locks/tf-network")["queue"]
        admin.ok("DELETE", f"/v1/locks/tf-network/tickets/{queued['number']}", status=200)
        response = second.read()
        assert response.status == 423 and "ended your place" in json.loads(response.text)["Info"], response.text


@pytest.mark.parametrize("query", ["?wait_s=3601", "?wait_s=soon", "?wait=6", "?wait_s=6&force=1"])
def test_a_query_that_says_something_else_is_refused(ask, query):
    status, text = ask("LOCK", A, PATH + query)
    assert status == 400 and "wait_s" in text
    assert ask("LOCK", A)[0] == 200


def test_a_wait_goes_on_after_a_restart_for_the_same_id(server, ask):
    path = f"{PATH}?wait_s=600"
    assert ask("LOCK", A)[0] == 200
    with Api(server.at) as seen:
        second = waits(server, B, path, 1, seen)
    server.restart()
    second.close()
    with Connection(server.at) as again:
        again.send(request(json.dumps(B).encode(), [], "LOCK", path))
        with Api(server.at) as seen:
            until(lambda: [one["dormant"] for one in seen.ok("GET", "/v1/locks/tf-network")["queue"]] == [False], 20, "it waits on")
        assert ask("UNLOCK", A)[0] == 200
        assert again.read().status == 200


@pytest.mark.parametrize("method, info, status", [
    ("LOCK", None, 400),
    ("LOCK", {"Who": "x"}, 400),
    ("LOCK", lock_info(""), 400),
    ("LOCK", lock_info("x", who="w" * 5000), 400),
    ("GET", None, 405),
])
def test_what_is_wrong_is_refused(ask, method, info, status):
    assert ask(method, info)[0] == status
    assert ask("LOCK", A)[0] == 200


def test_a_holder_of_another_protocol_without_leases(make_server):
    server = make_server(sections="[fleetlock]\nPREFIX=tf-\n[terraform]\nLOCKS=tf-*\n[lock tf-*]\nSIZE=1\n").start()
    body = json.dumps({"client_params": {"id": "node1", "group": "network"}}).encode()
    assert http(server.at, request(body, ["fleet-lock-protocol: true"], "POST", "/v1/pre-reboot")).status == 200
    response = http(server.at, request(json.dumps(A).encode(), [], "LOCK", PATH))
    info = json.loads(response.text)
    assert response.status == 423 and info["Info"] == "reboot of node1" and info["ID"].startswith("ticket-")


def test_a_lock_that_is_not_named_for_it(make_server):
    server = make_server(sections="[lock tf-*]\nSIZE=1\n").start()
    response = http(server.at, request(json.dumps(A).encode(), [], "LOCK", PATH))
    assert response.status == 403 and "[terraform] with LOCKS=tf-network" in response.text
    assert http(server.at, request(json.dumps(A).encode(), [], "UNLOCK", PATH)).status == 200, "nothing is held"


def test_an_unknown_lock(ask):
    status, text = ask("LOCK", A, "/v1/terraform/nope")
    assert status == 404 and "does not exist" in text


def test_the_lock_survives_a_restart(server, ask):
    assert ask("LOCK", A)[0] == 200
    server.restart()
    assert ask("LOCK", B) == (423, A)
    assert ask("UNLOCK", A)[0] == 200
