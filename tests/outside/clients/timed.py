"""How long the published client needs for ask + wait + release of a free lock, in seconds, one line for each round.

Usage: timed.py URL LOCK ROUNDS
"""

from __future__ import print_function

import sys
import time

import lockcli

for _ in range(int(sys.argv[3])):
    lock = lockcli.Lock(sys.argv[1], sys.argv[2])
    begin = time.time()
    assert lock.lock_query("timed") and lock.lock_wait() and lock.lock_release()
    print("%.6f" % (time.time() - begin))
