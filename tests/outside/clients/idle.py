"""Open many connections that say nothing, or only the begin of a request, and hold them until standard input ends.

Usage: idle.py ADDRESS PORT COUNT BEGIN; prints `open N` when all are there.
"""

import resource
import socket
import sys

address, port, count, begin = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
if hard < count + 100:
    sys.exit(f"this needs {count + 100} open files, and the hard limit (ulimit -Hn) is {hard}")
connections = []
for _ in range(count):
    connection = socket.create_connection((address, port), 30)
    connection.sendall(begin.encode())
    connections.append(connection)
print("open", len(connections), flush=True)
sys.stdin.read()
