"""lockctl where no server answers: its time is bounded, and a line says why."""

import contextlib
import socket

import pytest

from harness.ctl import run, timed

#: What somebody who looks, does not wait, or waits a second may have to bear, in seconds.
LOOKS, AT_ONCE, A_SECOND = 5, 5, 6


@contextlib.contextmanager
def refused():
    """A port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        # Bound and not listening: it stays ours, and connections are refused.
        yield f"http://127.0.0.1:{probe.getsockname()[1]}", "Connection refused"


@contextlib.contextmanager
def black_hole():
    """A port whose queue is full: what is sent there is dropped, as behind a firewall."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", "in time"


@contextlib.contextmanager
def silent():
    """A server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", "no answer in time"


@contextlib.contextmanager
def no_such_host():
    """A name that nobody has (RFC 6761)."""
    yield "http://lockserver.invalid:9090", "resolution|not known|lookup|No address"


@contextlib.contextmanager
def no_socket():
    """A Unix socket that is not there."""
    yield "unix:/nonexistent/admin.sock", "no server has made this socket"


NOBODY = [refused, black_hole, silent, no_such_host, no_socket]


@pytest.mark.parametrize("nobody", NOBODY, ids=lambda one: one.__name__)
def test_the_time_without_a_server_is_bounded_and_said(nobody):
    import re
    with nobody() as (address, why):
        cases = [
            (("status",), LOOKS), (("status", "a"), LOOKS), (("watch",), LOOKS), (("verify", "a", "1"), LOOKS),
            (("pause", "a"), LOOKS), (("release", "x"), LOOKS),
            (("run", "-n", "a", "--", "echo", "work"), AT_ONCE), (("acquire", "-n", "a"), AT_ONCE),
            (("run", "-w", "1", "a", "--", "echo", "work"), A_SECOND),
            (("run", "--connect-timeout", "2", "a", "--", "echo", "work"), AT_ONCE),
        ]
        for words, within in cases:
            done, took = timed(address, *words)
            assert done.returncode == 69, (words, done)
            assert took < within, (words, took, done.stderr)
            assert "work" not in done.stdout
            assert address in done.stderr.splitlines()[-1] and re.search(why, done.stderr), (words, done.stderr)


def test_who_waits_is_told_after_a_second(request):
    # Pauses grow to 1.6 s: whatever the dice say, with 4 s in all a pause or a try is under way after the first second.
    for nobody in (refused, silent):
        with nobody() as (address, _):
            done = run(address, "run", "a", "--", "true", env={"LOCK_CONNECT_TIMEOUT": "4"})
            first, *rest = done.stderr.splitlines()
            assert first.startswith(f"lockctl: {address} does not answer") and "trying for 3 s" in first, done.stderr
            assert len(rest) == 1, "once, and the end"
            assert ("Connection refused" in first) == (nobody is refused)
            # A program that wants JSON has one object.
            done = run(address, "--json", "run", "a", "--", "true", env={"LOCK_CONNECT_TIMEOUT": "4"})
            assert done.stderr.count("\n") == 1 and '"no_server"' in done.stderr


def test_a_wait_is_not_made_longer_by_a_server_that_goes(server):
    """The place is ours; then nobody answers any more."""
    import signal
    import subprocess

    from harness.ctl import environment
    from harness.paths import lockctl
    from harness.wait import until
    assert run(server, "acquire", "DefaultLock").returncode == 0
    waiter = subprocess.Popen([lockctl(), "run", "-w", "2", "DefaultLock", "--", "echo", "work"], env=environment(server),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: "1 queued" in run(server, "status", "DefaultLock").stdout, 20, "it waits")
    server.signal(signal.SIGSTOP)
    try:
        out, said = waiter.communicate(timeout=20)
    finally:
        server.signal(signal.SIGCONT)
    assert waiter.returncode in (69, 75) and out == "", said
