"""`lockctl --local`: one server for a user on one machine, which starts by itself."""

import itertools
import json
import os
import pathlib
import random
import signal
import shutil
import stat
import subprocess
import tempfile

import pytest

from harness.api import Api
from harness.ctl import environment
from harness.local import Place
from harness.paths import binary, lockctl
from harness.wait import until

#: Rounds of ten processes on a fresh home; 100 before a release.
ROUNDS = int(os.environ.get("LOCKCTL_LOCAL_ROUNDS", "5"))
ENDS_WITHIN_S = 60

#: Notes its begin and its end, and ends only once three have begun. So three are at work at a time, if three may be.
JOB = '''
echo "+ $LOCK_TOKEN" >>"$1"
until [ "$(grep -c '^+' "$1")" -ge 3 ]; do sleep 0.01; done
echo "- $LOCK_TOKEN" >>"$1"
'''


class Home:
    """A user's home that nobody has used so far."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.place = Place(directory / ".local/state")
        self.started = []

    def environment(self, **more):
        """Nothing names a server, and nothing of the one who runs the tests."""
        env = {name: value for name, value in environment().items() if not name.startswith("XDG_")}
        return {**env, "HOME": str(self.directory), **more}

    def run(self, *words, env=None, program=None, **popen):
        """Run lockctl to its end."""
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, **popen}
        return subprocess.run([*(program or [lockctl()]), *words], env=self.environment(**(env or {})), timeout=ENDS_WITHIN_S,
                              check=False, **options)

    def start(self, *words, **popen):
        """Start it."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **popen}
        self.started.append(subprocess.Popen([lockctl(), *words], env=self.environment(), **options))
        return self.started[-1]

    def lock(self, name):
        """A lock as it is."""
        done = self.run("--json", "status", "--local", name)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def end(self):
        """Nothing of it goes on."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=ENDS_WITHIN_S)
        self.place.stop()


@pytest.fixture
def make_home():
    """Homes with short paths: that of a socket may have 107 bytes."""
    homes = []
    with tempfile.TemporaryDirectory(prefix="home") as directory:

        def make():
            homes.append(Home(pathlib.Path(directory) / f"h{len(homes)}"))
            return homes[-1]

        yield make
        for home in homes:
            home.end()


@pytest.fixture
def home(make_home):
    return make_home()


def fine(done):
    """It did what it should and said nothing."""
    assert (done.returncode, done.stderr) == (0, ""), (done.returncode, done.stderr)
    return done.stdout


def ended(process):
    """The same of one that was started."""
    out, said = process.communicate(timeout=ENDS_WITHIN_S)
    assert (process.returncode, said) == (0, ""), (process.returncode, said)
    return out


@pytest.mark.parametrize("number", range(ROUNDS))
def test_ten_at_once_on_a_fresh_home_find_one_server_and_three_are_at_work(home, number):
    notes = home.directory / "notes"
    notes.touch()
    ten = [home.start("run", "--local", "--size", "3", "build", "--", "sh", "-c", JOB, "job", str(notes)) for _ in range(10)]
    for process in ten:
        ended(process)
    steps = [line.split()[0] for line in notes.read_text().splitlines()]
    assert steps.count("+") == steps.count("-") == 10
    assert max(itertools.accumulate(1 if step == "+" else -1 for step in steps)) == 3
    assert len(home.place.processes()) == 1 and home.place.log() == ""
    events = json.loads(fine(home.run("--json", "history", "--local", "build")))
    numbers = {kind: [event["number"] for event in events if event["kind"] == kind] for kind in ("queued", "granted")}
    assert len(numbers["granted"]) == 10 and numbers["granted"] == sorted(numbers["granted"]), "first come, first served"


def test_a_server_that_is_killed_starts_again_and_nobody_loses_anything(home):
    holder = home.start("run", "--local", "build", "--", "sh", "-c", "echo begun; cat; echo ended", stdin=subprocess.PIPE)
    assert holder.stdout.readline() == "begun\n"
    waiter = home.start("run", "--local", "build", "--", "echo", "mine")
    until(lambda: home.lock("build")["queued"] == 1, 20, "the second one waits")
    first = home.place.pid()
    os.kill(first, signal.SIGKILL)
    again = until(lambda: {home.place.pid()} - {first, None}, 20, "it is started by those who need it").pop()
    until(lambda: (lambda lock: (lock["holding"], lock["queued"]) == (1, 1))(home.lock("build")), 20, "both are there still")
    assert home.place.processes() == [again] and waiter.poll() is None
    out, said = holder.communicate("", timeout=ENDS_WITHIN_S)
    assert (out, holder.returncode) == ("ended\n", 0), said
    out, said = waiter.communicate(timeout=ENDS_WITHIN_S)
    assert (out, waiter.returncode) == ("mine\n", 0), said


def test_a_socket_that_a_dead_server_has_left_is_no_obstacle(home):
    fine(home.run("run", "--local", "build", "--", "true"))
    os.kill(home.place.pid(), signal.SIGKILL)
    until(lambda: not home.place.processes(), 20, "it is dead")
    assert home.place.socket.exists()
    assert fine(home.run("run", "--local", "build", "--", "echo", "done")) == "done\n"


def test_those_who_are_killed_while_they_start_it_are_in_nobodys_way(make_home):
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    for number in range(6):
        home = make_home()
        begun = [home.start("run", "--local", "build", "--", "true") for _ in range(3)]
        mark = home.place.directory / chance.choice(["start.lock", "server.conf", "server.log", "lockserver.db"])
        until(lambda: mark.exists() or begun[0].poll() is not None, 20, f"it begins, seed {seed}")
        for process in begun:
            process.kill()
        assert fine(home.run("run", "--local", "build", "--", "echo", "done")) == "done\n", (seed, number)
        until(lambda: len(home.place.processes()) == 1, 20, f"one server is left, seed {seed}")


def test_the_size_is_that_of_the_first_use_and_another_one_changes_it_with_a_word(home):
    fine(home.run("run", "--local", "build", "--", "true"))
    assert home.lock("build")["size"] == 1
    done = home.run("run", "--local", "--size", "3", "build", "--", "true")
    assert (done.returncode, done.stderr) == (0, "lockctl: `build` has 3 permits from now on, before it had 1\n")
    fine(home.run("run", "--local", "--size", "3", "build", "--", "true"))
    fine(home.run("run", "--local", "build", "--", "true"))
    assert home.lock("build")["size"] == 3, "who says nothing changes nothing"
    done = home.run("run", "--local", "--size", "2", "a", "b", "--", "true")
    assert done.returncode == 64 and "--size is for one lock" in done.stderr
    done = home.run("run", "--local", "build=4", "--", "true")
    assert done.returncode == 78 and "4 permits" in done.stderr, done.stderr


def test_a_size_too_small_for_somebody_who_waits_is_refused(home):
    fine(home.run("run", "--local", "--size", "3", "build", "--", "true"))
    holder = home.start("run", "--local", "build", "--", "sh", "-c", "echo begun; cat", stdin=subprocess.PIPE)
    assert holder.stdout.readline() == "begun\n"
    waiter = home.start("run", "--local", "build=3", "--", "true")
    until(lambda: home.lock("build")["queued"] == 1, 20, "it waits for all three")
    done = home.run("run", "--local", "-n", "--size", "2", "build", "--", "true")
    assert done.returncode == 64 and "somebody waits for more than 2" in done.stderr, done.stderr
    assert home.lock("build")["size"] == 3
    holder.communicate("", timeout=ENDS_WITHIN_S)
    ended(waiter)


def test_acquire_and_release_make_and_use_the_lock_too(home):
    ticket = json.loads(fine(home.run("--json", "acquire", "--local", "--size", "2", "gpu")))
    assert home.lock("gpu")["holding"] == 1 and home.lock("gpu")["size"] == 2
    both = json.loads(fine(home.run("--json", "acquire", "--local", "board", "licence")))
    assert home.lock("board")["holding"] == home.lock("licence")["holding"] == 1
    assert home.run("release", "--local", both["id"]).returncode == 0
    done = home.run("release", "--local", ticket["id"])
    assert done.returncode == 0 and home.lock("gpu")["holding"] == 0


def test_a_size_for_a_server_of_others_has_no_effect_and_that_is_said(home, server):
    done = home.run("run", "--size", "3", "DefaultLock", "--", "true", env={"LOCK_SERVER": f"http://{server.address}:{server.port}"})
    assert done.returncode == 0 and "--size 3 has no effect here" in done.stderr, done.stderr
    with Api(server.at) as api:
        assert api.ok("GET", "/v1/locks/DefaultLock")["size"] == 1


def test_a_run_inside_of_a_run_does_not_wait_for_itself(home):
    inner = [lockctl(), "run", "--local", "--inherit", "build", "--", "echo", "inside"]
    assert fine(home.run("run", "--local", "build", "--", *inner)) == "inside\n"
    plain = [lockctl(), "run", "-n", "build", "--", "echo", "inside"]
    done = home.run("run", "--local", "build", "--", *plain)
    assert done.returncode == 75, "the command finds the same server in LOCK_SERVER, and the lock is taken"


@pytest.mark.parametrize("words, env, config", [
    (["--local"], {"LOCK_SERVER": "http://127.0.0.1:1", "LOCK_KEY": "lsk_other", "LOCK_KEY_FILE": "/nowhere"}, ""),
    (["--server", "local"], {}, ""),
    ([], {"LOCK_SERVER": "local"}, ""),
    ([], {}, "LOCK_SERVER=local\n"),
])
def test_the_ways_to_name_it(home, words, env, config):
    if config:
        (home.directory / ".config/lockserver").mkdir(parents=True)
        (home.directory / ".config/lockserver/client.conf").write_text(config)
    assert fine(home.run("run", *words, "build", "--", "sh", "-c", "echo $LOCK_SERVER", env=env)) == f"unix:{home.place.socket}\n"
    said = fine(home.run("status", *words, "--server-itself", env=env))
    assert "your own on this machine" in said, said


@pytest.mark.parametrize("words, why", [
    (["--local", "--server", "http://127.0.0.1:1"], "--local and --server name two servers"),
    (["--server", "local,http://127.0.0.1:1"], "`local` stands alone"),
])
def test_two_servers_at_once_are_refused(home, words, why):
    done = home.run("status", *words)
    assert done.returncode == 64 and why in done.stderr, done.stderr
    assert not home.place.directory.exists()


def test_the_server_is_nobodys_in_particular(home):
    read, write = os.pipe()
    done = home.run("run", "--local", "build", "--", "true", env={"AWS_SECRET_ACCESS_KEY": "hidden"}, pass_fds=[write])
    fine(done)
    os.close(write)
    pid = home.place.pid()
    assert os.read(read, 1) == b"", "a pipe of the caller is closed with the caller"
    os.close(read)
    process = pathlib.Path(f"/proc/{pid}")
    assert b"hidden" not in (process / "environ").read_bytes()
    assert os.getsid(pid) == pid, "it has a session of its own"
    words = (process / "cmdline").read_bytes().split(b"\0")
    assert words[words.index(b"--idle-exit") + 1] == b"10m"
    assert stat.S_IMODE(home.place.directory.stat().st_mode) == 0o700
    listening = subprocess.run(["ss", "-Htlnp"], capture_output=True, text=True, check=True).stdout
    assert f"pid={pid}," not in listening, "nobody reaches it over the network"


def test_a_home_on_a_network_file_system_is_refused(home):
    # What statfs(2) says is changed on its way: nothing here can mount NFS.
    nfs = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=statfs", "-e", "inject=statfs:poke_exit=@arg2=6969000000000000"]
    done = home.run("run", "--local", "build", "--", "echo", "ran", program=[*nfs, lockctl()])
    assert done.returncode == 71 and done.stdout == "", done
    assert "is on NFS" in done.stderr and "XDG_STATE_HOME" in done.stderr, done.stderr
    assert not home.place.processes()


def test_a_path_too_long_for_a_socket_is_told(home):
    done = home.run("run", "--local", "build", "--", "true", env={"XDG_STATE_HOME": str(home.directory / ("x" * 100))})
    assert done.returncode == 71 and "set XDG_STATE_HOME to a shorter path" in done.stderr, done.stderr


def test_no_home_is_told(home):
    env = {name: value for name, value in home.environment().items() if name != "HOME"}
    done = subprocess.run([lockctl(), "status", "--local"], env=env, capture_output=True, text=True, timeout=ENDS_WITHIN_S)
    assert done.returncode == 71 and "neither HOME nor XDG_STATE_HOME" in done.stderr, done.stderr


@pytest.mark.root
def test_the_home_of_another_user_is_refused(home):
    home.place.directory.mkdir(parents=True)
    os.chown(home.place.directory, 4321, 4321)
    done = home.run("run", "--local", "build", "--", "true")
    assert done.returncode == 71 and "is that of user 4321" in done.stderr, done.stderr


def test_where_the_server_is_looked_for(home):
    alone = home.directory / "alone"
    alone.mkdir()
    program = shutil.copy(lockctl(), alone / "lockctl")
    done = home.run("run", "--local", "build", "--", "/bin/true", program=[program], env={"PATH": "/nowhere"})
    assert done.returncode == 69 and f"there is none in {alone} or on PATH" in done.stderr, done.stderr
    folder = os.path.dirname(binary())
    fine(home.run("run", "--local", "build", "--", "/bin/true", program=[program], env={"PATH": f"/nowhere:{folder}"}))


def test_a_server_that_cannot_start_says_why(home):
    home.place.directory.mkdir(parents=True)
    (home.place.directory / "lockserver.db").write_bytes(b"this is no database, and long enough to be read as one" * 100)
    done = home.run("run", "--local", "build", "--", "true")
    log = home.place.directory / "server.log"
    for words in ("the local server does not start", "lockserver.db", f"(its log: {log})"):
        assert done.returncode == 69 and words in done.stderr, done.stderr
    # Once: a store that is damaged stays so.
    assert log.read_text().count("lockserver.db") == 1, log.read_text()


class TestIdleExit:
    """The end of a server that nobody uses."""

    @pytest.fixture
    def serve(self, tmp_path):
        started = []

        def serve(after, *more):
            words = [binary(), "--config", "/dev/null", "--store", "memory", "--admin-socket", "sock", "--idle-exit", after, *more]
            process = subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            started.append(process)
            assert process.stdout.readline().startswith("lockserver ready on ")
            return process

        yield serve
        for process in started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=ENDS_WITHIN_S)

    def call(self, tmp_path, method, path, *more):
        done = subprocess.run(["curl", "-fsS", "--unix-socket", "sock", "-X", method, f"http://localhost{path}", *more],
                              cwd=tmp_path, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=True)
        return json.loads(done.stdout) if done.stdout else None

    def test_it_ends_in_order_when_nobody_uses_it(self, serve, tmp_path):
        server = serve("0.3", "--socket-only")
        assert server.wait(ENDS_WITHIN_S) == 0
        assert not (tmp_path / "sock").exists()
        assert "nobody has used the server for the time of --idle-exit" in server.stderr.read()

    def test_it_stays_while_a_permit_is_taken_or_somebody_is_connected(self, serve, tmp_path):
        # Time enough for the first request, also on a busy machine.
        server = serve("2", "--socket-only")
        ticket = self.call(tmp_path, "POST", "/v1/locks/DefaultLock/tickets", "-d", "{}")
        with pytest.raises(subprocess.TimeoutExpired):
            server.wait(3.5)
        place = Place(tmp_path)
        place.socket = pathlib.Path(os.path.relpath(tmp_path / "sock"))
        with place.connect():
            self.call(tmp_path, "DELETE", f"/v1/tickets/{ticket['id']}")
            with pytest.raises(subprocess.TimeoutExpired):
                server.wait(3.5)
        assert server.wait(ENDS_WITHIN_S) == 0

    def test_a_server_with_a_port_ends_too(self, serve):
        assert serve("0.3", "--port", "0").wait(ENDS_WITHIN_S) == 0

    @pytest.mark.parametrize("words, why", [
        (["--idle-exit", "0"], "a time above 0 is expected"),
        (["--idle-exit", "soon"], "a time above 0 is expected"),
        (["--socket-only"], "--admin-socket"),
        (["--socket-only", "--admin-socket", "sock", "--port", "1"], "cannot be used with"),
    ])
    def test_what_makes_no_sense_is_refused(self, tmp_path, words, why):
        done = subprocess.run([binary(), *words], cwd=tmp_path, capture_output=True, text=True, timeout=ENDS_WITHIN_S)
        assert done.returncode == 64 and why in done.stderr, done.stderr
