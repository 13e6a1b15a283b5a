"""A client that asks for a permit and then waits in get_lock until it has it, polling as 0.36's client does.

Usage: waiter.py ADDRESS PORT LOCK; prints `queried ID`, `waiting` each time a get_lock is on its way, and `got`.
It holds until a line comes on its standard input, releases, and prints `released`.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness.wire import Connection  # noqa: E402

address, port, lock = sys.argv[1:4]
with Connection((address, int(port)), timeout=120) as connection:
    ticket = connection.query("waiter", lock)
    print("queried", ticket, flush=True)
    got = False
    while not got:
        connection.wait(ticket, lock)
        print("waiting", flush=True)
        got = connection.answer()[1]
    print("got", flush=True)
    sys.stdin.readline()
    assert connection.release(ticket, lock)
    print("released", flush=True)
