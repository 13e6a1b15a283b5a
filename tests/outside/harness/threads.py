"""Single threads of a process that stand still while its others go on, as a busy machine does it to them at times: by ptrace(2)."""

import contextlib
import ctypes
import os
import pathlib

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
DETACH, SEIZE, INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000


def _ptrace(request, thread):
    if _libc.ptrace(request, thread, None, None) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace({request:#x}) of thread {thread}: {os.strerror(error)}")


def threads(pid, name):
    """The threads of a process that have this name."""
    found = [int(path.parent.name) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/comm") if path.read_text() == f"{name}\n"]
    assert found, f"process {pid} has no thread {name}"
    return found


@contextlib.contextmanager
def standing_still(pid, name):
    """The threads of this name stand still inside of the block. Only the thread that has stopped them may let them go on."""
    stopped = []
    try:
        for thread in threads(pid, name):
            _ptrace(SEIZE, thread)
            _ptrace(INTERRUPT, thread)
            os.waitpid(thread, WALL)
            stopped.append(thread)
        yield
    finally:
        for thread in stopped:
            _ptrace(DETACH, thread)
