"""etcd as a process, for servers that share a store: one member or three, on loopback addresses of this test."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request

from .paths import ROOT
from .server import Server, own_address
from .wait import until


def program():
    """Debian's etcd: on the PATH, or where scripts/setup-tests has unpacked it."""
    found = shutil.which("etcd") or ROOT / "target" / "etcd" / "usr" / "bin" / "etcd"
    assert os.access(found, os.X_OK), "no etcd: run scripts/setup-tests, or install the Debian package etcd-server"
    return str(found)


def free_port(address):
    """A port that nobody has now."""
    with socket.socket() as listener:
        listener.bind((address, 0))
        return listener.getsockname()[1]


class Member:
    """One member. It keeps its addresses over its processes."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        self.address = own_address()
        self.client = f"http://{self.address}:{free_port(self.address)}"
        self.peer = f"http://{self.address}:{free_port(self.address)}"
        self.process = None

    def spawn(self, cluster, state="new"):
        """Start its process."""
        with open(self.directory / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                [program(), "--name", self.name, "--data-dir", str(self.directory / self.name),
                 "--listen-client-urls", self.client, "--advertise-client-urls", self.client,
                 "--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer,
                 "--initial-cluster", cluster, "--initial-cluster-state", state, "--logger", "zap",
                 "--heartbeat-interval", "50", "--election-timeout", "500"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def is_healthy(self):
        """Whether it has a leader."""
        assert self.process.poll() is None, (self.directory / f"{self.name}.log").read_text(errors="replace")
        try:
            with urllib.request.urlopen(f"{self.client}/health", timeout=2) as answer:
                return json.load(answer)["health"] == "true"
        except OSError:
            return False

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def close(self):
        """End it, whatever it does."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()


class Etcd:
    """A cluster of members."""

    def __init__(self, directory, members=1):
        directory.mkdir(exist_ok=True)
        self.members = [Member(directory, f"m{number}") for number in range(members)]
        self.cluster = ",".join(f"{one.name}={one.peer}" for one in self.members)

    def start(self):
        """Start every member, and wait until they have a leader."""
        for one in self.members:
            one.spawn(self.cluster)
        for one in self.members:
            until(one.is_healthy, 30, "etcd is healthy")
        return self

    @property
    def store(self):
        """As the setting STORE is written."""
        return "etcd:" + ",".join(one.client for one in self.members)

    def put(self, key, value):
        """Write a key behind the servers' backs."""
        words = {"key": base64.b64encode(key.encode()).decode(), "value": base64.b64encode(value.encode()).decode()}
        asked = urllib.request.Request(f"{self.members[0].client}/v3/kv/put", json.dumps(words).encode())
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.status == 200

    def close(self):
        """End all members."""
        for one in self.members:
            one.close()


SECRET = "a secret that only these servers know\n"


class Pair:
    """Servers on one store, each known to the others."""

    def __init__(self, make_server, etcd, sections="", count=2, lease=3, **general):
        self.servers = []
        for number in range(count):
            server = make_server(general, of=Standing, store=etcd.store)
            secret = server.directory / "secret"
            secret.write_text(SECRET)
            secret.chmod(0o600)
            server.port = free_port(server.address)
            server.shared = (f"{sections}\n[etcd]\nLEASE={lease}\n"
                             f"[cluster]\nNAME=s{number}\nADVERTISE=http://{server.address}:{server.port}\nSECRET_FILE={secret}\n")
            server.configure(general, server.shared)
            self.servers.append(server)

    def start(self):
        """Start all, the first one as the leader."""
        for server in self.servers:
            server.start()
            until(lambda: self.leader() is not None, 20, "somebody leads")
        return self

    def roles(self):
        """What each server that runs says that it is."""
        return [server.status() for server in self.servers if server.process and server.process.poll() is None]

    def leader(self):
        """The server that leads."""
        for server in self.servers:
            if server.process and server.process.poll() is None and server.status().get("role") == "leader":
                if server.status()["ready"]:
                    return server
        return None

    def standby(self):
        """A server that runs and does not lead."""
        leader = self.leader()
        return next(one for one in self.servers if one is not leader and one.process and one.process.poll() is None)


class Standing(Server):
    """A server of several."""

    def status(self):
        """What it says of itself; nothing if it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}:{self.port}/v1/status", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return {}
