"""A script of tests/outside/clients as a process: what it prints arrives line by line, with a deadline."""

import os
import queue
import subprocess
import sys
import threading
import time

from .paths import CLIENTS


class Script:
    """A running script. `prefix` goes before its command, `env` is added to its environment."""

    def __init__(self, name, *arguments, python=None, prefix=(), env=None):
        command = [*prefix, python or sys.executable, str(CLIENTS / name), *map(str, arguments)]
        self.name, self.lines = name, queue.Queue()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self, seconds=30):
        """The next line that it prints."""
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"{self.name} printed nothing more for {seconds:.0f} s") from None
        assert line is not None, f"{self.name} ended with {self.process.wait()}"
        return line

    def expect(self, line, seconds=30):
        """The next line, which must be this one."""
        said = self.line(seconds)
        assert said == line, f"{self.name} said {said!r}, not {line!r}"

    def skip_to(self, line, seconds=30):
        """Lines until this one."""
        deadline = time.monotonic() + seconds
        while self.line(max(0, deadline - time.monotonic())) != line:
            pass

    def say(self, line):
        """Send a line to its standard input."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finish(self, seconds=30):
        """Close its standard input and wait for its good end; the lines that were left."""
        self.process.stdin.close()
        assert self.process.wait(seconds) == 0, f"{self.name} ended with {self.process.returncode}"
        return list(iter(self.lines.get, None))

    def kill(self):
        """kill -9, if it still runs."""
        self.process.kill()

    def close(self):
        """Kill it and wait for its end."""
        self.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()
