"""What weakens a promise is said, and stays said: a lost log, a store that others may write, a database with two names."""

import os
import pathlib
import sqlite3

import pytest

from harness.api import Admin, Api
from harness.server import STOP_WITHIN_S
from harness.wire import http

STORE = 74
SECTIONS = "[lock san]\nSIZE=1\n[lock job-*]\nSIZE=1\n"


def files(server):
    """The database of a server, and its log."""
    database = pathlib.Path(server.store.removeprefix("sqlite:"))
    return database, pathlib.Path(f"{database}-wal")


def remove(log):
    """As `rm` does, or who copies the database alone."""
    log.unlink()


def damage(log):
    """Its first sector is lost: SQLite takes a log without its header for an empty one, whatever follows."""
    with open(log, "r+b") as file:
        assert log.stat().st_size > 4096
        file.write(bytes(512))


def lose_commits(server, spoil=remove):
    """Somebody holds, and the log that says so is lost in a crash."""
    server.start()
    with Api(server.at) as api:
        api.take("san", ttl_s=600)
    server.kill()
    database, log = files(server)
    spoil(log)
    pathlib.Path(f"{database}-shm").unlink(missing_ok=True)
    # The database alone, and nothing is made or removed beside it.
    with sqlite3.connect(f"file:{database}?immutable=1", uri=True) as looked:
        assert looked.execute("SELECT count(*) FROM tickets").fetchone() == (0,)
    looked.close()


def ready(server):
    """What /readyz says."""
    return http(server.at, b"GET /readyz HTTP/1.0\r\n\r\n")


def warnings(server):
    """What the status warns of."""
    with Api(server.at) as api:
        return "\n".join(api.ok("GET", "/v1/status")["warnings"])


@pytest.mark.parametrize("spoil", [remove, damage])
def test_lost_commits_are_told_until_the_server_is_stopped_in_order(make_server, spoil):
    server = make_server(sections=SECTIONS)
    server.start()
    server.stop()
    lose_commits(server, spoil)
    server.start()
    for _ in range(2):
        assert ready(server).status == 200 and b"the store has lost commits" in ready(server).body
        assert "the store has lost commits" in warnings(server)
        # A crash does not make it better.
        server.restart()
    assert "the store is older than what was last committed to it" in server.log()
    server.stop()
    server.start()
    assert ready(server).body == b"ready\n" and "have lost" not in warnings(server)


def test_on_doubt_pause_lets_nobody_in_before_somebody_has_looked(make_server):
    server = make_server({"ON_DOUBT": "pause"}, sections=SECTIONS)
    server.start()
    server.stop()
    lose_commits(server)
    server.start()
    for _ in range(2):
        with Api(server.at) as api:
            for lock in ("san", "job-new"):
                assert api.call("POST", f"/v1/locks/{lock}/tickets", {})[0] == 409, lock
            assert "has lost commits" in api.ok("GET", "/v1/locks/san")["pause_reason"]
        server.restart()
    with Admin(server) as admin:
        admin.ok("PATCH", "/v1/locks/san", {"paused": False})
    with Api(server.at) as api:
        api.release(api.take("san"))
    server.stop()


def test_a_database_has_one_server_by_whichever_name(make_server):
    first = make_server(sections=SECTIONS).start()
    database, _ = files(first)
    other = make_server(sections=SECTIONS)
    hard, soft = other.directory / "hard.db", other.directory / "soft.db"
    os.link(database, hard)
    soft.symlink_to(database)
    for name in (hard, soft):
        other.store = f"sqlite:{name}"
        other.spawn()
        assert other.ended(STOP_WITHIN_S) == STORE and "in use by another lockserver" in other.log()
    # The same for one that was moved while its server runs.
    moved = other.directory / "moved.db"
    hard.rename(moved)
    other.store = f"sqlite:{moved}"
    other.spawn()
    assert other.ended(STOP_WITHIN_S) == STORE
    with Api(first.at) as api:
        api.release(api.take("san"))
    first.stop()
    first.start()
    assert "has another name (a hard link)" in warnings(first)


def test_a_store_that_others_may_read_or_write_is_named(make_server):
    server = make_server(sections=SECTIONS)
    server.start()
    server.stop()
    database, _ = files(server)
    for mode, word in ((0o644, "may read the ids of tickets"), (0o666, "may change holders and waiters"), (0o640, None)):
        database.chmod(mode)
        server.start()
        for said in (warnings(server), server.err_path.read_text()):
            assert word in said if word else "has mode" not in said, said
        # Which everybody may ask: nobody learns there that the file is open to him.
        assert ready(server).body == b"ready\n"
        server.stop()


def test_a_store_that_others_may_replace_is_named(make_server):
    server = make_server(sections=SECTIONS)
    server.start()
    server.stop()
    database, _ = files(server)
    for mode, is_named in ((0o777, True), (0o1777, False), (0o700, False)):
        database.parent.chmod(mode)
        server.start()
        assert ("may replace the store" in warnings(server)) == is_named, oct(mode)
        server.stop()


@pytest.mark.root
def test_a_store_that_belongs_to_somebody_else_is_named(as_root, make_server):
    server = make_server(sections=SECTIONS)
    server.start()
    server.stop()
    database, _ = files(server)
    os.chown(database, 1, -1)
    server.start()
    assert f"{database} belongs to user 1" in warnings(server)
    server.stop()
    # Root gives what it makes to the owner of the directory: that is as it should be.
    os.chown(database.parent, 1, -1)
    server.start()
    assert "belongs to user" not in warnings(server)
