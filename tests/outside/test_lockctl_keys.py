"""lockctl with keys: where it takes them from, what it says without, and what it never says."""

import json
import os
import re
import subprocess

import pytest

from harness.keys import NONE, ask, new_key
from harness.paths import lockctl
from harness.wait import until


@pytest.fixture
def keys(make_server):
    """A server and the secrets of: ci, which may use `one`; eyes, which may observe; ops, which may do everything."""
    made = {name: new_key(name, RIGHTS=rights, LOCKS=locks)
            for name, rights, locks in [("ci", "use", "one"), ("eyes", "observe", "*"), ("ops", "admin", "*")]}
    sections = "".join(section for _, section in made.values())
    server = make_server(sections=NONE + sections + "[lock one]\nSIZE=1\n[lock two]\nSIZE=1\n").start()
    return server, {name: secret for name, (secret, _) in made.items()}


def run(server, *words, **environment):
    """Run lockctl to its end; what it says never has a secret in it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOCK_")}
    env = {**env, "LOCK_SERVER": f"http://{server.address}:{server.port}", **environment}
    done = subprocess.run([lockctl(), *map(str, words)], env=env, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60)
    assert "lsk_" not in done.stdout + done.stderr, done
    return done


@pytest.fixture
def key_file(tmp_path):
    def write(secret, mode=0o600, name="key"):
        path = tmp_path / name
        path.unlink(missing_ok=True)
        path.touch()
        path.chmod(mode)
        path.write_text(secret + "\n")
        return path
    return write


def test_the_three_ways_to_give_a_key(keys, key_file):
    server, secret = keys
    file = key_file(secret["ci"])
    other = key_file("lsk_" + "x" * 43, name="other")
    work = ("run", "one", "--", "sh", "-c", "echo at work for $LOCK_NAME; env")
    for words, environment in [
        ((), {"LOCK_KEY": secret["ci"]}),
        ((), {"LOCK_KEY_FILE": str(file)}),
        (("--key-file", file), {}),
        # What is nearer counts.
        (("--key-file", file), {"LOCK_KEY_FILE": str(other)}),
        ((), {"LOCK_KEY_FILE": str(file), "LOCK_KEY": "lsk_" + "x" * 43}),
    ]:
        done = run(server, *words, *work, **environment)
        assert done.returncode == 0 and "at work for one\n" in done.stdout, done
        assert "LOCK_KEY=" not in done.stdout, "the command is not given the secret"


def test_a_key_file_that_others_can_read_is_refused(keys, key_file):
    server, secret = keys
    for mode, works in [(0o600, True), (0o440, True), (0o640, True), (0o644, False), (0o604, False), (0o666, False)]:
        file = key_file(secret["ci"], mode) if mode != 0o440 else key_file(secret["ci"], 0o640)
        file.chmod(mode)
        done = run(server, "--key-file", file, "run", "one", "--", "true")
        assert (done.returncode == 0) == works, done
        if not works:
            assert done.returncode == 64
            assert done.stderr == f"lockctl: the key file {file}: everybody on this machine may read or write it; chmod o= {file}\n"
    for content, why in [("", "there is no key in it"), (f"{secret['ci']}\nx", "more than the secret"),
                         ("x" * 5000, "more than 4096 bytes")]:
        done = run(server, "--key-file", key_file(content), "status")
        assert done.returncode == 64 and why in done.stderr, done
    done = run(server, "status", LOCK_KEY_FILE="/no/such/file")
    assert done.returncode == 64 and "/no/such/file" in done.stderr
    done = run(server, "status", LOCK_KEY="lsk_\nx")
    assert done.returncode == 64 and "characters that keys do not have" in done.stderr


def test_a_secret_does_not_stand_in_the_address(keys):
    server, secret = keys
    address = f"http://ci:{secret['ci']}@{server.address}:{server.port}"
    for done in (run(server, "--server", address, "run", "one", "--", "env"),
                 run(server, "acquire", "one", LOCK_SERVER=address)):
        assert done.returncode == 64 and "export" not in done.stdout and "LOCK_KEY_FILE" in done.stderr, done


def test_not_allowed_is_status_77(keys):
    server, secret = keys
    for name, words in [
        (None, ("run", "one", "--", "true")),
        (None, ("status",)),
        ("wrong", ("run", "one", "--", "true")),
        ("ci", ("status",)),
        ("ci", ("run", "two", "--", "true")),
        ("ci", ("resize", "one", "2")),
        ("ci", ("reload",)),
        ("ci", ("watch",)),
        ("eyes", ("run", "one", "--", "true")),
        ("eyes", ("delete", "one")),
    ]:
        key = {None: {}, "wrong": {"LOCK_KEY": "lsk_" + "x" * 43}}.get(name) or ({"LOCK_KEY": secret[name]} if name in secret else {})
        done = run(server, *words, **key)
        assert done.returncode == 77 and done.stdout == "" and done.stderr.startswith("lockctl: "), (name, words, done)
    for name, words in [("eyes", ("status",)), ("ops", ("resize", "one", "1")), ("ops", ("reload",))]:
        assert run(server, *words, LOCK_KEY=secret[name]).returncode == 0, (name, words)


def test_who_may_not_observe_waits_all_the_same(keys):
    server, secret = keys
    ticket = json.loads(ask(server, secret["ci"], "/v1/locks/one/tickets", "POST")[1])
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOCK_")}
    waiter = subprocess.Popen([lockctl(), "run", "-v", "one", "--", "echo", "at work"], text=True,
                              env={**env, "LOCK_SERVER": f"http://{server.address}:{server.port}", "LOCK_KEY": secret["ci"]},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        first = waiter.stderr.readline()
        assert re.fullmatch(r"lockctl: waiting for `one`: place 1, \d+ s; held by somebody\n", first), first
        until(lambda: json.loads(ask(server, secret["eyes"], "/v1/locks/one")[1])["queued"] == 1, 20, "it waits")
        assert ask(server, secret["ci"], f"/v1/tickets/{ticket['id']}", "DELETE")[0] == 200
        out, err = waiter.communicate(timeout=30)
    finally:
        waiter.kill()
        waiter.wait()
    assert (waiter.returncode, out) == (0, "at work\n") and "acquired `" in err and "lsk_" not in err


def test_a_pause_is_told_to_everybody_who_may_use_the_lock(keys):
    server, secret = keys
    done = run(server, "pause", "one", "--reason", "firmware", LOCK_KEY=secret["ops"])
    assert done.returncode == 0, done
    paused = "the lock is paused by ops: firmware"
    for name in ("ci", "ops"):
        for wait in ("0", "0.1"):
            status, body = ask(server, secret[name], "/v1/locks/one/tickets", "POST", f'{{"wait_s": {wait}}}',
                               ["Content-Type: application/json"])
            assert status == 409 and paused in json.loads(body)["detail"], (name, wait, body)
    done = run(server, "run", "-n", "one", "--", "true", LOCK_KEY=secret["ci"])
    assert (done.returncode, done.stderr) == (75, f"lockctl: `one`: {paused}; -w TIME waits for one\n")
    # Who holds stays unsaid to those who may not look.
    assert run(server, "resume", "one", LOCK_KEY=secret["ops"]).returncode == 0
    assert run(server, "acquire", "one", LOCK_KEY=secret["ops"]).returncode == 0
    status, body = ask(server, secret["ci"], "/v1/locks/one/tickets", "POST", '{"wait_s": 0.1}', ["Content-Type: application/json"])
    assert status == 409 and "held by" not in body, body


def test_a_ticket_of_ones_own_key_is_released_by_its_number(keys):
    server, secret = keys
    made = run(server, "--json", "acquire", "one", LOCK_KEY=secret["ci"])
    number = json.loads(made.stdout)["number"]
    done = run(server, "release", "one", "--number", number, LOCK_KEY=secret["eyes"])
    assert done.returncode == 77, done
    done = run(server, "release", "one", "--number", number, LOCK_KEY=secret["ci"])
    assert done.returncode == 0, done
    assert json.loads(ask(server, secret["eyes"], "/v1/locks/one")[1])["holding"] == 0
