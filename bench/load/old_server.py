"""Run the published lockserver 0.36 (Python 2.7) on a configuration of our own instead of /etc.

Usage: python2.7 old_server.py DIRECTORY_OF_0.36 DIRECTORY_WITH_lockserver.conf
"""

import runpy
import sys

source, etc = sys.argv[1:3]
sys.path.insert(0, source)
sys.argv = ["lockserver"]

import config  # noqa: E402  the module of 0.36, found in `source`

config.set_paths([etc + "/"])
config.set_paths = lambda paths: None
runpy.run_path(source + "/lockserver", run_name="__main__")
