"""The server as a process: started on a port of its own choice, watched, stopped by its pid, its log judged."""

import itertools
import os
import pathlib
import re
import signal
import subprocess
import time

from .paths import binary
from .wait import until

READY = re.compile(r"^lockserver ready on https?://\[?([^\]\s]+?)\]?:(\d+)\s*$", re.M)
READY_WITHIN_S = 20
STOP_WITHIN_S = 20
_serial = itertools.count(1)


def own_address():
    """A loopback address that no other test of this run uses, so that a port stays ours while its server is down."""
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    number = next(_serial)
    return f"127.{100 + worker}.{number // 250}.{number % 250 + 1}"


class Server:
    """One configuration and one store in a directory of their own; any number of processes after one another."""

    ready_within_s = READY_WITHIN_S
    stop_within_s = STOP_WITHIN_S

    def __init__(self, directory, config=None, sections="", store="sqlite", prefix=(), env=None, preexec=None):
        self.directory = directory
        self.address = own_address()
        self.store = f"sqlite:{directory}/lockserver.db" if store == "sqlite" else store
        self.port = 0
        self.prefix = list(prefix)
        self.env = env or {}
        self.preexec = preexec
        self.process = None
        self.runs = 0
        self.config_path = directory / "lockserver.conf"
        self.configure(config or {}, sections)

    def configure(self, general, sections=""):
        """Write the configuration file: a size of 1 and no log file unless `general` says otherwise."""
        options = {"SERVER": self.address, "DEFAULT_LOCK": "DefaultLock", "LOGLEVEL": "debug", **general}
        lines = "".join(f"{name}={value}\n" for name, value in options.items())
        self.config_path.write_text(f"[general]\n{lines}\n{sections}\n")

    def command(self):
        """The command line of the next process."""
        store = ["--store", self.store] if self.store else []
        return [*self.prefix, binary(), "--config", str(self.config_path), "--port", str(self.port),
                "--admin-socket", "admin.sock", *store]

    def spawn(self, command=None, **popen):
        """Start the process without waiting for its ready line."""
        self.runs += 1
        self.out_path = self.directory / f"out.{self.runs}"
        self.err_path = self.directory / f"err.{self.runs}"
        env = {name: value for name, value in os.environ.items() if not name.startswith(("LOCKSERVER_", "LISTEN_"))}
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                command or self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env={**env, **self.env}, preexec_fn=self.preexec, cwd=self.directory, **popen)
        return self

    def wait_ready(self):
        """Wait for the ready line and take the port from it: later starts use the same one."""
        def ready():
            found = READY.search(self.out_path.read_text())
            assert found or self.process.poll() is None, f"ended with {self.process.poll()} before ready:\n{self.log()}"
            return found
        found = until(ready, self.ready_within_s, f"ready line of the server; its log:\n{self.log()}")
        self.port = int(found.group(2))
        self.address = "127.0.0.1" if found.group(1) == "0.0.0.0" else found.group(1)
        return self

    def start(self):
        """Start the process and wait until it serves."""
        return self.spawn().wait_ready()

    @property
    def at(self):
        """Address and port, for a socket."""
        return (self.address, self.port)

    @property
    def url(self):
        """The URL that an XML-RPC client is given."""
        return f"http://{self.address}:{self.port}/RPC2"

    @property
    def pid(self):
        """The pid of the running process."""
        return self.process.pid

    def log(self):
        """All that every process of this server wrote to standard error."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("err.*")))

    def signal(self, number):
        """Send a signal to the process; if it is to stand still, wait until it does."""
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            # One of its threads has to get a processor first, to stop the others. On a busy machine those go on until then.
            until(self._stands_still, STOP_WITHIN_S, "every thread is stopped")

    def _stands_still(self):
        stats = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/stat")
        try:
            return all(path.read_text().rpartition(")")[2].split()[0] == "T" for path in stats)
        except (FileNotFoundError, ProcessLookupError):
            # A thread has just ended.
            return False

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def ended(self, seconds=STOP_WITHIN_S):
        """Wait for the process to end by itself; its exit code."""
        return self.process.wait(seconds)

    def stop(self):
        """SIGTERM and a clean end, if it runs."""
        if self.process is None or self.process.poll() is not None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(self.stop_within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop within {self.stop_within_s} s of SIGTERM:\n{self.log()}") from None
        assert code == 0, f"exit code {code} after SIGTERM:\n{self.log()}"

    def check_log(self):
        """No panic, in any run."""
        for path in [*self.directory.glob("err.*"), *self.directory.glob("*.log*")]:
            panics = [line for line in path.read_text(errors="replace").splitlines() if "panicked" in line]
            assert not panics, f"{path.name}: {panics}"

    def restart(self):
        """kill -9 and start again on the same port and store; seconds until ready."""
        self.kill()
        begin = time.monotonic()
        self.start()
        return time.monotonic() - begin
