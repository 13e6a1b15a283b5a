"""The application of 0.36's README, on its published client (Python 2 or 3): ask, wait, do the hard job, give back.

Usage: readme_app.py URL LOCK
"""

from __future__ import print_function

import socket
import sys

import lockcli

lock = lockcli.Lock(sys.argv[1], sys.argv[2])
if not lock.lock_query("asked by %s" % socket.gethostname()):
    sys.exit("could not ask for a lock")
print("lock queried")
if not lock.lock_wait():
    sys.exit("could not get the lock")
print("lock acquired")
if not lock.lock_release():
    sys.exit("could not release the lock")
print("lock released")
