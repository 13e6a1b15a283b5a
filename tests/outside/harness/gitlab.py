"""A runner of GitLab as far as a component needs one: inputs, the script that it gives to a shell, its variables, how it cancels."""

import os
import re
import signal
import subprocess

import yaml

from .ctl import environment
from .paths import ROOT

HOME = ROOT / "clients" / "gitlab-component"
#: The two kinds of shells for which a runner writes scripts. What a job says is one word for `eval`, at the end of a pipe.
SHELLS = {
    "bash": "set -eo pipefail\nset +o noclobber\n",
    "dash": "if set -o | grep pipefail >/dev/null; then set -o pipefail; fi\nset -o errexit\nset +o noclobber\n",
}


class WrongInput(Exception):
    """GitLab would make no pipeline."""


def component(name, **given):
    """The jobs of a component with these inputs."""
    text = (HOME / "templates" / f"{name}.yml").read_text()
    head, body = text.split("\n---\n")
    inputs = yaml.safe_load(head)["spec"]["inputs"]
    if unknown := set(given) - set(inputs):
        raise WrongInput(f"there are no inputs {unknown}")

    def value(match):
        key = match[1]
        declared = inputs[key]
        found = given.get(key, declared.get("default"))
        if found is None:
            raise WrongInput(f"{key} is required")
        if declared.get("type", "string") == "number" and not isinstance(found, (int, float)):
            raise WrongInput(f"{key} is a number")
        if "regex" in declared and not re.search(declared["regex"], str(found)):
            raise WrongInput(f"{key} does not match")
        return str(found)

    return yaml.safe_load(re.sub(r"\$\[\[ inputs\.([a-z]+) \]\]", value, body))


class Job:
    """One job that extends the component's, in a shell."""

    def __init__(self, directory, shell, number, script, jobs, prefix=(), **variables):
        (self.job,) = jobs.values()
        self.script, self.shell, self.prefix = script, shell, prefix
        checkout = directory / "checkout"
        checkout.mkdir(exist_ok=True)
        own = {"CI": "true", "CI_PROJECT_DIR": str(checkout), "CI_JOB_ID": str(number), "CI_PROJECT_PATH": "acme/shop", "CI_JOB_NAME": 'deploy: ["a\\b"]',
               "CI_JOB_URL": f"https://gitlab.example.com/acme/shop/-/jobs/{number}", **variables}
        # A runner replaces variables in variables.
        set_up = {name: re.sub(r"\$(CI_[A-Z_]+)", lambda found: own[found[1]], text) for name, text in self.job["variables"].items()}
        self.environment = environment(**own, **set_up)
        self.log = directory / f"log.{number}"
        self.process = None

    def _start(self, parts):
        quoted = "\n".join(parts).replace("'", "'\\''")
        words = f"{SHELLS[self.shell]}: | eval '{quoted}'\nexit 0\n"
        with open(self.log, "a") as log:
            process = subprocess.Popen([*self.prefix, self.shell], env=self.environment, cwd=self.environment["CI_PROJECT_DIR"], stdin=subprocess.PIPE,
                                       stdout=log, stderr=log, text=True, start_new_session=True)
        process.stdin.write(words)
        process.stdin.close()
        return process

    def start(self):
        """Start before_script and script, which share a shell."""
        self.process = self._start([*self.job["before_script"], self.script])
        return self

    def ended(self, seconds=60):
        """Whether it succeeded, once it has ended."""
        return self.process.wait(seconds) == 0

    def cancel(self, number=signal.SIGTERM):
        """What a runner does to the group of the job's shell."""
        os.killpg(self.process.pid, number)
        return self.process.wait(60)

    def after(self):
        """Run after_script, in a shell of its own. Its failure would fail nothing, but say so."""
        process = self._start(self.job["after_script"])
        assert process.wait(60) == 0, self.said()
        return self.said()

    def said(self):
        """Its log so far."""
        return self.log.read_text()

    def left(self):
        """Processes of its group that have not ended."""
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and os.getpgid(int(name)) == self.process.pid:
                    with open(f"/proc/{name}/stat") as stat:
                        if stat.read().rpartition(")")[2].split()[0] != "Z":
                            found.append(int(name))
            except (ProcessLookupError, FileNotFoundError):
                continue
        return found

    def end(self):
        """Nothing of it goes on."""
        if self.process is not None and (self.process.poll() is None or self.left()):
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait(60)
