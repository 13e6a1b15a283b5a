"""`lockserver store`: what is saved under load is whole, what is restored is safe, and what cannot be done is said."""

import json
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

import pytest

from harness.api import Api
from harness.paths import ROOT, binary
from harness.server import Server
from harness.wait import until
from test_full_disk import SmallDisk

OK, USAGE, CANNOT_CREATE, STORE, IN_USE, CONFIG = 0, 64, 73, 74, 75, 78
SIZE, CLIENTS, BACKUPS = 3, 8, 20
SECTIONS = f"[lock busy]\nSIZE={SIZE}\n[lock spare]\nSIZE=1000\n"
FIXTURES = ROOT / "crates" / "lockserver" / "tests" / "fixtures" / "store"
NOBODY = 65534


def store(*arguments, env=None, **options):
    """Run `lockserver store ...` to its end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSERVER_")}
    command = [binary(), "store", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**clean, **(env or {})}, **options)


def good(*arguments, **options):
    """The same, which must succeed; its output."""
    done = store(*arguments, **options)
    assert done.returncode == OK and done.stderr == "", f"{arguments}: {done.returncode} {done.stderr}"
    return done.stdout


def refused(code, words, *arguments, **options):
    """The same, which must be refused with that code and these words; what it said."""
    done = store(*arguments, **options)
    assert done.returncode == code and done.stdout == "", f"{arguments}: {done.returncode} {done.stdout} {done.stderr}"
    assert "panicked" not in done.stderr and all(line.startswith("lockserver: ") for line in done.stderr.splitlines())
    for word in words if isinstance(words, list) else [words]:
        assert str(word) in done.stderr, f"{word!r} is not in: {done.stderr}"
    return done.stderr


def dump(path):
    """What is in a store."""
    return json.loads(good("dump", "--json", "--with-ids", path))


def tickets(dumped):
    """Tickets by id, with the name of their lock."""
    return {ticket["id"]: {**ticket, "lock": lock["name"]} for lock in dumped["locks"]
            for kind in ("holders", "queue", "ended") for ticket in lock[kind]}


def file_of(server):
    """The database of a server."""
    return pathlib.Path(server.store.removeprefix("sqlite:"))


def names(directory):
    """What is in a directory."""
    return sorted(path.name for path in directory.iterdir())


class Worker(threading.Thread):
    """Takes, queues, waits, holds and releases, and notes when what was acknowledged."""

    def __init__(self, server, number, stopping):
        super().__init__(daemon=True)
        self.server, self.number, self.stopping = server, number, stopping
        self.error, self.seen, self.token = None, [], 0

    def run(self):
        try:
            with Api(self.server.at) as api:
                while not self.stopping.is_set():
                    self.one(api)
        except Exception as error:  # told to the test, which fails with it
            self.error = f"worker {self.number}: {error!r}"

    def one(self, api):
        body = {"queue": True, "ttl_s": 600, "info": f"worker {self.number}"}
        status, ticket = api.call("POST", "/v1/locks/busy/tickets", body)
        assert status in (201, 202), ticket
        # id, acknowledged, asked for its end, end acknowledged
        note = [ticket["id"], time.monotonic(), None, None]
        self.seen.append(note)
        if self.number % 4 or ticket["state"] == "held":
            while ticket["state"] == "queued" and not self.stopping.is_set():
                ticket = api.ok("GET", f"/v1/tickets/{ticket['id']}?wait_s=1")
            self.token = max(self.token, ticket["token"] or 0)
        note[2] = time.monotonic()
        api.release(ticket)
        note[3] = time.monotonic()


@pytest.mark.timeout(300)
def test_backups_under_load(make_server, tmp_path, report):
    server = make_server(sections=SECTIONS).start()
    with Api(server.at) as api:
        held = [api.take("spare", ttl_s=600) for _ in range(5)]
    stopping = threading.Event()
    workers = [Worker(server, number, stopping) for number in range(CLIENTS)]
    for worker in workers:
        worker.start()
    backups = []
    for number in range(BACKUPS):
        began = time.monotonic()
        line = good("backup", "--store", server.store, tmp_path / f"{number}.db")
        backups.append((tmp_path / f"{number}.db", began, time.monotonic()))
        assert "tickets (" in line and " bytes, schema " in line and line.count("\n") == 1, line
    # The original goes on: what it gives out from now on is in no backup.
    later = time.monotonic() + 1
    until(lambda: time.monotonic() > later, 10, "a second of load after the last backup")
    stopping.set()
    for worker in workers:
        worker.join(30)
    assert not [worker.error for worker in workers if worker.error or worker.is_alive()]
    with Api(server.at) as api:
        last = api.take("spare")
        assert api.ok("GET", f"/v1/tickets/{held[0]['id']}")["state"] == "held"
    most_token, most_number = max([last["token"], *(worker.token for worker in workers)]), last["number"]
    server.stop()
    seen = [note for worker in workers for note in worker.seen]
    during = [end - began for _, began, end in backups]
    report(f"{BACKUPS} backups under load, {max(during) * 1000:.0f} ms at most; {len(seen)} tickets meanwhile")
    assert len(seen) > 5 * BACKUPS

    for number, (backup, began, ended) in enumerate(backups):
        assert backup.stat().st_mode & 0o777 == 0o600
        found = tickets(dump(backup))
        live = {ident for ident, ticket in found.items() if ticket["state"] != "ended"}
        for ident, acknowledged, asked, done in seen:
            if acknowledged < began and asked > ended:
                assert ident in live, f"backup {number} lost a ticket that was acknowledged before it began"
            if done < began:
                assert ident not in live, f"backup {number} has a ticket alive that had ended before it began"
        assert {ticket["id"] for ticket in held} <= live
        inside = [ticket for ticket in found.values() if ticket["lock"] == "busy" and ticket["state"] in ("granted", "held")]
        assert len(inside) <= SIZE, f"backup {number} has {len(inside)} holders of {SIZE}"

        other = make_server(sections=SECTIONS)
        good("restore", "--store", other.store, backup)
        other.start()
        with Api(other.at) as api:
            lock = api.ok("GET", "/v1/locks/busy")
            assert lock["in_use"] <= SIZE and lock["size"] == SIZE
            new = api.take("spare")
            assert new["token"] > most_token and new["number"] > most_number, (new, most_token, most_number)
            api.ok("POST", f"/v1/tickets/{held[0]['id']}/renew")
            api.release(held[1])
        other.stop()


def test_a_killed_server_is_saved_with_all_that_it_acknowledged(make_server, tmp_path):
    server = make_server(sections=SECTIONS).start()
    with Api(server.at) as api:
        held = [api.take("spare") for _ in range(10)]
    server.kill()
    good("backup", "--store", server.store, tmp_path / "saved.db")
    assert {ticket["id"] for ticket in held} <= tickets(dump(tmp_path / "saved.db")).keys()
    # Looking at it, and saving it, keeps nobody out.
    server.start()
    with Api(server.at) as api:
        assert api.ok("GET", f"/v1/tickets/{held[9]['id']}")["state"] == "held"


def test_a_stopped_server_leaves_one_file(make_server, tmp_path):
    server = make_server(sections=SECTIONS)
    for round_ in range(1, 6):
        server.start()
        with Api(server.at) as api:
            assert api.call("POST", "/v1/locks/spare/tickets", {})[0] == 201
        server.stop()
        assert not [name for name in names(file_of(server).parent) if name.endswith(("-wal", "-shm"))]
        copied = shutil.copy(file_of(server), tmp_path / f"copied-{round_}.db")
        assert len(tickets(dump(copied))) == round_


def test_where_a_backup_goes(server, tmp_path):
    def backup(*arguments):
        return ["backup", "--store", server.store, *arguments]
    dest = tmp_path / "saved.db"
    refused(CANNOT_CREATE, ["nowhere", "make it first"], *backup(tmp_path / "nowhere" / "saved.db"))
    refused(CANNOT_CREATE, "is a directory", *backup(tmp_path))
    assert not dest.exists()
    good(*backup("saved.db"), cwd=tmp_path)
    before = dest.read_bytes()
    refused(CANNOT_CREATE, ["exists already", "--force"], *backup(dest))
    assert dest.read_bytes() == before
    with Api(server.at) as api:
        ticket = api.take("DefaultLock")
    good(*backup("--force", dest))
    assert ticket["id"] in tickets(dump(dest))

    link = tmp_path / "link.db"
    link.symlink_to("/dev/null")
    for what in (link, pathlib.Path("/dev/null")):
        refused(CANNOT_CREATE, "not a file", *backup("--force", what))
    (tmp_path / "used.db-wal").write_bytes(b"of another database")
    refused(CANNOT_CREATE, "used.db-wal", *backup(tmp_path / "used.db"))
    for part in ("", "-wal", "-shm", ".lock"):
        refused(USAGE, "the store itself", *backup("--force", f"{file_of(server)}{part}"))
    assert names(tmp_path) == ["link.db", "saved.db", "server0", "used.db-wal"], "nothing else is left"
    with Api(server.at) as api:
        api.release(ticket)


@pytest.mark.root
def test_a_backup_onto_a_full_disk(as_root, server, tmp_path):
    with SmallDisk(tmp_path / "disk") as disk:
        disk.fill()
        refused(CANNOT_CREATE, ["No space left", "make room"], "backup", "--store", server.store, disk.path / "saved.db")
        assert names(disk.path) == ["filler"]
        disk.make_room()
        good("backup", "--store", server.store, disk.path / "saved.db")


def test_a_file_size_limit_ends_a_backup_with_words(server, tmp_path):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # noqa: E731
    dest = tmp_path / "saved.db"
    refused(CANNOT_CREATE, ["saved.db", "nothing was changed"], "backup", "--store", server.store, dest, preexec_fn=limit)
    assert names(tmp_path) == ["server0"]


def fill(path, count):
    """Many tickets that have ended, as a server that stopped could have left them."""
    with sqlite3.connect(path) as database:
        (number,) = database.execute("SELECT last_number FROM meta").fetchone()
        database.execute(f"UPDATE meta SET last_number = last_number + {count}, last_seq = last_number + {count}")
        columns = [row[1] for row in database.execute("PRAGMA table_info(tickets)")]
        own = {"number": "?1", "seq": "?1", "id": "?2", "state": "'ended'", "ended_as": "'released'", "ended_service_ms": "1",
               "lock": "'DefaultLock'", "client": "'10.0.0.1:1'", "info": "hex(zeroblob(100))", "permits": "1", "priority": "0",
               "lease": "'of_lock'", "queue_lease": "'minute'", "acknowledged": "1", "lease_began_uptime_ms": "0", "dormant": "0", "slots": "''",
               "slot_names": "''", "created_at_ms": "1790000000000"}
        values = ", ".join(own.get(name, "NULL") for name in columns)
        ident = "{:08x}-0000-4000-8000-000000000000".format
        database.executemany(f"INSERT INTO tickets ({', '.join(columns)}) VALUES ({values})",
                             ((number + one, ident(one)) for one in range(1, count + 1)))
    database.close()


def test_a_backup_that_is_killed_leaves_no_half(make_server, tmp_path):
    server = make_server().start()
    server.stop()
    fill(file_of(server), 60_000)
    server.start()
    dest = tmp_path / "to" / "saved.db"
    dest.parent.mkdir()
    command = [binary(), "store", "backup", "--store", server.store, str(dest)]
    for round_ in range(5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        begun = until(lambda: len(names(dest.parent)) > round_ or process.poll() is not None, 60, "the copy begins")
        process.kill()
        assert begun and process.wait(20) == -signal.SIGKILL, "it had ended before"
        assert not dest.exists()
    left = names(dest.parent)
    assert left and all(name.startswith("saved.db.partial-") for name in left)
    # The next one passes over what may still be somebody's, and removes what is older than a day.
    old = time.time() - 2 * 24 * 3600
    os.utime(dest.parent / left[0], (old, old))
    good("backup", "--store", server.store, dest)
    assert set(names(dest.parent)) == {"saved.db", *left[1:]}
    good("check", dest)
    with Api(server.at) as api:
        api.release(api.take("DefaultLock"))


def test_a_backup_that_is_interrupted_leaves_nothing(make_server, tmp_path):
    server = make_server().start()
    server.stop()
    fill(file_of(server), 60_000)
    dest = tmp_path / "to" / "saved.db"
    dest.parent.mkdir()
    command = [binary(), "store", "backup", "--store", server.store, str(dest)]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: names(dest.parent) or process.poll() is not None, 60, "the copy begins")
        process.send_signal(number)
        assert process.wait(20) == 128 + number, "it had ended before"
        assert names(dest.parent) == []


def test_a_store_is_restored_only_where_no_server_is(make_server, tmp_path):
    server = make_server(sections=SECTIONS).start()
    with Api(server.at) as api:
        saved = api.take("busy", ttl_s=600)
        good("backup", "--store", server.store, tmp_path / "saved.db")
        later = api.take("busy", ttl_s=600)
    for force in ([], ["--force"]):
        refused(IN_USE, ["in use by another lockserver", f"process {server.pid}", "stop that one"],
                "restore", "--store", server.store, tmp_path / "saved.db", *force)
    server.stop()
    before = file_of(server).read_bytes()
    refused(CANNOT_CREATE, ["exists already", "--force"], "restore", "--store", server.store, tmp_path / "saved.db")
    assert file_of(server).read_bytes() == before
    refused(USAGE, "is the store itself", "restore", "--store", server.store, file_of(server), "--force")
    refused(STORE, ["nothing.db", "nothing was changed"], "restore", "--store", server.store, tmp_path / "nothing.db")
    refused(CANNOT_CREATE, "nowhere", "restore", "--store", tmp_path / "nowhere" / "lockserver.db", tmp_path / "saved.db")

    line = good("restore", "--store", server.store, tmp_path / "saved.db", "--force")
    (kept,) = [path for path in server.directory.iterdir() if ".replaced-" in path.name]
    assert str(kept) in line
    assert later["id"] in tickets(dump(kept)) and later["id"] not in tickets(dump(file_of(server)))
    assert file_of(server).stat().st_mode & 0o777 == 0o600
    server.start()
    with Api(server.at) as api:
        assert api.ok("GET", f"/v1/tickets/{saved['id']}")["state"] == "held"
        assert api.call("GET", f"/v1/tickets/{later['id']}")[0] == 404
        new = api.take("busy")
        assert new["token"] > 1_700_000_000_000_000 and new["number"] > later["number"]
    assert "begin at the Unix time" in server.log()


def test_a_store_that_was_killed_is_set_aside_with_its_log(make_server, tmp_path):
    server = make_server(sections=SECTIONS).start()
    with Api(server.at) as api:
        good("backup", "--store", server.store, tmp_path / "saved.db")
        later = [api.take("spare") for _ in range(3)]
    server.kill()
    good("restore", "--store", server.store, tmp_path / "saved.db", "--force")
    (kept,) = [path for path in server.directory.iterdir() if path.name.endswith("Z")]
    assert {ticket["id"] for ticket in later} <= tickets(dump(kept)).keys()
    server.start()
    with Api(server.at) as api:
        assert api.ok("GET", "/v1/locks/spare")["in_use"] == 0
        assert api.take("spare")["token"] > later[-1]["token"]


def test_a_damaged_store_is_named_and_changes_nothing(make_server, tmp_path):
    server = make_server().start()
    server.stop()
    whole = file_of(server)
    fill(whole, 3000)
    good("check", whole)
    content = whole.read_bytes()
    assert len(content) > 100 * 4096
    flipped = bytearray(content)
    for page in range(10, len(content) // 4096, 7):
        flipped[page * 4096:page * 4096 + 64] = b"\xa5" * 64
    other = tmp_path / "other" / "lockserver.db"
    other.parent.mkdir()
    for name, damaged in (("flipped", flipped), ("truncated", content[:50 * 4096]), ("no-database", b"my thesis " * 1000)):
        path = tmp_path / f"{name}.db"
        path.write_bytes(damaged)
        refused(STORE, [path, "damaged", "from a backup"], "check", path)
        refused(STORE, [path, "nothing was changed"], "restore", "--store", other, path)
        assert names(other.parent) == []
        said = refused(STORE, path, "backup", "--store", path, tmp_path / "saved.db")
        assert "damaged" in said and not (tmp_path / "saved.db").exists()
        assert path.read_bytes() == damaged, "it is left as it was"
    # One row too many in the lock: the file is sound, the table is not.
    with sqlite3.connect(whole) as database:
        database.execute("UPDATE tickets SET state = 'held', ended_as = NULL, ended_service_ms = NULL, slots = '0' "
                         "WHERE number IN (SELECT number FROM tickets LIMIT 2)")
    database.close()
    refused(STORE, [whole, "contradicts itself"], "check", whole)
    refused(STORE, ["failed its check", "contradicts itself"], "backup", "--store", whole, tmp_path / "saved.db")
    assert not (tmp_path / "saved.db").exists()
    refused(STORE, "cannot be", "check", tmp_path / "nothing.db")


def test_what_is_no_database_is_called_so(tmp_path):
    pipe, empty = tmp_path / "pipe", tmp_path / "empty"
    os.mkfifo(pipe)
    empty.touch()
    for path, words in [(tmp_path, "it is not a file"), (pipe, "it is not a file"), (empty, "it is empty")]:
        refused(STORE, words, "check", path)
        refused(STORE, words, "--store", tmp_path / "new.db", "restore", path)
    assert not (tmp_path / "new.db").exists()


def test_a_newer_store_is_left_to_newer_versions(make_server, tmp_path):
    server = make_server().start()
    server.stop()
    path = file_of(server)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = path.read_bytes()
    newer = ["schema 99", "run the version that wrote it"]
    refused(STORE, newer, "check", path)
    refused(STORE, newer, "dump", path)
    refused(STORE, newer, "backup", "--store", server.store, tmp_path / "saved.db")
    refused(STORE, newer, "restore", "--store", tmp_path / "new.db", path)
    refused(STORE, newer, "copy", path, tmp_path / "copied.db")
    assert server.spawn().ended() == STORE and "schema 99" in server.log()
    assert path.read_bytes() == before and names(tmp_path) == ["server0"]


def test_a_copy_is_a_store_of_its_own(make_server, tmp_path):
    server = make_server(sections=SECTIONS).start()
    with Api(server.at) as api:
        held = api.take("busy", ttl_s=600)
    other = make_server(sections=SECTIONS)
    refused(IN_USE, f"process {server.pid}", "copy", server.store, other.store)
    assert names(other.directory) == ["lockserver.conf"]
    server.stop()
    for pair in (("memory", other.store), (server.store, "memory")):
        refused(USAGE, ["memory", "only the server's process"], "copy", *pair)
    refused(USAGE, "itself", "copy", server.store, server.store)
    refused(STORE, "nothing.db", "copy", tmp_path / "nothing.db", other.store)
    refused(CANNOT_CREATE, "nowhere", "copy", server.store, tmp_path / "nowhere" / "lockserver.db")
    source = file_of(server)
    before = source.read_bytes()
    link = tmp_path / "link.db"
    link.symlink_to(source)
    refused(USAGE, "is", "copy", server.store, link)
    assert "1 ticket (1 holds, 0 wait)" in good("copy", server.store, other.store)
    assert source.read_bytes() == before, "the source is not written"
    refused(CANNOT_CREATE, "is not empty", "copy", server.store, other.store)
    other.start()
    with Api(other.at) as api:
        api.ok("POST", f"/v1/tickets/{held['id']}/renew")
        assert api.take("busy")["token"] > 1_700_000_000_000_000
        api.release(held)


def test_the_store_is_found_as_the_server_finds_it(make_server, tmp_path):
    server = make_server(store=None)
    config = tmp_path / "lockserver.conf"
    config.write_text(f"[general]\nSTORE=sqlite:{tmp_path}/in-file.db\n")
    state = tmp_path / "state"
    state.mkdir()
    for found, arguments, env in (
            (tmp_path / "in-file.db", ["--config", config], {}),
            (tmp_path / "in-environment.db", ["--config", config],
             {"LOCKSERVER_STORE": f"sqlite:{tmp_path}/in-environment.db"}),
            (state / "lockserver.db", ["--config", server.config_path], {"STATE_DIRECTORY": str(state)}),
            (tmp_path / "in-flag.db", ["--config", config, "--store", f"sqlite:{tmp_path}/in-flag.db"], {}),
            (tmp_path / "named.db", ["--config", config, tmp_path / "named.db"], {})):
        refused(STORE, found, "check", *arguments, env=env)
    (tmp_path / "bad.conf").write_text("[general]\nPORT=seventy\n")
    refused(CONFIG, ["seventy", "--store sqlite:PATH"], "check", "--config", tmp_path / "bad.conf")
    (tmp_path / "memory.conf").write_text("[general]\nSTORE=memory\n")
    for what in (["check"], ["dump"], ["backup", tmp_path / "a.db"], ["restore", tmp_path / "a.db"]):
        refused(USAGE, "memory", *what, "--config", tmp_path / "memory.conf")


def test_a_dump_shows_who_holds_and_who_waits_and_no_secret(make_server, tmp_path):
    server = make_server(sections=SECTIONS).start()
    with Api(server.at) as api:
        held = [api.take("busy", info="one", request_id=f"0123456789abcdef{n}") for n in range(SIZE)]
        low = api.ok("POST", "/v1/locks/busy/tickets", {"queue": True}, 202)
        high = api.ok("POST", "/v1/locks/busy/tickets", {"queue": True, "priority": 5}, 202)
    server.stop()
    # As an earlier release has stored it.
    with sqlite3.connect(file_of(server)) as database:
        database.execute("UPDATE tickets SET info = ? WHERE info = 'one'", ("one\x1b[31m\nline",))
    database.close()
    plain, full = good("dump", "--json", file_of(server)), dump(file_of(server))
    for text in (plain, good("dump", file_of(server))):
        assert not [one for one in (*held, low, high) if one["id"] in text] and "0123456789abcdef" not in text
    assert held[0]["id"] in good("dump", "--with-ids", file_of(server))
    assert "\x1b" not in good("dump", file_of(server))
    short = json.loads(plain)
    assert short["version"] == full["version"] == 2 and full["with_ids"] and not short["with_ids"]
    (lock,) = [lock for lock in full["locks"] if lock["name"] == "busy"]
    assert [ticket["id"] for ticket in lock["holders"]] == [ticket["id"] for ticket in held]
    assert [ticket["id"] for ticket in lock["queue"]] == [high["id"], low["id"]]
    assert [ticket["slots"] for ticket in lock["holders"]] == [[[0, 0]], [[1, 1]], [[2, 2]]]
    for ticket in [ticket for lock in full["locks"] for kind in ("holders", "queue", "ended") for ticket in lock[kind]]:
        del ticket["id"], ticket["request"]
    assert short["locks"] == full["locks"], "ids are all that is left out"

    # `dump | head` is no failure.
    with subprocess.Popen([binary(), "store", "dump", file_of(server)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert (process.wait(30), process.stderr.read()) == (0, b"")


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("schema-*.sql")), ids=lambda path: path.stem)
def test_a_server_goes_on_with_a_store_of_every_release(make_server, path):
    server = make_server(sections="[lock san-ssh]\nSLOTS=port-a, port-b, port-c\n[lock state]\nSIZE=1\n[lock deploy-*]\nSIZE=2\n")
    database = sqlite3.connect(file_of(server))
    database.executescript(path.read_text())
    database.close()
    # iterdump loses the flag of the write-ahead mode, as a backup does.
    before = tickets(dump(file_of(server)))
    server.start()
    with Api(server.at) as api:
        held = [ticket for ticket in before.values() if ticket["state"] == "held" and ticket["lease"] != "never"]
        assert len(held) > 3
        for ticket in held:
            assert api.ok("POST", f"/v1/tickets/{ticket['id']}/renew")["number"] == ticket["number"]
        waiting = [ticket for ticket in before.values() if ticket["state"] == "queued" and ticket["lock"] == "san-ssh"]
        first = max(waiting, key=lambda ticket: ticket["priority"])
        api.release([ticket for ticket in held if ticket["lock"] == "san-ssh"][0])
        # A waiter is dormant until it calls, which is now.
        assert api.ok("GET", f"/v1/tickets/{first['id']}?wait_s=5")["state"] == "held"
        # The permit of the revoked ticket is withheld still.
        assert api.ok("GET", "/v1/locks/san-ssh")["withheld"]
    server.stop()
    good("check", file_of(server))


@pytest.mark.root
def test_root_leaves_the_files_to_the_user_of_the_server(as_root, monkeypatch):
    # Where another user may go, and finds a program that it may run.
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        place.chmod(0o755)
        monkeypatch.setenv("LOCKSERVER_BIN", shutil.copy(binary(), place))
        leaves_the_files(place)


def leaves_the_files(place):
    directory = place / "state"
    directory.mkdir()
    try:
        os.chown(directory, NOBODY, NOBODY)
        owner = NOBODY
    except OSError:
        owner = 0  # a namespace with one user: there is no other to give it to

    def become():
        if owner:
            os.setgroups([])
            os.setgid(owner)
            os.setuid(owner)

    def owners():
        return {path.name: (path.stat().st_uid, path.stat().st_gid) for path in directory.iterdir()}

    server = Server(directory, sections=SECTIONS, preexec=become)
    server.config_path.chmod(0o644)
    saved = place / "saved.db"
    try:
        server.start()
        with Api(server.at) as api:
            held = api.take("spare", ttl_s=600)
        good("backup", "--store", server.store, saved)
        good("check", file_of(server))
        server.kill()
        good("backup", "--force", "--store", server.store, saved)
        good("dump", file_of(server))
        for name in ("lockserver.db-wal", "lockserver.db-shm"):
            (directory / name).unlink(missing_ok=True)
        good("restore", "--force", "--store", server.store, saved)
        good("check", file_of(server))
        mine = {name: found for name, found in owners().items() if name.startswith("lockserver.db")}
        assert set(mine.values()) == {(owner, owner)}, mine
        server.start()
        with Api(server.at) as api:
            assert api.ok("GET", f"/v1/tickets/{held['id']}")["state"] == "held"
        server.stop()
        # Into an empty directory, where even the lock file is made.
        for path in directory.glob("lockserver.db*"):
            path.unlink()
        good("restore", "--store", server.store, saved)
        copied = directory / "copied.db"
        good("copy", server.store, copied)
        mine = {name: found for name, found in owners().items() if ".db" in name}
        assert set(mine.values()) == {(owner, owner)} and "lockserver.db.lock" in mine, mine
        server.start()
        server.stop()
    finally:
        if server.process and server.process.poll() is None:
            server.kill()
    server.check_log()
