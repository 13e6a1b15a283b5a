"""Starting: what is refused, with which exit code and words; sockets handed over; check-config."""

import os
import socket
import subprocess

import pytest

from harness.paths import binary
from harness.wire import Connection, call_body, request

USAGE, STORE, CONFIG = 64, 74, 78
BAD = """\
[general]
SERVER=127.0.0.1
PORT=seventy
DEFAULT_LOCK_SIZE=-3

[lock san]
SIZE=many
SIEZ=7
"""


def run(*arguments, **options):
    """Run the program to its end."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSERVER_")}
    command = [binary(), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=env, **options)


@pytest.fixture
def bad(tmp_path):
    """A configuration file with four mistakes."""
    path = tmp_path / "bad.conf"
    path.write_text(BAD)
    return path


@pytest.mark.parametrize("command", [[], ["check-config"]], ids=["start", "check-config"])
def test_all_mistakes_of_a_bad_file_are_told_at_once(bad, command):
    done = run(*command, "--config", bad, *([] if command else ["--store", "memory"]))
    said = done.stdout + done.stderr
    assert done.returncode == CONFIG, said
    for word in ("PORT", "seventy", "DEFAULT_LOCK_SIZE", "-3", "many", "SIEZ", "SIZE", str(bad)):
        assert word in said, f"{word!r} is not in:\n{said}"
    assert "panicked" not in said and "ready" not in done.stdout


def test_a_good_file_is_checked_without_starting(make_server):
    server = make_server(sections="[lock san]\nSIZE=7\n")
    done = run("check-config", "--config", server.config_path)
    assert done.returncode == 0, done.stderr
    assert not (server.directory / "lockserver.db").exists()


def test_a_strict_check_fails_on_warnings(tmp_path):
    path = tmp_path / "lockserver.conf"
    path.write_text("[general]\nSERVER=127.0.0.1\nSERVR=0.0.0.0\n")
    words = ("check-config", "--config", path)
    assert run(*words).returncode == 0
    strict = run(*words, "--strict")
    assert strict.returncode == CONFIG
    assert "did you mean SERVER?" in strict.stdout and "\n# --strict: a warning counts as an error\n" in strict.stdout
    path.write_text("[general]\nSERVER=127.0.0.1\n")
    good = run(*words, "--strict")
    assert good.returncode == 0 and good.stdout == run(*words).stdout


@pytest.mark.parametrize("level", ["warn", "error"])
def test_a_log_that_hides_much_says_so(make_server, level):
    server = make_server({"LOGLEVEL": level}).start()
    server.stop()
    (line,) = server.log().splitlines()
    name = {"warn": "warning"}.get(level, level)
    assert line.startswith(f"[{name.upper()}] ") and f"LOGLEVEL={name}: this log does not say who pauses" in line


def test_a_file_that_is_not_there(tmp_path):
    done = run("--config", tmp_path / "nothing.conf", "--store", "memory")
    assert done.returncode == CONFIG and "nothing.conf" in done.stderr


@pytest.mark.parametrize("arguments", [["--frobnicate"], ["no-such-command"], ["--port", "seventy"]])
def test_wrong_usage(arguments):
    done = run(*arguments)
    assert done.returncode == USAGE, done.stderr
    assert arguments[-1] in done.stderr


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version(flag):
    done = run(flag)
    assert done.returncode == 0 and "lockserver" in done.stdout


def test_a_port_that_is_taken(make_server):
    server = make_server()
    with socket.create_server((server.address, 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--config", server.config_path, "--port", port, "--store", "memory")
    assert done.returncode not in (0, CONFIG, USAGE), done.stderr
    assert str(port) in done.stderr and "in use" in done.stderr and "panicked" not in done.stderr


def test_a_second_server_on_the_same_store(server):
    done = run("--config", server.config_path, "--port", 0, "--store", server.store)
    assert done.returncode != 0 and "ready" not in done.stdout
    assert "lockserver.db" in done.stderr and "panicked" not in done.stderr
    with Connection(server.at) as connection:
        assert connection.release(connection.take("the first one serves on"))


def test_a_store_that_cannot_be_used_is_no_reason_for_memory(make_server, tmp_path):
    server = make_server()
    (tmp_path / "garbage.db").write_bytes(b"this is no database" * 1000)
    for place in (tmp_path / "garbage.db" / "below-a-file" / "x.db", tmp_path / "garbage.db"):
        done = run("--config", server.config_path, "--port", 0, "--store", f"sqlite:{place}")
        assert done.returncode == STORE and "garbage.db" in done.stderr and "panicked" not in done.stderr


def test_a_store_in_etcd_names_its_members(make_server):
    done = run("--config", make_server().config_path, "--port", 0, "--store", "etcd:127.0.0.1:2379")
    assert done.returncode == CONFIG and "is not a member of etcd" in done.stderr


def test_a_log_file_that_cannot_be_opened_is_one_warning(make_server):
    server = make_server({"LOG_FILE": "/dev/null/nowhere.log"}).start()
    assert server.log().count("nowhere.log") == 1
    with Connection(server.at) as connection:
        assert connection.release(connection.take())


def test_a_socket_handed_over_is_taken_with_all_who_wait_in_it(make_server):
    """LISTEN_FDS, as systemd does it: connections made before the server runs are served when it does."""
    server = make_server()
    with socket.create_server((server.address, 0)) as listening:
        early = Connection(listening.getsockname())
        early.send(request(call_body("query_lock", "DefaultLock", "early")))
        # The pid of the server is only known in the child itself.
        shell = 'fd=$1; shift; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@" 3<&$fd'
        command = ["bash", "-c", shell, "sh", str(listening.fileno()), *server.command()]
        server.spawn(command, pass_fds=[listening.fileno()]).wait_ready()
        assert server.at == listening.getsockname()
    with early:
        done, ticket = early.answer()
        assert done is True
        assert early.get(ticket) and early.release(ticket)


def test_the_environment_overrides_the_file(make_server):
    kubernetes = {"LOCKSERVER_PORT": "tcp://192.0.2.1:9090"}
    server = make_server(env={"LOCKSERVER_DEFAULT_LOCK": "FromOutside", **kubernetes}).start()
    with Connection(server.at) as connection:
        assert connection.release(connection.take(lock="FromOutside"), lock="FromOutside")
        assert connection.call("query_lock", "DefaultLock", "") == [False, "lock does not exist"]


def test_check_config_into_a_closed_pipe(tmp_path):
    """`check-config | head` is no crash: the exit code is still the answer."""
    many = tmp_path / "many.conf"
    many.write_text("".join(f"[lock l{number}]\n" for number in range(5000)))
    command = [binary(), "--config", str(many), "check-config"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert (process.wait(30), process.stderr.read()) == (0, b"")
