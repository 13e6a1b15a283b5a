"""Prometheus' own judge of rules, configurations and metrics, and Prometheus itself: those on the PATH, or what
scripts/setup-tests unpacked."""

import json
import shutil
import socket
import subprocess
import urllib.parse

from .paths import ROOT
from .server import own_address
from .wire import get


def program(name):
    """Where it is."""
    return shutil.which(name) or ROOT / "target" / "prometheus" / "usr" / "bin" / name


def promtool(*arguments, **options):
    """Run it; what it said. It must be content."""
    done = subprocess.run([program("promtool"), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=100, **options)
    assert done.returncode == 0, f"promtool {' '.join(map(str, arguments))}\n{done.stdout}"
    return done.stdout


class Prometheus:
    """A server of its own, with its data in a directory."""

    def __init__(self, directory, config):
        with socket.create_server((own_address(), 0)) as free:
            self.at = free.getsockname()
        self.log = directory / "prometheus.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
                 f"--web.listen-address={self.at[0]}:{self.at[1]}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)

    def ask(self, path, **parameters):
        """The data of an answer of its API; None while it does not listen."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            response = get(self.at, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        except ConnectionRefusedError:
            return None
        if response.status == 503:
            return None
        answer = json.loads(response.body)
        assert answer["status"] == "success", answer
        return answer["data"]
