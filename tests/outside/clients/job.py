"""One job on the published client: ready, wait for a line, ask, wait, work, release, and say when each happened.

Usage: job.py URL LOCK SECONDS; prints `ready`, `queried` when it has its id, then a line of JSON.
"""

from __future__ import print_function

import json
import sys
import time

import lockcli

url, name, work = sys.argv[1], sys.argv[2], float(sys.argv[3])
print("ready")
sys.stdout.flush()
sys.stdin.readline()
lock = lockcli.Lock(url, name)
times = {"asked": time.time()}
assert lock.lock_query("job")
times["queried"] = time.time()
print("queried")
sys.stdout.flush()
assert lock.lock_wait()
times["got"] = time.time()
time.sleep(work)
times["left"] = time.time()
assert lock.lock_release()
times["done"] = time.time()
print(json.dumps(times))
