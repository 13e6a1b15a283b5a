"""Fixtures of the tests from outside: servers that are stopped and judged, and clients in processes of their own."""

import os
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import packages  # noqa: E402
from harness.api import Api  # noqa: E402
from harness.debian import Debian  # noqa: E402
from harness.etcd import Etcd  # noqa: E402
from harness.manager import Service  # noqa: E402
from harness.script import Script  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.wire import Connection  # noqa: E402


@pytest.fixture
def make_server(tmp_path):
    """Make servers, each in a directory of its own; at the end each must stop cleanly, without a panic in its log."""
    servers = []

    def make(config=None, sections="", of=Server, **options):
        directory = tmp_path / f"server{len(servers)}"
        directory.mkdir()
        server = of(directory, config, sections, **options)
        servers.append(server)
        return server

    yield make
    errors = []
    for server in servers:
        for judge in (server.stop, server.check_log):
            try:
                judge()
            except AssertionError as error:
                errors.append(str(error))
    assert not errors, "\n".join(errors)


@pytest.fixture
def make_service(make_server):
    """Make servers that are started as services, by a small service manager."""
    services = []

    def make(*arguments, **options):
        services.append(make_server(*arguments, of=Service, **options))
        return services[-1]

    yield make
    for service in services:
        service.stop()
        service.close()


@pytest.fixture
def server(make_server):
    """A server with DefaultLock of size 1, started."""
    return make_server().start()


@pytest.fixture
def etcd():
    """An etcd of one member, in memory where that can be: how long a disk takes is not what is tested here."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="lockserver-etcd-", dir=memory) as home:
        one = Etcd(pathlib.Path(home)).start()
        yield one
        one.close()


@pytest.fixture
def connect():
    """Open connections that are closed at the end."""
    connections = []

    def connect(server, **options):
        connection = Connection(server.at, **options)
        connections.append(connection)
        return connection

    yield connect
    for connection in connections:
        connection.close()


@pytest.fixture
def run_client():
    """Start scripts of tests/outside/clients as processes; what still runs at the end is killed."""
    scripts = []

    def run(*arguments, **options):
        scripts.append(Script(*arguments, **options))
        return scripts[-1]

    yield run
    for script in scripts:
        script.close()


@pytest.fixture
def report(record_property, capsys):
    """Print a measured number into the report of the run."""
    def tell(text):
        record_property("measured", text)
        with capsys.disabled():
            print(f"\n    measured: {text}")
    return tell


def pytest_terminal_summary(terminalreporter):
    """The measured numbers once more, together: workers of a parallel run cannot print."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.getreports(kind)]
    lines = [(one.nodeid, value) for one in reports for name, value in one.user_properties if name == "measured"]
    if lines:
        terminalreporter.section("measured")
        for node, value in lines:
            terminalreporter.write_line(f"{node}: {value}")


@pytest.fixture
def as_root():
    """Fail, and say how, where a test needs root for mounts or network namespaces."""
    if os.geteuid() != 0:
        pytest.fail("needs root for a mount or a network namespace: run it through scripts/as-root")


@pytest.fixture(scope="session")
def made():
    """The packages of the programs under test; the first who asks makes them."""
    return packages.built()


@pytest.fixture
def debian(as_root, made, tmp_path):
    """Make Debian systems that end with the test; the packages are in their /mnt."""
    systems = []

    def make(*more):
        systems.append(Debian(tmp_path / f"debian{len(systems)}", made, more))
        return systems[-1]

    yield make
    for system in systems:
        system.close()


@pytest.fixture
def look(server):
    """How a lock of the test's own server is."""
    with Api(server.at) as api:
        yield lambda name="deploy-web": api.ok("GET", f"/v1/locks/{name}")
