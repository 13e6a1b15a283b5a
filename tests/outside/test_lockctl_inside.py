"""lockctl inside of lockctl, of containers, of environments: what one run tells the next, and what reaches whom."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import pytest

from harness.ctl import environment, run
from harness.paths import lockctl
from harness.wait import until
from test_lockctl import beats

OF_A_HOLD = ["LOCK_NAME", "LOCK_TOKEN", "LOCK_SLOT", "LOCK_SLOTS", "LOCK_SLOT_NAME", "LOCK_SLOT_NAMES", "LOCK_TICKET"]


def test_variables_of_a_hold_are_replaced_as_a_whole(make_server):
    server = make_server(sections="[lock named]\nSLOTS=a, b\n").start()
    stale = {name: "stale" for name in OF_A_HOLD}
    done = run(server, "run", "DefaultLock", "--", "env", env=stale)
    assert done.returncode == 0 and "stale" not in done.stdout, done.stdout
    assert "LOCK_SLOT_NAME" not in done.stdout and "LOCK_TICKET" not in done.stdout
    done = run(server, "run", "--export-ticket", "named", "--", lockctl(), "run", "DefaultLock", "--", "env")
    told = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("LOCK_"))
    assert told["LOCK_NAME"] == "DefaultLock" and set(told) == {"LOCK_NAME", "LOCK_TOKEN", "LOCK_SLOT", "LOCK_SLOTS",
                                                                 "LOCK_SERVER", "LOCK_OUTER_HOLD", "LOCK_OUTER_TOKENS"}


@pytest.mark.parametrize("name", ["LOCK_SERVER", "LOCK_KEY", "LOCK_KEY_FILE", "LOCK_CA", "LOCK_CERT", "LOCK_CERT_KEY",
                                  "LOCK_CONNECT_TIMEOUT", "LOCK_TICKET", "http_proxy", "NO_PROXY"])
def test_empty_is_unset(server, name):
    at = ("--server", f"http://{server.address}:{server.port}")
    done = run(None, *at, "run", "DefaultLock", "--", "sh", "-c", "echo work", env={name: ""})
    assert (done.returncode, done.stdout, done.stderr) == (0, "work\n", ""), done


def test_every_size_can_be_taken_whole(make_server):
    """LOCK_SLOTS never keeps the command from being started."""
    server = make_server(sections="[lock big]\nSIZE=30000\n").start()
    done = run(server, "run", "big=all", "--", "sh", "-c", "echo $LOCK_SLOT $LOCK_SLOTS")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 0-29999\n", "")
    done = run(server, "run", "big=3", "--", "sh", "-c", "echo $LOCK_SLOTS")
    assert done.stdout == "0,1,2\n", "a few are listed"


def test_names_of_schemes_are_the_same_in_capital_letters(server):
    assert run(f"HTTP://{server.address}:{server.port}", "status").returncode == 0


def test_odd_names_can_be_named(make_server):
    server = make_server(sections="[lock -dash]\nSIZE=2\n").start()
    done = run(server, "run", "--lock=-dash=2", "--", "sh", "-c", "echo $LOCK_NAME $LOCK_SLOTS")
    assert (done.returncode, done.stdout) == (0, "-dash 0,1\n"), done
    assert run(server, "status", "--", "-dash").returncode == 0
    done = run(server, "run", "team/ci", "--", "true")
    assert done.returncode == 64 and "write another character in its place, as in team-ci" in done.stderr


def test_the_same_lock_inside_of_itself_says_why_it_waits(server):
    for verbose in ([], ["-v"]):
        done = run(server, "run", "DefaultLock", "--", lockctl(), "run", *verbose, "-w", "2", "DefaultLock", "--", "echo", "work")
        assert done.returncode == 75 and done.stdout == ""
        assert "the outer run" in done.stderr, done.stderr
    done = run(server, "run", "DefaultLock", "--", lockctl(), "run", "-w", "2", "nowhere", "--", "echo", "work")
    assert "inside of" not in done.stderr


def test_a_key_may_come_through_a_pipe(server):
    words = 'lockctl --key-file <(sleep 0.3; echo lsk_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx) status'
    done = subprocess.run(["bash", "-c", words], env=environment(server), capture_output=True, text=True, timeout=60, check=False)
    # Without keys in its configuration the server knows none: the secret has arrived there.
    assert done.returncode in (0, 77) and "key file" not in done.stderr, done


class Proxy:
    """Something on a port that notes the first line of each request."""

    def __init__(self):
        import socket
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.asked = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(4096).splitlines()[0].decode())
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")


def test_who_gets_request_and_secret(server):
    proxy = Proxy()
    everything = {name: proxy.url for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY")}
    for no_proxy in ("", "localhost,[::1]", "*"):
        assert run(server, "status", env={**everything, "NO_PROXY": no_proxy}).returncode == 0
        socket = f"unix:{server.directory}/admin.sock" if len(str(server.directory)) < 90 else "unix:admin.sock"
        assert run(socket, "status", env={**everything, "NO_PROXY": no_proxy}, cwd=server.directory).returncode in (0, 64)
    assert proxy.asked == [], "this machine is reached without a proxy"
    assert run("http://locks.example.org:9090", "status", env=everything).returncode == 69
    assert proxy.asked == ["GET http://locks.example.org:9090/v1/locks HTTP/1.1"]
    for no_proxy in ("*", ".example.org", "example.org:9090", "locks.example.org"):
        run("http://locks.example.org:9090", "status", env={**everything, "NO_PROXY": no_proxy, "LOCK_CONNECT_TIMEOUT": "0.2"})
    assert len(proxy.asked) == 1
    for name in ("http_proxy", "ALL_PROXY"):
        done = run("http://locks.example.org:9090", "status", env={name: "socks5://me:word@127.0.0.1:1"})
        assert done.returncode == 64 and f"the variable {name} cannot be used" in done.stderr and "word" not in done.stderr
    proxy.listener.close()


def status(server, name):
    return json.loads(run(server, "--json", "status", name).stdout)


@pytest.mark.parametrize("how", ["revoked", "stalled", "outer killed", "inner killed"])
def test_what_runs_inside_of_a_run_ends_with_it(make_server, tmp_path, how):
    """The outer hold ends; an inner run with a hold of its own, a longer deadline and a command that ignores TERM obeys it."""
    server = make_server(sections="[lock outer]\nSIZE=1\n").start()
    other = make_server(sections="[lock inner]\nSIZE=1\n").start()
    first, second = tmp_path / "first", tmp_path / "second"
    job = f"trap '' TERM; echo $$ >{first}.pid; while :; do cut -d' ' -f1 /proc/uptime >>{first}; sleep 0.05; done"
    inner = [lockctl(), "--server", f"http://{other.address}:{other.port}", "run", "--ttl", "60", "--kill-after", "10", "inner", "--",
             "sh", "-c", job]
    outer = subprocess.Popen([lockctl(), "run", "--ttl", "6", "--kill-after", "1", "outer", "--", *inner], env=environment(server),
                             stderr=subprocess.PIPE, text=True)
    until(lambda: len(beats(first)) > 3, 20, "the job runs")
    pid = int(pathlib.Path(f"{first}.pid").read_text())
    next_one = subprocess.Popen([lockctl(), "run", "outer", "--", "sh", "-c", f"cut -d' ' -f1 /proc/uptime >{second}"],
                                env=environment(server), stderr=subprocess.PIPE, text=True)
    until(lambda: status(server, "outer")["queued"] == 1, 20, "the next one waits")

    def gone():
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True
    begin = time.monotonic()
    if how == "stalled":
        server.signal(signal.SIGSTOP)
    elif how == "revoked":
        number = str(status(server, "outer")["holders"][0]["number"])
        socket = run("unix:/proc/self/cwd/admin.sock", "revoke", "outer", number, cwd=server.directory)
        assert socket.returncode == 0, socket
    elif how == "outer killed":
        outer.kill()
    else:
        children = pathlib.Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        (inside,) = [child for child in children if "lock-guard" not in pathlib.Path(f"/proc/{child}/cmdline").read_text()]
        server.signal(signal.SIGSTOP)
        os.kill(int(inside), signal.SIGKILL)
    until(gone, 20, "the inner command has ended")
    took = time.monotonic() - begin
    # Without knowing of the outer hold it would go on for its own 10 s after TERM.
    if how in ("stalled", "revoked", "outer killed"):
        assert took < 7, f"{took:.1f} s"
    if how in ("stalled", "inner killed"):
        server.signal(signal.SIGCONT)
    outer.communicate(timeout=30)
    assert next_one.wait(timeout=60) == 0, next_one.stderr.read()
    # An administrator who ends a hold gives its permit on at once.
    if how != "revoked":
        assert beats(first)[-1] < beats(second)[0], "the next one began while the first was still at work"


@pytest.mark.parametrize("whose", ["nobody", "another program"])
def test_a_variable_of_a_run_that_has_ended_changes_nothing(server, tmp_path, whose):
    """As in whatever was started inside of a run once and lives on: a terminal multiplexer, a daemon."""
    variable = "4000000:5:1000" if whose == "nobody" else f"{os.getpid()}:0:1000"
    pid = tmp_path / "pid"
    job = f"trap 'sleep 3; echo finished; exit 0' TERM; echo $$ >{pid}; while :; do sleep 0.05; done"
    held = subprocess.Popen([lockctl(), "run", "--ttl", "40", "--kill-after", "10", "DefaultLock", "--", "sh", "-c", job],
                            env=environment(server, LOCK_OUTER_HOLD=variable), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: pid.exists() and pid.read_text().strip(), 20, "the job runs")
    held.terminate()
    out, said = held.communicate(timeout=30)
    assert (held.returncode, out) == (0, "finished\n"), said


def test_a_run_in_the_background_goes_on_after_the_outer_one_has_ended_well(make_server, tmp_path):
    server = make_server(sections="[lock outer]\nSIZE=1\n[lock inner]\nSIZE=1\n").start()
    done = tmp_path / "done"
    inner = f"{lockctl()} run inner -- sh -c 'sleep 6; echo finished >{done}'"
    outer = run(server, "run", "--ttl", "6", "--kill-after", "1", "outer", "--", "sh", "-c", f"setsid {inner} >/dev/null 2>&1 & sleep 1")
    assert outer.returncode == 0, outer
    until(lambda: done.exists() and done.read_text() == "finished\n", 30, "the inner command has finished")


@pytest.mark.root
def test_a_machine_without_room_for_another_process_is_no_fault_of_the_command(as_root, server):
    """EAGAIN of fork is 71, as the manual says."""
    shared = ("prlimit", "--nproc=2", "setpriv", "--reuid=61235", "--regid=61235", "--clear-groups", lockctl(), "run", "DefaultLock",
              "--", "echo", "work")
    done = subprocess.run(shared, env=environment(server), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 71 and done.stdout == "", done





@pytest.mark.root
def test_as_the_first_process_of_a_container_it_buries_what_others_leave(as_root, server, tmp_path):
    job = ("for _ in 1 2 3; do (setsid sh -c 'sleep 0.2' &) ; done; sleep 2; "
           f"ps -e -o stat= >{tmp_path}/states")
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", lockctl(), "run", "DefaultLock", "--", "sh", "-c", job],
                          env=environment(server), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    states = (tmp_path / "states").read_text().split()
    assert states and not any(state.startswith("Z") for state in states), states


HIDDEN = ("unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh")


@pytest.mark.root
def test_a_command_of_our_own_is_ended_as_usual_where_processes_are_hidden(as_root, server):
    ours = ("setpriv", "--reuid=61234", "--regid=61234", "--clear-groups", lockctl(), "run", "--max-hold", "4", "--kill-after", "1",
            "DefaultLock", "--", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    done = subprocess.run([*HIDDEN, *ours], env=environment(server), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 76 and "may not signal" not in done.stderr, done


@pytest.mark.root
@pytest.mark.parametrize("hidden", [(), HIDDEN], ids=["seen", "hidden"])
@pytest.mark.parametrize("end", ["lost", "term"])
def test_a_command_that_may_not_be_signalled_is_not_gone(as_root, server, tmp_path, end, hidden):
    """It runs as another user: that is said, it is watched on, and never reported as ended while it runs."""
    tmp_path.chmod(0o777)
    parent = tmp_path
    while parent != parent.parent:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
        parent = parent.parent
    python = tmp_path / "python"
    shutil.copy(os.path.realpath("/usr/bin/python3"), python)
    python.chmod(0o4755)
    began, go = tmp_path / "began", tmp_path / "go"
    code = ("import os, sys, time, pathlib; os.setresuid(0, 0, 0); pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\n"
            "while not os.path.exists(sys.argv[2]): time.sleep(0.05)\n"
            "sys.exit(3)")
    process = subprocess.Popen(
        [*hidden, "setpriv", "--reuid=61234", "--regid=61234", "--clear-groups", lockctl(), "run", "--ttl", "6", "--kill-after", "1",
         "DefaultLock", "--", str(python), "-c", code, str(began), str(go)],
        env=environment(server), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: began.exists() and began.read_text(), 20, "it works")
        if end == "term":
            process.terminate()
            # Its lease is renewed on, well beyond what it was when the signal came.
            until(lambda: "held" in run(server, "status", "DefaultLock").stdout, 20, "it is held")
            begin = time.monotonic()
            until(lambda: time.monotonic() - begin > 7 or process.poll() is not None, 20, "longer than the lease")
            assert process.poll() is None
            assert "1 held" in run(server, "status", "DefaultLock").stdout
        else:
            server.signal(signal.SIGSTOP)
            begin = time.monotonic()
            until(lambda: time.monotonic() - begin > 12 or process.poll() is not None, 30, "KILL, and longer than that")
            assert process.poll() is None, process.communicate()
            server.signal(signal.SIGCONT)
        go.touch()
        _, said = process.communicate(timeout=30)
        assert "may not signal all of the command, which runs as another user" in said, said
        assert process.returncode == (3 if end == "term" else 76), said
    finally:
        server.signal(signal.SIGCONT)
        go.touch()
        process.wait(30)
