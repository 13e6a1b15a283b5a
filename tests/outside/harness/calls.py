"""The system calls of a running server in the order in which they were made: by strace(1)."""

import contextlib
import re
import subprocess

from .wait import until

TRACED = "pwrite64,write,writev,sendto,sendmsg,recvfrom,read,readv,fdatasync,fsync"
FLUSHES = "fdatasync,fsync"
LINE = re.compile(r"^(\d+)\s+(?:<\.\.\. (\w+) resumed>|(\w+)\((\d+)<([^>]*)>)(.*)$")
ATTACH_WITHIN_S = 20


class Call:
    """A system call: its name, what it is about, and the lines of the record at which it began and was over."""

    def __init__(self, name, about, text, began):
        self.name, self.about, self.text, self.began, self.over = name, about, text, began, None

    def __repr__(self):
        return f"{self.began}-{self.over} {self.name} {self.about} {self.text[:80]}"


def read(path):
    """The calls of a record; one that is not over says so by `over`."""
    calls, under_way = [], {}
    for number, line in enumerate(path.read_text(errors="replace").splitlines()):
        found = LINE.match(line)
        if not found:
            continue
        thread, resumed, name, _, about, text = found.groups()
        if resumed:
            call = under_way.pop(thread, None)
            if call:
                call.text += text
                call.over = number
            continue
        call = Call(name, about, text, number)
        calls.append(call)
        if "<unfinished" in text:
            under_way[thread] = call
        else:
            call.over = number
    return calls


@contextlib.contextmanager
def traced(server, *options):
    """Record the calls of a running server inside of the block. Gives the path of the record, which is complete after the block."""
    path = server.directory / "calls"
    said = server.directory / "strace"
    command = ["strace", "-f", "-y", "-s", "24", "-e", f"trace={TRACED}", "-o", path, *options, "-p", str(server.pid)]
    with open(said, "wb") as err:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
    try:
        until(lambda: b"attached" in said.read_bytes(), ATTACH_WITHIN_S, f"strace is attached: {said.read_bytes()}")
        yield path
    finally:
        process.terminate()
        process.wait()
