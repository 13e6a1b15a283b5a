"""Real Terraforms, each in a directory of its own, and a small server for their state."""

import http.server
import os
import signal
import subprocess
import threading

from .paths import ROOT

#: The versions that scripts/setup-tests brings.
VERSIONS = ("1.0.3", "0.11.11")


def program(version):
    """The path of a Terraform."""
    path = ROOT / "target" / "terraform" / f"terraform-{version}"
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"no {path}: run scripts/setup-tests (make test does)")
    return str(path)


class States(http.server.ThreadingHTTPServer):
    """States by path, as the `http` backend reads and writes them; locks are elsewhere. While the gate is shut a write waits, and so
    whoever writes holds its lock."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.states = {}
        self.written = []
        self.gate = threading.Event()
        self.gate.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        """Where the states are."""
        return "http://{}:{}".format(*self.server_address)

    def close(self):
        """Stop."""
        self.gate.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        state = self.server.states.get(self.path)
        self.send_response(404 if state is None else 200)
        self.send_header("Content-Length", str(len(state or b"")))
        self.end_headers()
        self.wfile.write(state or b"")

    def do_POST(self):
        path = self.path.partition("?")[0]
        state = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.gate.wait(120)
        self.server.states[path] = state
        self.server.written.append(self.server.states[path])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing: who fails says what he got."""


class Terraform:
    """A checkout whose only content is an output, so that no provider is needed."""

    def __init__(self, directory, version, states, lock, unlock=None, value="x", **environment):
        self.directory, self.program = directory, program(version)
        directory.mkdir()
        (directory / "main.tf").write_text(f'''
terraform {{
  backend "http" {{
    address        = "{states.url}/network"
    lock_address   = "{lock}"
    unlock_address = "{unlock or lock}"
    lock_method    = "LOCK"
    unlock_method  = "UNLOCK"
  }}
}}
output "by" {{
  value = "{value}"
}}
''')
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", **environment}
        done = self.run("init", "-input=false", "-no-color")
        assert done.returncode == 0, done.stdout

    def run(self, *words, seconds=60):
        """Run it to its end."""
        return subprocess.run([self.program, *words], cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False)

    def start(self, *words):
        """Start it."""
        return subprocess.Popen([self.program, *words], cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def kill(process):
    """kill -9. Terraform is two processes, of which the second works."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
