"""`python -m lockserver_client`: this is a library; the command line of lockserver is lockctl."""

import contextlib
import shutil
import sys

#: Wrong use of a command line, as lockctl says it (sysexits.h).
EX_USAGE = 64


def main() -> int:
    """Say where to go."""
    found = shutil.which("lockctl")
    where = f"it is installed here: {found}" if found else "it comes with the server"
    # Where nobody can read it, the status says it all the same.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(
            "lockserver_client is a library, not a command. For the command line use lockctl: "
            f"{where}.\n\n    lockctl status\n    lockctl run -w 60 DefaultLock -- ./nightly-backup.sh\n"
        )
        sys.stderr.flush()
    return EX_USAGE


if __name__ == "__main__":
    sys.exit(main())
