"""Several servers on one etcd: one leads, the others give it what they are asked, and one of them takes over when it goes."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from harness import ctl
from harness.api import Admin, Api
from harness.etcd import SECRET, Pair, Standing
from harness.published import clients
from harness.wait import until
from harness.wire import get

SECTIONS = "[lock x]\nSIZE=1\n[lock many]\nSIZE=6\n[anonymous]\nRIGHTS=use, observe\n"
LEASE = 4
# Their clocks are real ones: a machine that is busy with other tests would depose leaders.
pytestmark = pytest.mark.alone


@pytest.fixture
def pair(make_server, etcd):
    """A leader and a standby."""
    return Pair(make_server, etcd, SECTIONS, lease=LEASE, DEFAULT_LOCK="", LONG_POLL=2).start()


def test_a_standby_gives_requests_to_the_leader(pair):
    leader, standby = pair.leader(), pair.standby()
    told = standby.status()
    assert told["role"] == "standby" and told["ready"], told
    assert told["leader"]["name"] == leader.status()["leader"]["name"]
    assert told["leader"]["url"] == f"http://{leader.address}:{leader.port}"
    assert get(standby.at, "/readyz").status == 200
    known = until(lambda: leader.status()["standbys"], 10, "the leader hears who stands by")
    assert [(one["name"], one["url"]) for one in known] == [("s1", f"http://{standby.address}:{standby.port}")]
    assert abs(known[0]["clock_ahead_s"]) < 2, "it is the same clock"
    until(lambda: [one["name"] for one in standby.status()["standbys"]] == ["s1"], 10, "the standby says the same")
    with Api(standby.at) as near, Api(leader.at) as far:
        near.connection.socket.close()
        near.connection.socket = socket.create_connection(standby.at, 20, ("127.98.0.1", 0))
        ticket = near.take("x", request_id="one0000000000000", info="through the standby")
        holders = far.ok("GET", "/v1/locks/x")["holders"]
        assert [one["info"] for one in holders] == ["through the standby"]
        assert holders[0]["from"] == "127.98.0.1", "the client's address, and not the standby's"
        near.ok("POST", f"/v1/tickets/{ticket['id']}/renew")
        assert near.call("POST", "/v1/locks/x/tickets", {})[1]["code"] == "busy"
        near.release(ticket)
        assert far.ok("GET", "/v1/locks/x")["holders"] == []
    assert b"DefaultLock" in get(standby.at, "/").body or b"many" in get(standby.at, "/").body


def test_who_waits_at_a_standby_is_served_in_its_turn_and_its_place_goes_with_it(pair):
    leader, standby = pair.leader(), pair.standby()
    with Api(leader.at) as far, Api(standby.at) as second, Api(standby.at) as third:
        ticket = far.take("x")
        second.ask("POST", "/v1/locks/x/tickets", {"wait_s": 60, "info": "second"})
        until(lambda: len(far.ok("GET", "/v1/locks/x")["queue"]) == 1, 10, "it queues")
        third.ask("POST", "/v1/locks/x/tickets", {"wait_s": 60, "info": "third"})
        until(lambda: len(far.ok("GET", "/v1/locks/x")["queue"]) == 2, 10, "it queues")
        second.close()
        until(lambda: len(far.ok("GET", "/v1/locks/x")["queue"]) == 1, 10, "the leader hears that its client has gone")
        far.release(ticket)
        assert third.answer()[0] == 201


def test_events_come_through_a_standby(pair):
    leader, standby = pair.leader(), pair.standby()
    stream = urllib.request.urlopen(f"http://{standby.address}:{standby.port}/v1/events", timeout=20)
    with Api(leader.at) as far:
        far.release(far.take("x"))
    seen = []
    while "ticket_ended" not in "".join(seen) and "released" not in "".join(seen):
        line = stream.readline().decode()
        assert line, seen
        seen.append(line)
    stream.close()


def test_nobody_but_a_server_says_for_whom_a_request_is(pair):
    leader, standby = pair.leader(), pair.standby()
    for secret in ("wrong", "", SECRET.strip() + "x"):
        forged = json.dumps({"secret": secret, "from": "192.0.2.77"})
        for server in (leader, standby):
            with Api(server.at) as api:
                status, _ = api.call("POST", "/v1/locks/many/tickets", {}, [f"Lockserver-Forwarded: {forged}"])
                assert status == 201
    with Api(leader.at) as api:
        assert {one["from"] for one in api.ok("GET", "/v1/locks/many")["holders"]} == {"127.0.0.1"}


def test_a_body_that_is_too_large_is_refused_in_the_words_of_its_protocol(pair):
    with Api(pair.standby().at) as near:
        status, problem = near.call("POST", "/v1/locks/x/tickets", {"info": "x" * 100_000})
        assert (status, problem["code"]) == (413, "payload_too_large"), problem


def test_nobody_but_a_server_stands_by(pair):
    leader, standby = pair.leader(), pair.standby()

    def say(server, **told):
        heartbeat = {"secret": SECRET.strip(), "name": "another", "url": None, "wall_ms": 0, **told}
        connection = http.client.HTTPConnection(*server.at, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", "/cluster/standby", json.dumps(heartbeat))
            return connection.getresponse().status
    assert say(leader, secret="wrong") == 403
    assert say(leader, wall_ms="now") == 400
    assert say(standby) == 421, "only a leader takes it"
    assert "another" not in [one["name"] for one in leader.status()["standbys"]]
    assert say(leader) == 200
    assert "another" in [one["name"] for one in leader.status()["standbys"]]


def test_one_hop_and_no_more(pair):
    standby = pair.standby()
    header = json.dumps({"secret": SECRET.strip(), "from": "192.0.2.77"})
    answer = urllib.request.Request(f"http://{standby.address}:{standby.port}/v1/locks", headers={"Lockserver-Forwarded": header})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(answer, timeout=10)
    assert refused.value.code == 421


def test_an_administrator_of_a_standby_administers_the_leader(pair):
    standby = pair.standby()
    with Admin(standby) as admin:
        lock = admin.ok("PATCH", "/v1/locks/x", {"size": 4})
        assert lock["size"] == 4
    with Api(pair.leader().at) as api:
        assert api.ok("GET", "/v1/locks/x")["size"] == 4


def test_a_standby_takes_over_from_a_leader_that_was_killed(pair, report):
    leader, standby = pair.leader(), pair.standby()
    with Api(standby.at) as near:
        held = near.take("x", request_id="held000000000000", ttl_s=30)
        with Api(standby.at, timeout=60) as waiting:
            waiting.ask("POST", "/v1/locks/x/tickets", {"wait_s": 50, "request_id": "next000000000000", "ttl_s": 30})
            until(lambda: len(near.ok("GET", "/v1/locks/x")["queue"]) == 1, 10, "it queues")
            leader.kill()
            began = time.monotonic()
            until(lambda: standby.status().get("role") == "leader", LEASE + 15, "the standby leads")
            took = time.monotonic() - began
            report(f"led {took:.2f} s after the kill, with a lease of {LEASE} s")
            near.ok("POST", f"/v1/tickets/{held['id']}/renew")
            near.release(held)
            status, granted = waiting.answer()
            assert status == 201 and granted["token"] > held["token"]
    # The other one comes back as a standby.
    leader.start()
    until(lambda: leader.status().get("role") == "standby", 10, "it stands by")
    assert leader.status()["leader"]["name"] == standby.status()["leader"]["name"]


def test_a_leader_that_stops_in_order_is_missed_for_a_moment_only(pair, report):
    leader, standby = pair.leader(), pair.standby()
    with Api(standby.at, timeout=60) as near:
        held = near.take("x", request_id="held000000000000")
        leader.signal(signal.SIGTERM)
        began = time.monotonic()
        near.ok("POST", f"/v1/tickets/{held['id']}/renew")
        until(lambda: standby.status().get("role") == "leader", 10, "the standby leads")
        report(f"{time.monotonic() - began:.2f} s after SIGTERM")
    assert leader.ended() == 0


def test_a_leader_that_stood_still_for_longer_than_its_lease_tells_nobody_anything(pair):
    leader, standby = pair.leader(), pair.standby()
    with Api(leader.at, timeout=60) as near, Api(standby.at) as far:
        first = near.take("x", request_id="first00000000000", ttl_s=2)
        leader.signal(signal.SIGSTOP)
        # Sent to the one that stands still: it still believes that it leads when it wakes.
        near.ask("POST", f"/v1/tickets/{first['id']}/renew")
        until(lambda: standby.status().get("role") == "leader", LEASE + 15, "the standby leads")
        until(lambda: far.ok("GET", "/v1/locks/x")["holders"] == [], 30, "the lease of the first ended")
        second = far.take("x", request_id="second0000000000", ttl_s=30)
        assert second["token"] > first["token"]
        leader.signal(signal.SIGCONT)
        status, answer = near.answer()
        assert status in (409, 410, 404, 503), (status, answer)
        until(lambda: leader.status().get("role") == "standby", 10, "it has understood")
        assert [one["token"] for one in far.ok("GET", "/v1/locks/x")["holders"]] == [second["token"]]


def event_stream(server):
    address, port = server.at
    return urllib.request.urlopen(f"http://{address}:{port}/v1/events?heartbeat_s=1", timeout=20)


def test_event_streams_of_a_leader_end_when_another_one_leads(pair):
    leader, standby = pair.leader(), pair.standby()
    they_end([event_stream(leader), event_stream(standby)], leader, lambda: standby.status().get("role") == "leader")


def test_event_streams_end_where_the_servers_do_not_know_each_other(make_server, etcd):
    servers = [make_server({"DEFAULT_LOCK": ""}, f"{SECTIONS}\n[etcd]\nLEASE={LEASE}\n", of=Standing, store=etcd.store).start()
               for _ in range(2)]
    leader, standby = servers
    assert [get(one.at, "/readyz").status for one in servers] == [200, 503]
    with pytest.raises(urllib.error.HTTPError, match="503"):
        event_stream(standby)
    they_end([event_stream(leader)], leader, lambda: get(standby.at, "/readyz").status == 200)


def they_end(streams, leader, is_taken_over):
    leader.signal(signal.SIGSTOP)
    until(is_taken_over, LEASE + 15, "the standby leads")
    leader.signal(signal.SIGCONT)
    for stream in streams:
        with contextlib.closing(stream):
            begun = time.monotonic()
            # Chunks without a last one are an end, too: of the server that gives them on.
            with contextlib.suppress(http.client.IncompleteRead, ConnectionError):
                while stream.readline():
                    assert time.monotonic() < begun + 20, "it goes on, and says nothing of what the next leader does"


def test_unmodified_clients_at_a_standby_do_not_notice_that_the_leader_dies(pair, run_client):
    leader, standby = pair.leader(), pair.standby()
    python, env = next(iter(clients().values()))
    workers = [run_client("worker.py", standby.url, "many", 0.1, python=python, env=env) for _ in range(8)]
    for worker in workers:
        worker.expect("ready", 60)
    for worker in workers:
        worker.say("begin")
    done = [json.loads(worker.line(30)) for worker in workers]
    leader.kill()
    until(lambda: standby.status().get("role") == "leader", LEASE + 15, "the standby leads")
    again = [json.loads(worker.line(30)) for worker in workers for _ in range(3)]
    assert len(done) == 8 and all(job["released"] for job in again[-8:])


@pytest.mark.timeout(180)
def test_a_command_under_a_lock_does_not_notice_that_five_leaders_die(pair):
    servers = ",".join(f"http://{one.address}:{one.port}" for one in pair.servers)
    command = [ctl.lockctl(), "run", "--ttl", "40", "x", "--", "sh", "-c", "read line; echo \"$line\""]
    process = subprocess.Popen(command, env=ctl.environment(servers), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)

    def tokens():
        assert process.poll() is None, process.communicate()
        with Api(pair.leader().at) as api:
            return [one["token"] for one in api.ok("GET", "/v1/locks/x")["holders"]]
    held = until(tokens, 20, "it holds")
    for _ in range(5):
        leader, standby = pair.leader(), pair.standby()
        leader.kill()
        until(lambda: standby.status().get("role") == "leader", LEASE + 15, "the standby leads")  # noqa: B023
        assert tokens() == held
        leader.start()
        until(lambda: leader.status().get("role") == "standby", 10, "it stands by")  # noqa: B023
    out, err = process.communicate("done\n", timeout=30)
    assert (process.returncode, out) == (0, "done\n"), err
    until(lambda: not json.loads(get(pair.leader().at, "/v1/locks/x").body)["holders"], 10, "it was released")


def test_a_standby_does_not_say_that_nothing_was_done_if_a_leader_may_have_done_it(make_server, etcd):
    """The leader takes the request and dies; the standby stops before there is another one."""
    with socket.create_server(("127.0.0.1", 0)) as leader:
        url = f"http://127.0.0.1:{leader.getsockname()[1]}"
        etcd.put("lockserver/leader", json.dumps({"name": "gone", "url": url, "since_ms": 1}))
        [standby] = Pair(make_server, etcd, SECTIONS, count=1, lease=LEASE).servers
        standby.start()
        until(lambda: (standby.status().get("leader") or {}).get("name") == "gone", 20, "it knows who leads")
        with Api(standby.at) as api:
            api.ask("DELETE", "/v1/tickets/6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
            taken = [leader.accept()[0]]
            # The standby also says that it stands by.
            while taken[-1].recv(6) != b"DELETE":
                taken.append(leader.accept()[0])
            leader.close()
            for one in taken:
                one.close()
            standby.signal(signal.SIGTERM)
            status, problem = api.answer()
        assert (status, problem["may_have_taken_effect"]) == (503, True), problem
    assert standby.ended() == 0
