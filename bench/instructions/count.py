"""Instructions that one step, record, commit and request take, counted by callgrind and compared with baseline.json.

A busy machine makes everything slower, but no program execute more. Each thing is done often and more often, and the
difference of the two counts, for one time, is what it takes: start and end are left out. See CONTRIBUTING.md.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "outside"))

from harness.server import Server  # noqa: E402
from harness.wire import Connection, request  # noqa: E402

BASELINE = pathlib.Path(__file__).with_name("baseline.json")
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROFILES = TARGET / "instructions"
TOLERANCE = 0.05
# Three counts that are to become the baseline differ by no more.
SPREAD_MAX = 0.02
# How often each thing is done in the shorter and in the longer run. The shorter one is long enough for all to be as it stays:
# tickets are forgotten as fast as they are made.
TIMES = {"step": (200, 1200), "codec": (200, 1200), "commit": (200, 1200), "request": (100, 600)}
RUN_WITHIN_S = 300
SEGMENT_BYTES = 88

# glibc chooses memcpy and others by what the processor can do. All x86-64 have SSE2; who does not know a name here passes it over.
TUNABLES = "glibc.cpu.hwcaps=" + ",".join(
    f"-{name}" for name in ("AVX512VL", "AVX512BW", "AVX2", "AVX_Fast_Unaligned_Load", "SSSE3", "Fast_Unaligned_Copy", "ERMS", "FSRM"))


def callgrind(what, count):
    """The words before a program that let callgrind count it. What it counted stays for callgrind_annotate."""
    PROFILES.mkdir(parents=True, exist_ok=True)
    # Threads get the processor in turn: else one of them may wait for seconds while others look in vain for work.
    return ["valgrind", "--tool=callgrind", "--fair-sched=yes", f"--callgrind-out-file={PROFILES / what}.{count}"]


def collected(log):
    """What callgrind says at the end that it has counted."""
    found = re.findall(r"^==\d+== Collected : (\d+)$", log, re.M)
    if len(found) != 1:
        sys.exit(f"FAILED instructions: callgrind did not say what it counted:\n{log}")
    return int(found[0])


def count_program(what, count):
    """Instructions of bench/instructions doing that."""
    command = [*callgrind(what, count), TARGET / "debug" / "instructions", what, str(count)]
    # Nothing of who runs this gets in.
    env = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    done = subprocess.run(command, env={**env, "GLIBC_TUNABLES": TUNABLES}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=RUN_WITHIN_S)
    if done.returncode != 0:
        sys.exit(f"FAILED instructions: `instructions {what} {count}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return collected(done.stderr)


class SlowServer(Server):
    """A server that callgrind counts, on a machine that may be busy."""
    ready_within_s = stop_within_s = RUN_WITHIN_S


def count_server(what, count):
    """Instructions of a server of which a permit is taken and given back that often, over one connection."""
    with tempfile.TemporaryDirectory() as directory:
        env = {"GLIBC_TUNABLES": TUNABLES, "TOKIO_WORKER_THREADS": "1"}
        server = SlowServer(pathlib.Path(directory), {"LOGLEVEL": "warning"}, "[lock one]\nSIZE=1\n", "memory", callgrind(what, count), env)
        server.spawn()
        try:
            server.wait_ready()
            with ShortSegments(server.at, timeout=RUN_WITHIN_S) as connection:
                for _ in range(count):
                    cycle(server, connection)
            server.stop()
        finally:
            if server.process.poll() is None:
                server.kill()
        return collected(server.log())


class ShortSegments(Connection):
    """A connection whose answers come in several segments: those the kernel acknowledges at once. An acknowledgement that came when
    this client reads would have the server look for it the more often the slower the client is."""

    def __init__(self, at, timeout):
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(at)
        self.buffer = b""


def cycle(server, connection):
    """Take a permit and give it back."""
    body = b'{"wait_s":10}'
    headers = ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    taken = answer(server, connection, request(body, headers, path="/v1/locks/one/tickets", length=False))
    assert taken.status == 201, taken.text
    given = answer(server, connection, request(b"", method="DELETE", path=f"/v1/tickets/{json.loads(taken.body)['id']}", length=False))
    assert given.status == 200, given.text


def answer(server, connection, data):
    """Send a request to a server that waits for one. One that is still busy when it comes goes to sleep less often: then the
    count would tell how fast this client is."""
    looks = 0
    while looks < 2:
        time.sleep(0.0005)
        looks = looks + 1 if sleeps(server.pid) else 0
    connection.send(data)
    return connection.read()


def sleeps(pid):
    """Whether all threads of a process wait for something."""
    stats = pathlib.Path(f"/proc/{pid}/task").glob("*/stat")
    return all(path.read_text().rpartition(")")[2].split()[0] == "S" for path in stats)


def count_all():
    """Instructions of each thing, done once."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        asked = {(what, times): pool.submit(count_server if what == "request" else count_program, what, times)
                 for what, both in reversed(TIMES.items()) for times in both}
        counts = {key: one.result() for key, one in asked.items()}
    return {what: round((counts[what, more] - counts[what, fewer]) / (more - fewer)) for what, (fewer, more) in TIMES.items()}


def made_with():
    """What else the counts depend on."""
    def first_line(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()[0]
    return {"glibc": " ".join(platform.libc_ver()), "rustc": first_line("rustc", "--version"), "valgrind": first_line("valgrind", "--version")}


def compare(before, now):
    """The table, and a sentence for each count that is not what it was."""
    lines, failures = [f"{'what':<10}{'baseline':>12}{'now':>12}{'difference':>12}"], []
    for what, count in now.items():
        base = before.get(what)
        if base is None:
            lines.append(f"{what:<10}{'-':>12}{count:>12,}{'-':>12}")
            failures.append(f"{what}: it is not in the baseline: add it with `scripts/instructions --write`")
            continue
        change = (count - base) / base
        lines.append(f"{what:<10}{base:>12,}{count:>12,}{change:>+12.1%}")
        if change > TOLERANCE:
            failures.append(f"{what}: it takes {change:.1%} more instructions: `callgrind_annotate {PROFILES / what}.{TIMES[what][1]}` shows "
                            "where. If what they buy is worth them, `scripts/instructions --write` makes them the baseline, and the commit says why")
        elif change < -TOLERANCE:
            failures.append(f"{what}: it takes {-change:.1%} fewer instructions. So that it stays so, make that the baseline: "
                            "`scripts/instructions --write`")
    return lines, failures


def write(baselines, machine):
    """Count three times, and make the middle ones the baseline of machines like this one."""
    runs = [count_all() for _ in range(3)]
    counts = {what: sorted(run[what] for run in runs) for what in TIMES}
    print(f"{'what':<10}{'lowest':>12}{'middle':>12}{'highest':>12}{'spread':>9}")
    spreads = {what: three[2] / three[0] - 1 for what, three in counts.items()}
    for what, three in counts.items():
        print(f"{what:<10}" + "".join(f"{one:>12,}" for one in three) + f"{spreads[what]:>9.2%}")
    unsteady = [what for what, spread in spreads.items() if spread > SPREAD_MAX]
    if unsteady:
        sys.exit(f"FAILED instructions: not written, for three counts differ by more than {SPREAD_MAX:.0%} ({', '.join(unsteady)}): "
                 "try again when less else runs here")
    baselines[machine] = {"instructions": {what: three[1] for what, three in counts.items()}, "made_with": made_with()}
    new = BASELINE.with_suffix(".new")
    new.write_text(json.dumps(baselines, indent=2, sort_keys=True) + "\n")
    new.replace(BASELINE)
    print(f"written: {BASELINE.relative_to(ROOT)}, {machine}. Commit it with what changed them.")


def main():
    """Compare, or write."""
    arguments = argparse.ArgumentParser(prog="scripts/instructions", description=__doc__.splitlines()[0])
    arguments.add_argument("--write", action="store_true", help="make what is counted the baseline")
    arguments.add_argument("--release", action="store_true", help="count a request of the release build, and compare it with nothing")
    asked = arguments.parse_args()
    if asked.release:
        os.environ["LOCKSERVER_BIN"] = str(TARGET / "release" / "lockserver")
        fewer, more = TIMES["request"]
        print(f"a cycle of the release build: {(count_server('request', more) - count_server('request', fewer)) / (more - fewer):,.0f} instructions; "
              f"{PROFILES / 'request'}.{more} has where")
        return
    # The baseline is of what cargo builds, in the profile of the tests.
    os.environ.pop("LOCKSERVER_BIN", None)
    baselines = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    machine = platform.machine()
    if asked.write:
        write(baselines, machine)
        return
    before = baselines.get(machine, {"instructions": {}, "made_with": {}})
    lines, failures = compare(before["instructions"], count_all())
    print("\n".join(lines))
    for name, here in made_with().items():
        there = before["made_with"].get(name, here)
        if there != here:
            print(f"The baseline was counted with {there}, this with {here}. If only that differs, a baseline written here, from the "
                  "commit before the change, is what to compare with.")
    for failure in failures:
        print(f"FAILED {failure}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
