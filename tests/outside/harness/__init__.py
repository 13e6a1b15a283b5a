"""What the tests share: the server as a process, bytes on the wire, real clients, and waiting with a deadline."""
