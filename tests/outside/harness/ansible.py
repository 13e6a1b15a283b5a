"""Ansible, with the collection installed as a user does, and playbooks that run on this machine."""

import json
import os
import pathlib
import signal
import subprocess

from .ctl import environment
from .paths import ROOT

HOME = ROOT / "clients" / "ansible"
BIN = ROOT / "target" / "ansible" / "bin"


def _program(name):
    path = BIN / name
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"no {path}: run scripts/setup-tests (make test does)")
    # Its first line names the Python of the place where it was installed.
    return [str(BIN / "python"), str(path)]


class Ansible:
    """An installation for one user."""

    def __init__(self, directory):
        self.directory = directory
        self.environment = environment(
            HOME=str(directory), ANSIBLE_HOME=str(directory / "home"), ANSIBLE_COLLECTIONS_PATH=str(directory / "collections"), ANSIBLE_NOCOLOR="1",
            ANSIBLE_LOCALHOST_WARNING="false", ANSIBLE_INVENTORY_UNPARSED_WARNING="false", ANSIBLE_PYTHON_INTERPRETER=str(BIN / "python"),
            ANSIBLE_REMOTE_TMP=str(directory / "tmp"), ANSIBLE_CALLBACK_RESULT_FORMAT="json", LC_ALL="C.UTF-8")
        made = self.run("ansible-galaxy", "collection", "build", "--output-path", directory, HOME)
        assert made.returncode == 0, made.stdout
        (self.archive,) = directory.glob("*.tar.gz")
        done = self.run("ansible-galaxy", "collection", "install", "--offline", "--collections-path", directory / "collections", self.archive)
        assert done.returncode == 0, done.stdout

    def run(self, program, *words, seconds=90, **more):
        """Run one of its programs to its end."""
        return subprocess.run([*_program(program), *map(str, words)], env={**self.environment, **more}, cwd=self.directory, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False)


class Play:
    """A playbook for this machine, given as data. JSON is YAML, too."""

    def __init__(self, ansible, directory, tasks, server, *words, **more):
        self.path = directory / "play.json"
        self.log = directory / "log"
        self.path.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
        environment = {**ansible.environment, "LOCK_SERVER": f"http://{server.address}:{server.port}", **more}
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([*_program("ansible-playbook"), str(self.path), *words], env=environment, cwd=directory,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True, start_new_session=True)

    def said(self):
        """What it has printed so far."""
        return self.log.read_text()

    def ended(self, seconds=90):
        """Whether it succeeded, once it has ended."""
        return self.process.wait(seconds) == 0

    def terminate(self):
        """SIGTERM to its process group, as a CI system sends it. Workers of later versions have groups of their own, which it ends."""
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)

    def end(self):
        """Nothing of it goes on."""
        for pid in [*_below(self.process.pid), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(60)


def _below(pid):
    """The processes that a process has started, and those that they have."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in map(int, task.read_text().split()):
                found += [*_below(child), child]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
