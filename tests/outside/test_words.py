"""Words that nobody can read take neither the work nor its exit status along; a result that nobody can read is an error."""

import os
import signal
import subprocess

import pytest

from harness.paths import binary
from harness.wait import until
from harness.wire import http

OK, USAGE, CANNOT_CREATE, STORE, CONFIG = 0, 64, 73, 74, 78


def run(*arguments, env=None, **options):
    """Run the program to its end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSERVER_")}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run([binary(), *map(str, arguments)], text=True, timeout=60, env={**clean, **(env or {})}, **options)


def closed_pipe():
    """The writing end of a pipe whose reader has gone away."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.fixture(params=["full disk", "closed pipe"])
def nowhere(request):
    """A descriptor that takes no word."""
    descriptor = os.open("/dev/full", os.O_WRONLY) if request.param == "full disk" else closed_pipe()
    yield descriptor
    os.close(descriptor)


def serves(address):
    """Whether somebody listens there."""
    try:
        return http(address, b"GET /readyz HTTP/1.0\r\n\r\n").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("arguments, code", [
    (["store", "check", "/nonexistent.db"], STORE),
    (["store", "backup", "--store", "sqlite:/nonexistent/a.db", "/nonexistent/b.db"], STORE),
    (["--config", "/nonexistent"], CONFIG),
    (["check-config", "--config", "/nonexistent"], CONFIG),
    (["man", "/dev/null/nowhere"], 70),
    (["--frobnicate"], USAGE),
])
def test_a_complaint_that_cannot_be_written_changes_no_exit_status(arguments, code, nowhere):
    assert run(*arguments).returncode == code
    assert run(*arguments, stderr=nowhere).returncode == code


@pytest.mark.parametrize("arguments", [
    ["key", "new", "ci"], ["completions", "bash"], ["--help"], ["--version"], ["store", "--help"], ["check-config"],
], ids=" ".join)
def test_a_result_that_cannot_be_written_is_an_error(arguments, tmp_path):
    env = {"STATE_DIRECTORY": str(tmp_path)}
    assert run(*arguments, env=env).returncode == OK
    with open("/dev/full", "w", encoding="ascii") as full:
        done = run(*arguments, env=env, stdout=full)
    assert done.returncode == CANNOT_CREATE and "No space left" in done.stderr, done.stderr
    done = run(*arguments, env=env, stdout=None, preexec_fn=lambda: os.close(1))
    assert done.returncode == CANNOT_CREATE and "Bad file descriptor" in done.stderr, done.stderr


def test_a_secret_that_nobody_has_read_is_an_error_and_a_report_is_not():
    for arguments, code in ((["key", "new", "ci"], CANNOT_CREATE), (["completions", "bash"], OK)):
        writer = closed_pipe()
        done = run(*arguments, stdout=writer)
        os.close(writer)
        assert done.returncode == code, done.stderr
    assert "make another" in run("key", "new", "ci", stdout=open("/dev/full", "w", encoding="ascii")).stderr


def test_a_server_serves_even_if_nobody_reads_its_words(make_server, connect, nowhere):
    server = make_server({"AUDIT_LOG": "/dev/full"})
    server.start()
    server.stop()
    process = subprocess.Popen(server.command(), stdin=subprocess.DEVNULL, stdout=nowhere, stderr=nowhere, cwd=server.directory)
    try:
        until(lambda: serves(server.at), 20, "the server serves")
        client = connect(server)
        client.release(client.take("x"))
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == OK


def test_a_reader_of_the_log_that_reads_no_more_stops_nobody(make_server, connect):
    server = make_server({"LOGLEVEL": "debug"})
    server.start()
    server.stop()
    process = subprocess.Popen(server.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               cwd=server.directory)
    try:
        until(lambda: serves(server.at), 20, "the server serves")
        client = connect(server)
        for _ in range(600):
            client.release(client.take("x"))
        # More than a pipe takes; what comes after it is read says how much is missing.
        head = os.read(process.stderr.fileno(), 1 << 20)
        client.release(client.take("x"))
        rest = os.read(process.stderr.fileno(), 1 << 20)
        assert b"lines of the log were lost: standard error has no reader" in head + rest, rest[:500]
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[1]
        assert process.returncode == OK, said


def test_the_url_of_a_key_can_be_used():
    said = run("key", "new", "team/ci@site").stdout
    assert "(http://team%2Fci%40site:" in said and "[key team/ci@site]" in said


def test_an_empty_variable_is_as_unset(make_server):
    names = ["SERVER", "PORT", "STORE", "LOG_FILE", "LOGLEVEL", "LOG_FORMAT", "LONG_POLL", "MAX_WAITING", "AUDIT_LOG",
             "DEFAULT_LOCK", "DEFAULT_LOCK_SIZE", "TRUSTED_PROXIES", "ALLOWED_HOSTS", "ALLOWED_ORIGINS", "ON_DOUBT",
             "METRICS_PER_INSTANCE"]
    server = make_server({"LOG_FORMAT": "json", "LONG_POLL": 7})
    env = {f"LOCKSERVER_{name}": "" for name in names}
    for command in (["check-config"],):
        expected = run(*command, "--config", server.config_path)
        done = run(*command, "--config", server.config_path, env=env)
        assert expected.returncode == OK
        assert (done.returncode, done.stdout) == (expected.returncode, expected.stdout), done.stderr


def test_check_config_judges_the_audit_log_as_the_start_does(make_server, tmp_path):
    for place, good in ((tmp_path / "audit.log", True), ("journal", True), (tmp_path / "no" / "audit.log", False), (tmp_path, False)):
        server = make_server({"AUDIT_LOG": place})
        checked = run("check-config", "--config", server.config_path)
        assert checked.returncode == (OK if good else CONFIG), checked.stdout
        assert not (tmp_path / "audit.log").exists(), "a check makes nothing"
        if not good:
            assert "error: the audit log" in checked.stdout
            server.spawn()
            assert server.ended() == CONFIG


def test_a_reload_that_comes_before_the_server_listens_is_done_later(make_server):
    """From the first instruction of the program on. Before it, while it is loaded, it is the starter's affair."""
    server = make_server()
    for _ in range(10):
        server.spawn()
        blocked = lambda: f"SigBlk:\t{1:016x}" in open(f"/proc/{server.pid}/status", encoding="ascii").read()  # noqa: E731
        until(lambda: blocked() or server.out_path.read_text(), 20, "SIGHUP is held back, or the server ready")
        server.signal(signal.SIGHUP)
        server.wait_ready()
        until(lambda: "reloaded: " in server.err_path.read_text(), 20, "the reload")
        server.stop()
