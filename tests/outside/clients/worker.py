"""Jobs on the published client, one after another, until standard input says stop; each is a line of JSON.

Usage: worker.py URL LOCK SECONDS; prints `ready` first, and begins with the first line that comes.
"""

from __future__ import print_function

import json
import sys
import threading
import time

import lockcli

url, name, work = sys.argv[1], sys.argv[2], float(sys.argv[3])
stopping = threading.Event()


def read():
    sys.stdin.readline()
    stopping.set()


print("ready")
sys.stdout.flush()
sys.stdin.readline()
reader = threading.Thread(target=read)
reader.daemon = True
reader.start()
while not stopping.is_set():
    lock = lockcli.Lock(url, name)
    times = {"asked": time.time()}
    assert lock.lock_query("worker")
    times["queried"] = time.time()
    assert lock.lock_wait()
    times["got"] = time.time()
    time.sleep(work)
    times["left"] = time.time()
    times["released"] = lock.lock_release()
    times["done"] = time.time()
    print(json.dumps(times))
    sys.stdout.flush()
