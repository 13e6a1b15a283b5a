"""A small service manager: listens for its service and hands the sockets over, keeps what it is asked to keep, and writes down
what it is told (sd_listen_fds(3), sd_notify(3)), as systemd does."""

import fcntl
import os
import signal
import socket
import threading
import time

from .server import STOP_WITHIN_S, Server
from .wait import until

# Below this nobody's sockets are, so that redirections of the shell do not meet.
HIGH = 200


class Service(Server):
    """A server that is started as a service. `listen`: addresses to listen on for it, by name; `watchdog` is in seconds."""

    def __init__(self, directory, *arguments, listen=None, abstract=False, watchdog=None, **options):
        super().__init__(directory, *arguments, **options)
        self.given = {name: self._listen(*at) for name, at in (listen or {}).items()}
        self.kept, self.messages, self.watchdog = {}, [], watchdog
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if abstract:
            self.socket.bind(f"\0lockserver-test-{os.getpid()}-{id(self)}")
            self.notify = "@" + self.socket.getsockname()[1:].decode()
        else:
            self.notify = str(directory / "notify")
            self.socket.bind(self.notify)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _listen(self, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family, backlog=4096)

    def _read(self):
        while True:
            data, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 16)
            message = dict(line.split("=", 1) for line in data.decode().splitlines())
            if message == {"END": ""}:
                return
            if message.get("FDSTOREREMOVE") == "1":
                for descriptor in self.kept.pop(message["FDNAME"], []):
                    os.close(descriptor)
            if message.get("FDSTORE") == "1":
                self.kept.setdefault(message["FDNAME"], []).extend(descriptors)
            self.messages.append((time.monotonic(), message))

    def spawn(self, command=None, **popen):
        """Start the next process with every socket that there is for it."""
        sockets = [(name, one.fileno()) for name, one in self.given.items()]
        sockets += [(name, one) for name, descriptors in self.kept.items() for one in descriptors]
        high = [fcntl.fcntl(one, fcntl.F_DUPFD, HIGH) for _, one in sockets]
        # The pid of the server is only known in the child itself.
        script = "export LISTEN_PID=$$ WATCHDOG_PID=$$; " if sockets else "export WATCHDOG_PID=$$; "
        script += 'exec "$@" ' + " ".join(f"{number}<&{one} {one}<&-" for number, one in enumerate(high, 3))
        self.env["NOTIFY_SOCKET"] = self.notify
        self.env.update({"LISTEN_FDS": str(len(high)), "LISTEN_FDNAMES": ":".join(name for name, _ in sockets)} if high else {})
        self.env.update({"WATCHDOG_USEC": str(int(self.watchdog * 1e6))} if self.watchdog else {})
        self.since = len(self.messages)
        try:
            return super().spawn(["bash", "-c", script, "sh", *(command or self.command())], pass_fds=high, **popen)
        finally:
            for one in high:
                os.close(one)

    def told(self, name, value=None, since=None, seconds=20):
        """Wait until the present process has said this; when, and the message. `since` counts messages."""
        def found():
            for at, message in self.messages[self.since if since is None else since:]:
                if name in message and value in (None, message[name]):
                    return at, message
            return None
        return until(found, seconds, f"{name}={value or ''} among {self.messages[self.since:]}")

    def all_told(self, name):
        """When the present process has said this, each time."""
        return [at for at, message in self.messages[self.since:] if name in message]

    def start(self):
        """Start the process and wait until it says that it serves."""
        self.spawn().wait_ready()
        self.told("READY", "1")
        return self

    def restart_in_order(self):
        """What `systemctl restart` does; when it began and when the next process serves, as time.time() tells it."""
        began = time.time()
        self.signal(signal.SIGTERM)
        assert self.ended(STOP_WITHIN_S) == 0, self.log()
        self.start()
        return began, time.time()

    def close(self):
        """Close all sockets."""
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sender.sendto(b"END=", "\0" + self.notify[1:] if self.notify[0] == "@" else self.notify)
        sender.close()
        self.reader.join(10)
        self.socket.close()
        for one in self.given.values():
            one.close()
        for descriptors in self.kept.values():
            for one in descriptors:
                os.close(one)
