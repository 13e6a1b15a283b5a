"""Fixtures: the real server as a process, by the harness of tests/outside, and clients of it."""

from __future__ import annotations

import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, Callable

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "outside"))

from harness.server import Server  # noqa: E402
from harness.wait import until  # noqa: E402
from lockserver_client import AsyncHeld, Client, Held  # noqa: E402

#: Generous: the machine may be busy with other things.
SOON_S = 60.0
MakeServer = Callable[..., "Running"]


class Running:
    """A server that runs, and an administrator of it."""

    def __init__(self, server: Any) -> None:
        self.process = server
        self.url = f"http://{server.address}:{server.port}"
        self.rpc = str(server.url)
        self.admin = Client(f"unix:{server.directory}/admin.sock")

    def kill(self) -> None:
        """Kill it with -9."""
        self.process.kill()

    def start(self) -> None:
        """Start again, with the same port and store."""
        self.process.start()

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        self.process.signal(number)

    def queued(self, lock: str = "DefaultLock") -> int:
        """How many wait."""
        return self.admin.lock(lock).queued

    def wait_queued(self, count: int, lock: str = "DefaultLock") -> None:
        """Wait until so many wait, each in a request of its own: no lease runs then."""

        def all_wait() -> bool:
            queue = self.admin.lock(lock).queue
            return len(queue) == count and all(ticket.expires_in_s is None for ticket in queue)

        wait_until(all_wait, f"{count} waiters")

    def holding(self, lock: str = "DefaultLock") -> int:
        """How many hold."""
        return self.admin.lock(lock).holding

    def idle(self, lock: str = "DefaultLock") -> bool:
        """Whether there is no live ticket."""
        now = self.admin.lock(lock)
        return now.holding == now.queued == 0


@pytest.fixture
def make_server() -> Iterator[MakeServer]:
    """Make servers. At the end each must stop in order, without a panic in its log."""
    # The path of a Unix socket must be short.
    home = pathlib.Path(tempfile.mkdtemp(prefix="lock"))
    servers: list[Any] = []

    def make(config: dict[str, object] | None = None, sections: str = "") -> Running:
        directory = home / str(len(servers))
        directory.mkdir()
        servers.append(Server(directory, config, sections))
        return Running(servers[-1].start())

    yield make
    for server in servers:
        server.stop()
        server.check_log()
    shutil.rmtree(home)


@pytest.fixture
def server(make_server: MakeServer) -> Running:
    """A server with DefaultLock of size 1, `two` of size 2 and `five` of size 5."""
    return make_server(sections="[lock two]\nSIZE=2\n[lock five]\nSIZE=5\n[lock ports]\nSLOTS=port-a, port-b\n")


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    """A client of it."""
    with Client(server.url) as client:
        yield client


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Poll until it is true, and return that."""
    return until(condition, SOON_S, what)


def silence(held: Held | AsyncHeld) -> None:
    """From now on it is not renewed any more, as if its network were gone."""
    setattr(held._lease, "is_due", lambda: False)  # noqa: B010


class Script:
    """A Python program of a test, with what it prints."""

    def __init__(self, code: str, *arguments: str, cwd: pathlib.Path | None = None, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-W", "error::SyntaxWarning", "-c", code, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=env,
        )

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self, seconds: float = SOON_S, answer: str | None = None) -> tuple[int, str, str]:
        """Its exit status and all that it still wrote, once it was given this."""
        out, err = self.process.communicate(answer, timeout=seconds)
        return self.process.returncode, out, err


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    """Start programs; what still runs at the end is killed."""
    scripts: list[Script] = []

    def start(*arguments: Any, **options: Any) -> Script:
        scripts.append(Script(*arguments, **options))
        return scripts[-1]

    yield start
    for one in scripts:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        for pipe in (one.process.stdout, one.process.stderr):
            if pipe is not None:
                pipe.close()


def raise_file_limit() -> None:
    """As many open files as are allowed; 1,500 waiting tasks need one each."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert hard == resource.RLIM_INFINITY or hard >= 8000, f"this needs 8,000 open files, and the hard limit is {hard}"
