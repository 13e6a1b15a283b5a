"""The server of `lockctl --local`: found by its directory, and stopped by the pid that its socket tells."""

import contextlib
import os
import pathlib
import signal
import socket
import struct

from .wait import until

STOP_WITHIN_S = 20


class Place:
    """The directory of a local server."""

    def __init__(self, state):
        self.directory = pathlib.Path(state) / "lockserver" / "local"
        self.socket = self.directory / "sock"

    def connect(self):
        """A connection to it. Raises OSError if nobody serves."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self.socket))
        except OSError:
            connection.close()
            raise
        return connection

    def pid(self):
        """The process that serves, or None."""
        try:
            with self.connect() as connection:
                return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        except OSError:
            return None

    def processes(self):
        """The pids of all servers that were started for this directory and have not ended, the one that serves or not."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if str(self.directory / "server.conf").encode() in words and b"run" not in words:
                    found.append(int(path.parent.name))
        return found

    def log(self):
        """What the server had to say: nothing, if all is well."""
        path = self.directory / "server.log"
        return path.read_text() if path.exists() else ""

    def stop(self):
        """End every server of this directory."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        until(lambda: not self.processes(), STOP_WITHIN_S, "the local server ends")
