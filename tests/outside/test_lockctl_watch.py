"""`lockctl watch` against the real server: tickets for several locks, withheld permits, and a stream that goes on where it was."""

import json
import re
import subprocess

import pytest

from harness.api import Admin
from harness.ctl import environment, run
from harness.keys import NONE, ask, new_key
from harness.paths import lockctl
from harness.wait import until

SECTIONS = "[lock left]\nSIZE=1\n[lock right]\nSLOTS=r0, r1\nLOCK_DELAY=600\n"


class Watch:
    """A `lockctl watch` that writes into a file."""

    def __init__(self, at, path, *words, **more):
        self.path = path
        with path.open("w") as out:
            self.process = subprocess.Popen([lockctl(), *words], env=environment(at, **more), stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=subprocess.STDOUT)

    def lines(self, count):
        """The lines so far, when there are so many. The time at the beginning of each is left out."""
        def found():
            lines = self.path.read_text().splitlines(keepends=True)
            return len(lines) >= count and lines[-1].endswith("\n") and lines
        lines = until(found, 30, f"{count} lines: {self.path.read_text()}")
        assert len(lines) == count, lines
        return [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+  ", "", line).rstrip() for line in lines]

    def objects(self, count):
        """The same of `--json`."""
        return [json.loads(line) for line in self.lines(count)]

    def close(self):
        self.process.kill()
        self.process.wait(20)


@pytest.fixture
def watch(tmp_path):
    """Start them; at the end all are stopped."""
    started = []

    def start(at, *words, **more):
        started.append(Watch(at, tmp_path / f"watch{len(started)}", *words, **more))
        return started[-1]
    yield start
    for one in started:
        one.close()


def ready(server, streams, secret=None):
    """Wait until so many streams of events are open: what happens from now on they tell."""
    def are_open():
        status, text = ask(server, secret, "/metrics")
        assert status == 200, text
        return re.search(rf'(?m)^lockserver_event_streams {streams}$', text)
    until(are_open, 30, f"{streams} streams")


def test_a_ticket_for_several_locks(make_server, watch):
    server = make_server(sections=SECTIONS).start()
    every, right, objects = watch(server, "watch"), watch(server, "watch", "right"), watch(server, "watch", "--json", "left")
    ready(server, 3)
    done = run(server, "run", "--info", "both", "right=2", "left", "--", "true")
    assert done.returncode == 0, done
    told = every.lines(8)
    kinds = [line.split()[:2] for line in told]
    assert kinds == [[kind, lock] for kind in ("queued", "granted", "held", "ended") for lock in ("left", "right")]
    number = re.search(r"#\d+", told[0]).group()
    assert all(number in line and line.endswith("both") for line in told), told
    assert all(" released " in line for line in told[6:]), told
    # One lock is told of what concerns it, in the same words.
    assert right.lines(4) == told[1::2]
    events = objects.objects(4)
    assert {event["lock"] for event in events} == {"left"} and {f"#{event['number']}" for event in events} == {number}
    assert [event["kind"] for event in events] == ["queued", "granted", "held", "ended"]


def test_withheld_permits(make_server, watch):
    server = make_server(sections=SECTIONS).start()
    lines = watch(server, "watch", "right")
    ready(server, 1)
    with Admin(server) as admin:
        admin.ok("POST", "/v1/locks/right/withheld", {"slots": ["r1"], "reason": "no ping"})
        admin.ok("DELETE", "/v1/locks/right/withheld?slots=r1")
        held = admin.take("right")
        admin.ok("DELETE", f"/v1/locks/right/tickets/{held['number']}?reason=gone")
    told = lines.lines(7)
    assert re.fullmatch(r"permits_withheld right  1 permit \(r1\)  admin  by uid:\d+  no ping", told[0]), told
    assert re.fullmatch(r"permits_restored right  1 permit \(r1\)  admin  by uid:\d+  no ping", told[1]), told
    assert re.fullmatch(r"permits_withheld right  1 permit \(r0\)  lost_holder  revoked  until \S+ \S+ \S+  by uid:\d+  gone", told[6]), told


def test_a_key_that_sees_one_of_the_locks(make_server, watch):
    (maker, one), (watcher, two) = new_key("maker", LOCKS="*", RIGHTS="use, observe"), new_key("watcher", LOCKS="right", RIGHTS="observe")
    server = make_server(sections=NONE + one + two + SECTIONS).start()
    some = watch(server, "watch", LOCK_KEY=watcher)
    ready(server, 1, maker)
    assert run(server, "run", "left", "right", "--", "true", env={"LOCK_KEY": maker}).returncode == 0
    told = some.lines(4)
    assert [line.split()[:2] for line in told] == [[kind, "right"] for kind in ("queued", "granted", "held", "ended")]
    assert not any("left" in line for line in told), told
    refused = run(server, "watch", "left", env={"LOCK_KEY": watcher})
    assert refused.returncode == 77 and refused.stdout == "", refused


def test_it_goes_on_where_it_was(make_server, watch):
    (maker, one), (watcher, two), (_, other) = (new_key(name, LOCKS="*", RIGHTS="use, observe") for name in ("maker", "watcher", "other"))
    server = make_server(sections=NONE + one + two + SECTIONS).start()
    events = watch(server, "watch", "--json", LOCK_KEY=watcher)
    ready(server, 1, maker)
    status, ticket = ask(server, maker, "/v1/tickets", "POST", '{"locks": {"left": 1, "right": 1}}')
    assert status == 201, ticket
    events.objects(6)
    # Other keys end every stream. What happens until it is open again is not lost.
    server.configure({}, NONE + one + two + other + SECTIONS)
    with Admin(server) as admin:
        admin.ok("POST", "/v1/reload")
    assert ask(server, maker, f"/v1/tickets/{json.loads(ticket)['id']}", "DELETE")[0] == 200
    told = events.objects(8)
    assert [(event["kind"], event["lock"]) for event in told] == [
        (kind, lock) for kind in ("queued", "granted", "held", "ended") for lock in ("left", "right")]
