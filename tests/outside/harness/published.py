"""The client of 0.36, as scripts/published-client left it: for Python 2 as it is, for Python 3 converted."""

import functools
import json

from .paths import PUBLISHED


@functools.lru_cache(maxsize=None)
def clients():
    """Each way to run it: name -> (interpreter, environment). At least one, or the set-up says what is missing."""
    state = PUBLISHED / "state.json"
    if not state.exists():
        raise RuntimeError(f"no {state}: run scripts/setup-tests (make test does)")
    found = json.loads(state.read_text())["clients"]
    return {name: (one["python"], {"PYTHONPATH": one["path"]}) for name, one in found.items()}


def old_config():
    """The configuration file in the published archive."""
    return PUBLISHED / "lockserver-0.36" / "etc" / "lockserver.conf"
