"""The published client of 0.36, unchanged, in processes of its own, on 0.36's own configuration files."""

import json
import statistics

import pytest

from harness import judge
from harness.published import clients, old_config
from harness.server import READY
from harness.wire import Connection, statistics as counters

# What 0.36's documentation sets for its example.
EXAMPLE = """\
[general]
# set to localhost if you do not want access from outside this server
SERVER=0.0.0.0
# the port where it will listen
PORT=9090
LOG_FILE={log}
LOGLEVEL=debug
LIFECYCLE_PERIOD=1
DEFAULT_LOCK=DefaultLock
DEFAULT_LOCK_SIZE=6
DEFAULT_LOCK_GRACE_TIME=10
DEFAULT_LOCK_EXPIRATION_TIME=1200
DEFAULT_LOCK_MAX_LOCK_TIME=1200
"""

each_client = pytest.mark.parametrize("client", list(clients()))


def run_example(server, run_client, client, lock):
    """Run the example's application and look at all it says."""
    python, env = clients()[client]
    app = run_client("readme_app.py", server.url, lock, python=python, env=env)
    assert app.finish() == ["lock queried", "lock acquired", "lock released"]
    seen = counters(server.at, lock)
    assert (seen["Query locks"], seen["Locks got"], seen["Locks released"]) == (1, 1, 1)


@each_client
def test_the_example_of_the_readme(make_server, run_client, client):
    server = make_server()
    server.config_path.write_text(EXAMPLE.format(log=server.directory / "lockserver.log"))
    server.start()
    run_example(server, run_client, client, "DefaultLock")
    assert "[INFO] " in (server.directory / "lockserver.log").read_text()


@each_client
def test_the_configuration_file_of_the_archive(make_server, run_client, client):
    # The file itself is used as it is; only where it logs and listens is said from outside.
    server = make_server(env={"LOCKSERVER_LOG_FILE": "lockserver.log"})
    server.config_path = old_config()
    server.start()
    run_example(server, run_client, client, "EqlLogic")


@pytest.mark.alone
@each_client
def test_a_free_lock_is_had_at_once(make_server, run_client, client, report):
    server = make_server().start()
    python, env = clients()[client]
    app = run_client("timed.py", server.url, "DefaultLock", 21, python=python, env=env)
    median = statistics.median(map(float, app.finish(60)))
    report(f"{client}: ask + wait + release of a free lock: {median * 1000:.2f} ms (0.36: 1020 ms; aim: under 20)")
    # Loose, for busy machines; 0.36 needs a whole second.
    assert median < 0.5


@pytest.mark.alone
@each_client
def test_twelve_jobs_through_a_lock_of_two(make_server, run_client, client, report):
    server = make_server({"DEFAULT_LOCK_SIZE": 2}).start()
    python, env = clients()[client]
    apps = [run_client("job.py", server.url, "DefaultLock", 0.2, python=python, env=env) for _ in range(12)]
    for app in apps:
        app.expect("ready")
    # One after another, so that it is known who came first.
    for app in apps:
        app.say("go")
        app.expect("queried")
    seen = [json.loads(app.line()) for app in apps]
    for app in apps:
        app.finish()
    total = max(one["done"] for one in seen) - min(one["asked"] for one in seen)
    report(f"{client}: 12 jobs of 0.2 s through a lock of 2: {total:.2f} s (0.36: 7.6 s; ideal 1.2; aim: under 1.6)")
    judge.check([judge.Job(str(i), s["asked"], s["queried"], s["got"], s["left"]) for i, s in enumerate(seen)], 2)
    assert total < 3


def test_the_ready_line_is_all_that_is_printed(server):
    assert READY.fullmatch(server.out_path.read_text().strip())
    with Connection(server.at) as connection:
        assert connection.release(connection.take())
