"""lockctl against the real server: permits, exit codes, and commands that never outlive their lease."""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from harness.api import Api
from harness.paths import CLIENTS, lockctl
from harness.wait import until

TTL_S = 12


@pytest.fixture
def ctl(tmp_path):
    """Run or start lockctl against a server; what still runs at the end is killed."""
    started = []

    class Ctl:
        def environment(self, server):
            env = {name: value for name, value in os.environ.items() if not name.startswith("LOCK_")}
            return {**env, "LOCK_SERVER": f"http://{server.address}:{server.port}"}

        def run(self, server, *words):
            return subprocess.run([lockctl(), *words], env=self.environment(server), stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60)

        def start(self, server, *words):
            process = subprocess.Popen([lockctl(), *words], env=self.environment(server), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            started.append(process)
            return process

    yield Ctl()
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def beats(path):
    """The times that a job has written, in seconds since the machine was started."""
    text = path.read_text() if path.exists() else ""
    return [float(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def is_gone(group):
    """Whether nothing of the process group runs; zombies do not."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            return False
    return True


def uptime():
    """Now, by the jobs' clock."""
    with open("/proc/uptime") as file:
        return float(file.read().split()[0])


def test_slot_and_token(server, ctl):
    words = ("run", "-w", "10", "DefaultLock", "--", "sh", "-c", "echo $LOCK_SLOT $LOCK_TOKEN")
    tokens = []
    for _ in range(2):
        done = ctl.run(server, *words)
        assert done.returncode == 0 and done.stderr == ""
        slot, token = re.fullmatch(r"(\d+) (\d+)\n", done.stdout).groups()
        assert slot == "0"
        tokens.append(int(token))
    assert tokens[0] < tokens[1]


def test_exit_codes(server, ctl):
    taken = ctl.run(server, "acquire", "DefaultLock")
    ticket = re.search(r"^export LOCK_TICKET=(\S+)$", taken.stdout, re.M).group(1)
    cases = [
        (("run", "-n", "DefaultLock", "--", "true"), 75),
        (("run", "-w", "0.2", "DefaultLock", "--", "true"), 75),
        (("run", "-n", "-E", "9", "DefaultLock", "--", "true"), 9),
        (("run", "nowhere", "--", "true"), 78),
        (("run", "DefaultLock=2", "--", "true"), 78),
        (("resize", "DefaultLock", "2"), 77),
        (("verify", "DefaultLock", "987654321"), 76),
        (("release", ticket), 0),
        (("release", "00000000-0000-4000-8000-000000000000"), 76),
        (("run", "DefaultLock", "--", "sh", "-c", "exit 7"), 7),
        (("run", "DefaultLock", "--", "sh", "-c", "kill -TERM $$"), 143),
        (("run", "DefaultLock", "--", "/no/such/command"), 127),
        (("run", "DefaultLock"), 64),
        (("run", "-w", "5", "DefaultLock", "--", "true"), 0),
    ]
    for words, code in cases:
        done = ctl.run(server, *words)
        assert done.returncode == code, (words, done.stderr)


def test_a_command_that_gives_its_lock_back_goes_on(server, ctl):
    """The server says `released` to the next renewal, and to the release at the end; others have the permit meanwhile."""
    script = ('"$0" release >/dev/null && for _ in $(seq 400); do sleep 0.02; done && "$0" run -n DefaultLock -- echo "free" '
              "&& exit 5")
    done = ctl.run(server, "run", "-v", "--export-ticket", "--ttl", "6", "--kill-after", "0.5", "DefaultLock", "--", "sh", "-c",
                   script, lockctl())
    assert (done.returncode, done.stdout) == (5, "free\n"), done.stderr
    assert "`DefaultLock` was released, the command goes on without it" in done.stderr
    # Before a renewal had the chance to tell.
    done = ctl.run(server, "run", "--export-ticket", "DefaultLock", "--", lockctl(), "release")
    assert (done.returncode, done.stdout, done.stderr) == (0, "released\n", "")


def test_changes_by_administrators_say_what_they_do(make_server, ctl):
    server = make_server(sections="[lock licence]\nSLOTS=a, b\n").start()
    socket = ("--server", "unix:/proc/self/cwd/admin.sock")

    def run(*words):
        return subprocess.run([lockctl(), *socket, *words], env=ctl.environment(server), cwd=server.directory,
                              capture_output=True, text=True, timeout=60)
    refused = run("resize", "licence", "3")
    assert (refused.returncode, refused.stdout) == (78, "") and "--slots a,b" in refused.stderr, refused
    names = json.loads(run("--json", "status", "licence").stdout)["settings"]["slots"]
    assert names == ["a", "b"], "nothing was changed"
    changed = json.loads(run("--json", "resize", "licence", "--slots", "a,b,c").stdout)
    assert (changed["size"], changed["settings"]["slots"]) == (3, ["a", "b", "c"])
    server.configure({}, "[lock licence]\nSLOTS=a, b\n[lock fresh]\nSIZE=2\n")
    done = run("reload")
    assert done.returncode == 0 and "made: fresh\n" in done.stdout, done
    assert json.loads(run("--json", "reload").stdout)["created"] == []


def test_refusals_are_said_in_words_of_the_command_line(make_server, ctl):
    server = make_server(sections="[lock seven]\nSIZE=7\n").start()
    socket = ("--server", "unix:/proc/self/cwd/admin.sock")
    ctl.run(server, "acquire", "DefaultLock")
    ctl.run(server, "acquire", "seven=6")
    waits = ctl.start(server, "run", "seven=7", "--", "true")
    until(lambda: "1 queued" in ctl.run(server, "status", "seven").stdout, 10, "it waits")
    long = "x" * 5000
    cases = [
        (("run", "-n", "DefaultLock", "--", "true"), 75, "lockctl: `DefaultLock`: no permit is free now: held by #"),
        (("run", "nowhere", "--", "true"), 78, "`nowhere`: there is no such lock; `lockctl status` lists those"),
        (("status", "nowhere"), 78, "there is no such lock"),
        (("verify", "nowhere", "1"), 78, "there is no such lock"),
        (("run", "a/b", "--", "true"), 64, "not a valid lock name: the name contains '/'"),
        (("run", "seven=8", "--", "true"), 78, "8 permits were asked for and the lock has 7"),
        (("run", "--info", long, "seven", "--", "true"), 64, "info has 5000 bytes, 4096 are allowed"),
        (("run", "--info", long * 20, "seven", "--", "true"), 64, "the options are too long"),
        (("acquire", "--ttl", "0.2", "seven"), 64, "--ttl must be from 1 s"),
        (("release", "nonsense"), 76, "there is no such ticket"),
        (("release", "seven", "--number", "77"), 77, "this is for administrators"),
        (("resize", "seven", "6"), 77, "lockctl takes that socket by itself"),
        ((*socket, "resize", "seven", "6"), 1, "1 ticket would end; --force does it, and with --expect-tickets 1 only"),
        ((*socket, "resize", "seven", "0"), 64, "size must be from 1"),
        ((*socket, "delete", "seven"), 1, "2 tickets would end; --force does it"),
        ((*socket, "delete", "seven", "--force", "--expect-tickets", "9"), 1, "2 tickets would end"),
        ((*socket, "create", "seven", "--size", "1"), 1, "there is a lock of this name already"),
        ((*socket, "create", "x", "--size", "1", "--lock-delay", "90000000"), 64, "--lock-delay must be at most"),
        ((*socket, "create", "x", "--slots", "a,a"), 64, 'the slot name "a" is given twice'),
        ((*socket, "revoke", "seven", "77"), 76, "there is no such ticket"),
    ]
    server.configure({}, "[lock seven]\nSIZE=many")
    cases.append(((*socket, "reload"), 1, "everything stays as it was, the configuration has errors"))
    for words, code, said in cases:
        done = subprocess.run([lockctl(), *words], env=ctl.environment(server), cwd=server.directory, capture_output=True,
                              text=True, timeout=60)
        # `acquire` fails in the shell that evaluates it, too.
        printed = f"; false && :\n(exit {code})\n" if words[0] == "acquire" else ""
        assert done.returncode == code and done.stdout.endswith(printed) and said in done.stderr, (words[:4], done)
        assert bool(done.stdout) == bool(printed), done
        assert done.stderr.startswith("lockctl: ") and done.stderr.count("\n") == 1, done.stderr
        foreign = re.search(r"=true|\?|&|\bIf-|ETag|\bGET\b|\bPUT\b|HTTP|/v1|request_id|_s\b|JSON|header|\bbody", done.stderr)
        assert not foreign, done.stderr
    waits.terminate()
    assert waits.wait(10) == 143


def test_a_short_longest_hold_is_used_and_not_exceeded(make_server, ctl):
    server = make_server(sections="[lock four]\nMAX_HOLD_TIME=4\n[lock two]\nMAX_HOLD_TIME=2\n").start()
    done = ctl.run(server, "run", "four", "--", "sh", "-c", "sleep 1; echo done")
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert "may be held for" in done.stderr
    begin = uptime()
    done = ctl.run(server, "run", "four", "--", "sh", "-c", "echo begin; exec sleep 600")
    assert done.returncode == 76 and done.stdout == "begin\n" and uptime() - begin > 2, done.stderr
    done = ctl.run(server, "run", "two", "--", "echo", "begin")
    assert done.returncode == 78 and done.stdout == "" and "no time to end the command" in done.stderr
    with Api(server.at) as api:
        # Given back by lockctl: the server has ended none of them.
        ended = [event["ended_as"] for name in ("four", "two")
                 for event in api.ok("GET", f"/v1/locks/{name}/history")["events"] if event["kind"] == "ended"]
    assert ended == ["released"] * 3


def test_waiters_are_served_in_order_and_those_who_give_up_leave_nothing(server, ctl, tmp_path):
    order = tmp_path / "order"
    job = f"echo $0 >> {order}; [ $0 != 0 ] || while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"

    def queued():
        lock = ctl.run(server, "status", "DefaultLock").stdout
        return int(re.search(r"(\d+) queued", lock).group(1))

    runs = [ctl.start(server, "run", "DefaultLock", "--", "sh", "-c", job, "0")]
    until(order.exists, 10, "the first holds")
    for number in range(1, 4):
        runs.append(ctl.start(server, "run", "-w", "60", "DefaultLock", "--", "sh", "-c", job, str(number)))
        until(lambda number=number: queued() == number, 10, f"{number} in the queue")
    runs[2].send_signal(signal.SIGINT)
    assert runs[2].wait(10) == 130
    assert queued() == 2
    (tmp_path / "go").touch()
    assert [run.wait(20) for run in (runs[0], runs[1], runs[3])] == [0, 0, 0]
    assert order.read_text().split() == ["0", "1", "3"]


@pytest.mark.parametrize("end", ["continued", "killed"])
def test_a_command_is_gone_before_its_lease_can_end(make_server, ctl, tmp_path, report, end):
    server = make_server().start()
    first, second = tmp_path / "first", tmp_path / "second"
    job = str(CLIENTS / "beats.sh")
    options = ("run", "--ttl", str(TTL_S), "--kill-after", "2", "DefaultLock", "--")
    holder = ctl.start(server, *options, job, str(first))
    until(lambda: beats(first), 10, "the first job runs")
    waiter = ctl.start(server, *options, job, str(second))
    until(lambda: "1 queued" in ctl.run(server, "status", "DefaultLock").stdout, 10, "the second waits")
    group = int((tmp_path / "first.pid").read_text())

    def lease_ends():
        """When the server will give the permit away unless it hears more. Asked just after a renewal: the next is 2 s off."""
        now = uptime()
        (ticket,) = json.loads(ctl.run(server, "--json", "status", "DefaultLock").stdout)["holders"]
        return now + ticket["expires_in_s"] if ticket["expires_in_s"] > TTL_S - 1 else None
    ends = until(lease_ends, 10, "a renewal")
    stopped = uptime()
    server.signal(signal.SIGSTOP)
    assert holder.wait(TTL_S + 5) == 76
    assert is_gone(group), "lockctl has ended, and nothing that it started is left"
    last = beats(first)[-1]
    assert last < ends, f"{last - ends:.2f} s after the end of the lease"
    if end == "continued":
        server.signal(signal.SIGCONT)
    else:
        server.kill()
        server.start()
    until(lambda: beats(second), 60, "the second has the permit")
    begun = beats(second)[0]
    assert max(beats(first)) < begun, "the first job was gone when the second began"
    assert beats(first)[-1] == last, "and stays gone"
    report(f"server {end}: the first job's last sign {last - stopped:.1f} s after the stop, {ends - last:.1f} s before its "
           f"lease could end; the second's first sign {begun - last:.1f} s later")
    group = int((tmp_path / "second.pid").read_text())
    waiter.kill()
    until(lambda: is_gone(group), 20, "the guard has ended the second job with its grandchild")
