"""`lockserver store` with a store in etcd: what is read beside its servers, what is copied to a file and back, and when not."""

import pytest

from harness.api import Admin, Api
from harness.etcd import Etcd, Pair
from test_store import CANNOT_CREATE, IN_USE, STORE, USAGE, dump, file_of, good, refused, tickets

SECTIONS = "[lock x]\nSIZE=2\n"


@pytest.fixture
def etcd(tmp_path):
    """An etcd of one member."""
    one = Etcd(tmp_path / "etcd").start()
    yield one
    one.close()


def fill(server):
    """Two tickets that hold, and one that waits; their ids."""
    with Api(server.at) as api:
        held = [api.take("x")["id"] for _ in range(2)]
        return {*held, api.ok("POST", "/v1/locks/x/tickets", {"queue": True}, 202)["id"]}


def test_it_is_read_while_a_server_leads_and_copied_when_none_does(make_server, etcd, tmp_path):
    pair = Pair(make_server, etcd, SECTIONS, DEFAULT_LOCK="").start()
    leader, standby = pair.leader(), pair.standby()
    ids = fill(leader)
    read = dump(etcd.store)
    assert set(tickets(read)) == ids and read["store"] == etcd.store and read["schema"] is None
    assert "(2 hold, 1 waits)" in good("check", etcd.store)
    assert pair.leader() is leader, "nobody was deposed"
    copy = tmp_path / "copy.db"
    refused(IN_USE, ["leads", "stop all servers"], "copy", etcd.store, copy)
    standby.stop()
    leader.stop()
    assert "copied" in good("copy", etcd.store, copy)
    copied = dump(copy)
    assert set(tickets(copied)) == ids and copied["last_token"] > read["last_token"], "its counters go on at the clock"
    refused(CANNOT_CREATE, "is not empty", "copy", copy, etcd.store)
    # A server goes on with it.
    leader.start()
    with Api(leader.at) as api:
        assert len(api.ok("GET", "/v1/locks/x")["holders"]) == 2


def test_a_file_moves_into_etcd_and_a_server_goes_on_with_it(make_server, etcd):
    server = make_server({"DEFAULT_LOCK": ""}, SECTIONS).start()
    ids = fill(server)
    refused(STORE, "holds no store", "dump", etcd.store)
    refused(IN_USE, "in use", "copy", server.store, etcd.store)
    server.stop()
    good("copy", file_of(server), etcd.store)
    assert set(tickets(dump(etcd.store))) == ids
    later = make_server({"DEFAULT_LOCK": ""}, SECTIONS, store=etcd.store).start()
    with Admin(later) as admin:
        lock = admin.ok("GET", "/v1/locks/x")
        assert (lock["holding"], lock["queued"]) == (2, 1)


def test_what_is_for_files_only_says_so(etcd, tmp_path):
    for command in (["backup", tmp_path / "b.db"], ["restore", tmp_path / "b.db"]):
        refused(USAGE, ["etcdctl snapshot save", "store copy"], "--store", etcd.store, *command)
