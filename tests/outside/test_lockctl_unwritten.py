"""Words that cannot be written: they take neither the work nor the hold nor the exit status with them. What was asked for does."""

import json
import os
import signal
import subprocess

import pytest

from harness.ctl import environment, run
from harness.paths import lockctl
from harness.wait import until


def held(server):
    return json.loads(run(server, "--json", "status", "DefaultLock").stdout)["in_use"]


@pytest.fixture(params=["full", "gone", "nobody reads"])
def no_room(request):
    """A descriptor to which nothing can be written: a full disk, a pipe whose reader is gone, one whose reader reads no more."""
    if request.param == "full":
        ends = [os.open("/dev/full", os.O_WRONLY)]
    else:
        reader, writer = os.pipe()
        ends = [writer, reader]
        if request.param == "gone":
            os.close(ends.pop())
        else:
            os.set_blocking(writer, False)
            try:
                while True:
                    os.write(writer, b"x" * 4096)
            except BlockingIOError:
                os.set_blocking(writer, True)
    yield ends[0]
    for end in ends:
        os.close(end)


def test_words_for_people_cost_nothing(server, no_room, tmp_path):
    done = tmp_path / "done"
    # Longer than its lease: it is renewed meanwhile, whatever it could not say before.
    job = f"sleep 5; echo >{done}; exit 7"
    words = ("run", "-v", "--ttl", "3", "--kill-after", "0", "DefaultLock", "--", "sh", "-c", job)
    assert run(server, *words, stderr=no_room).returncode == 7
    assert done.exists() and held(server) == 0
    assert run(server, "run", "DefaultLock", "--", "sh", "-c", "exit 5", stdout=no_room, stderr=no_room).returncode == 5
    # Refusals have their status.
    for words, status in [(("run", "nowhere", "--", "true"), 78), (("status", "nowhere"), 78), (("frob",), 64),
                          (("verify", "DefaultLock", "987654321"), 76), (("resize", "DefaultLock", "3"), 77),
                          (("--json", "run", "nowhere", "--", "true"), 78)]:
        if words == ("frob",) and not _writes_at_once(no_room):
            continue
        assert run(server, *words, stderr=no_room).returncode == status, words


def _writes_at_once(descriptor):
    """Whether a write to it ends at all."""
    import select
    return bool(select.select([], [descriptor], [], 0)[1])


def test_what_it_lost_while_it_cannot_speak_still_ends_the_command(server, no_room, tmp_path):
    began = tmp_path / "began"
    process = subprocess.Popen(
        [lockctl(), "run", "-v", "--ttl", "6", "--kill-after", "1", "DefaultLock", "--", "sh", "-c", f"echo $$ >{began}; exec sleep 600"],
        env=environment(server), stderr=no_room, stdin=subprocess.DEVNULL)
    until(lambda: began.exists() and began.read_text().endswith("\n"), 20, "it works")
    server.signal(signal.SIGSTOP)
    try:
        assert process.wait(30) == 76
    finally:
        server.signal(signal.SIGCONT)
    assert not os.path.exists(f"/proc/{began.read_text().strip()}")


@pytest.mark.parametrize("words", [
    ("status",), ("status", "DefaultLock"), ("status", "--server-itself"), ("--json", "status"), ("completions", "bash"), ("--help",),
    ("run", "--help"), ("--version",), ("acquire", "DefaultLock"), ("--json", "acquire", "DefaultLock"),
], ids=" ".join)
def test_what_was_asked_for_is_a_failure(server, words):
    with open("/dev/full", "w") as full:
        done = run(server, *words, stdout=full)
    assert done.returncode == 71 and "standard output cannot be written: No space left" in done.stderr, done
    reader, writer = os.pipe()
    os.close(reader)
    done = run(server, *words, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, ""), "as any command whose reader is gone"
    done = run(server, *words, stdout=None, preexec_fn=lambda: os.close(1))
    assert done.returncode == 71 and "standard output cannot be written: Bad file descriptor" in done.stderr, done
    assert held(server) == 0, "nobody could have released it"


def test_manual_pages_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    done = run(None, "man", str(tmp_path / "file"))
    assert done.returncode == 71 and "file" in done.stderr


def test_a_change_is_done_without_a_reader(server):
    ticket = json.loads(run(server, "--json", "acquire", "DefaultLock").stdout)["id"]
    with open("/dev/full", "w") as full:
        assert run(server, "renew", ticket, stdout=full).returncode == 0
        assert run(server, "release", ticket, stdout=full).returncode == 0
        assert run(server, "--json", "release", ticket, stdout=full).returncode == 71, "a program that wants to read it"
    assert held(server) == 0
