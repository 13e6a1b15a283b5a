"""A disk without room: the answers say so, nobody is told a lie, and it recovers by itself."""

import resource
import subprocess

import pytest

from harness.wait import until
from harness.wire import BUSY, http, get

NOT_NOW = [True, False]


class SmallDisk:
    """A file system of a few megabytes that can be filled to the last byte."""

    def __init__(self, path):
        self.path, self.filler = path, path / "filler"

    def __enter__(self):
        self.path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(self.path)], check=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)

    def fill(self):
        with open(self.filler, "ab", buffering=0) as filler:
            for size in (65536, 4096, 1):
                try:
                    while filler.write(b"x" * size):
                        pass
                except OSError:
                    pass

    def make_room(self):
        self.filler.unlink()


@pytest.mark.root
@pytest.mark.timeout(300)
def test_it_says_so_and_recovers(as_root, make_server, connect, tmp_path):
    with SmallDisk(tmp_path / "disk") as disk:
        server = make_server({"DEFAULT_LOCK_SIZE": 2}, store=f"sqlite:{disk.path}/lockserver.db").start()
        asker = connect(server, timeout=60)
        held = [asker.take(f"holder {i}") for i in range(2)]
        queued = [asker.query(f"waiter {i}") for i in range(3)]
        disk.fill()

        # What the store has already reserved takes some more; then each answer is the one for 'not now'.
        acknowledged = []
        for _ in range(20_000):
            done, value = asker.call("query_lock", "DefaultLock", "x" * 1000)
            if not done:
                break
            acknowledged.append(value)
        assert [done, value] == BUSY
        for _ in range(3):
            disk.fill()
            assert asker.call("query_lock", "DefaultLock", "full") == BUSY
        assert asker.call("release_lock", "DefaultLock", held[0]) in (BUSY, [True, True])
        waiter = connect(server, timeout=60).wait(queued[0])
        assert waiter.answer() in (NOT_NOW, [True, True])
        assert http(server.at, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").status in (200, 503)
        assert server.process.poll() is None

        disk.make_room()
        until(lambda: asker.call("query_lock", "DefaultLock", "room")[0], 15, "recovery")
        # Nothing that was acknowledged is lost: the second holder holds, the waiters come in their order.
        assert asker.get(held[1]) is True
        asker.release(held[0])
        for ticket in queued:
            assert asker.get(ticket) is True
            assert asker.release(ticket)
        assert asker.release(held[1])
        for ticket in acknowledged[:20]:
            until(lambda: asker.get(ticket), 60, "a ticket that was acknowledged while the disk was filling")
            assert asker.release(ticket)
        assert get(server.at).status == 200
        server.stop()


@pytest.mark.root
@pytest.mark.timeout(300)
def test_a_server_that_is_killed_on_a_full_disk_starts_and_says_so(as_root, make_server, connect, tmp_path):
    with SmallDisk(tmp_path / "disk") as disk:
        server = make_server({"DEFAULT_LOCK_SIZE": 2}, store=f"sqlite:{disk.path}/lockserver.db").start()
        asker = connect(server, timeout=60)
        held = asker.take("holder")
        disk.fill()
        while asker.call("query_lock", "DefaultLock", "x" * 1000)[0]:
            pass
        disk.fill()
        server.restart()
        assert get(server.at, "/readyz").status == 503 and b"no space left" in get(server.at, "/readyz").body
        assert get(server.at, "/healthz").status == 200
        asker = connect(server, timeout=60)
        assert asker.call("query_lock", "DefaultLock", "full") == BUSY
        disk.make_room()
        until(lambda: get(server.at, "/readyz").status == 200, 15, "recovery")
        assert asker.get(held) is True
        assert asker.release(held)
        server.stop()


def test_a_file_size_limit_is_like_a_full_disk(make_server, connect):
    """`ulimit -f`, or LimitFSIZE= of systemd: an answer, and not the signal that ends a process."""
    limit = 200_000
    server = make_server(preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))).start()
    asker = connect(server, timeout=60)
    answers = (asker.call("query_lock", "DefaultLock", "x" * 3000) for _ in range(1000))
    assert next(value for done, value in answers if not done) == BUSY[1]
    assert http(server.at, b"GET /healthz HTTP/1.0\r\n\r\n").status == 200
