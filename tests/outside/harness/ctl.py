"""lockctl as a process, with an environment without surprises."""

import os
import subprocess
import time

from .paths import lockctl

#: What tells of a hold that lockctl may be started inside of, or of a proxy of the machine.
FOREIGN = ("LOCK_", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def environment(at=None, **more):
    """The environment, with the server `at` (a Server or an address)."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    if at is not None:
        env["LOCK_SERVER"] = at if isinstance(at, str) else f"http://{at.address}:{at.port}"
    return {**env, "PATH": f"{os.path.dirname(lockctl())}:{env['PATH']}", **more}


def run(at, *words, env=None, seconds=60, **popen):
    """Run it to its end."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **popen}
    return subprocess.run([lockctl(), *words], env=environment(at, **(env or {})), timeout=seconds, check=False, **options)


def timed(at, *words, **options):
    """The same, with the seconds that it took."""
    begin = time.monotonic()
    done = run(at, *words, **options)
    return done, time.monotonic() - begin
