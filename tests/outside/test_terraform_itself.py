"""State locks with real Terraforms: the server lets them wait, in their order, and nothing is left of those that go."""

import json
import re

import pytest

from harness.api import Admin, Api
from harness.ctl import run
from harness.keys import NONE, new_key
from harness.terraform import VERSIONS, States, Terraform, kill
from harness.wait import until

LOCK = "/v1/terraform/tf-network"
#: Output may say more than how it ended; a Terraform that hangs says nothing.
ENDS_WITHIN_S = 60
APPLY = ("apply", "-no-color", "-auto-approve")


@pytest.fixture
def server(make_server):
    return make_server(sections="[terraform]\nLOCKS=tf-*\n[lock tf-*]\nSIZE=1\n").start()


@pytest.fixture
def states():
    states = States()
    yield states
    states.close()


@pytest.fixture
def checkout(server, states, tmp_path):
    """Make checkouts that share a state; what still runs at the end is killed."""
    started = []

    def make(name, version=VERSIONS[0], query="?wait_s=600", **options):
        terraform = Terraform(tmp_path / name, version, states, f"http://{server.address}:{server.port}{LOCK}{query}", value=name, **options)
        start = terraform.start
        terraform.start = lambda *words: started.append(start(*words)) or started[-1]
        return terraform

    yield make
    for process in started:
        kill(process)
        process.communicate(timeout=ENDS_WITHIN_S)


@pytest.fixture
def seen(server):
    """How the lock is."""
    with Api(server.at) as api:
        def look(**expected):
            found = api.ok("GET", "/v1/locks/tf-network")
            return found if all(found[name] == value for name, value in expected.items()) else None
        yield look


def applies(process):
    """It got the lock and applied."""
    output, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 0, output


def begin(checkout, states, seen, version=VERSIONS[0]):
    """One that holds the lock, and writes its state once the gate is opened."""
    states.gate.clear()
    holder = checkout("holder", version).start(*APPLY)
    until(lambda: seen(holding=1), 30, "the first one has the lock")
    return holder


def go_on(states, holder):
    """Let the holder end."""
    states.gate.set()
    applies(holder)


def who_wrote(states):
    """The values that were written, in their order."""
    outputs = [json.loads(state) for state in states.written]
    values = [one.get("outputs") or one["modules"][0]["outputs"] for one in outputs]
    return [one["by"]["value"] for one in values if "by" in one]


@pytest.mark.parametrize("version", VERSIONS)
def test_terraforms_wait_on_the_server_and_apply_in_their_order(checkout, states, seen, version):
    names = ["first", "second", "third"]
    waiting = [checkout(name, version) for name in names]
    holder = begin(checkout, states, seen, version)
    processes = []
    for place, one in enumerate(waiting):
        processes.append(one.start(*APPLY))
        until(lambda: seen(queued=place + 1), 30, "the next one waits")
    assert all(process.poll() is None for process in processes)
    go_on(states, holder)
    for process in processes:
        applies(process)
    assert who_wrote(states) == ["holder", *names]
    assert seen(holding=0, queued=0)


def test_a_wait_that_is_over_says_who_holds(checkout, states, seen):
    late = checkout("late", query="?wait_s=1")
    holder = begin(checkout, states, seen)
    done = late.run(*APPLY)
    assert done.returncode == 1 and re.search(r"already\s+locked:\s+ID=", done.stdout), done.stdout
    assert seen(queued=0, holding=1), "nothing is left of it"
    go_on(states, holder)


def test_a_terraform_that_is_killed_while_it_waits_leaves_no_permit_behind(checkout, seen, states):
    dead, next_one, last = checkout("dead"), checkout("next"), checkout("last")
    holder = begin(checkout, states, seen)
    killed = dead.start(*APPLY)
    until(lambda: seen(queued=1), 30, "one waits")
    follower = next_one.start(*APPLY)
    until(lambda: seen(queued=2), 30, "two wait")
    kill(killed)
    # Its place is kept for a request with the same ID, and passed over.
    until(lambda: [one["dormant"] for one in seen()["queue"]] == [True, False], 30, "the server knows that it is gone")
    go_on(states, holder)
    applies(follower)
    assert seen(holding=0, free=1)
    done = last.run(*APPLY)
    assert done.returncode == 0, done.stdout
    assert who_wrote(states) == ["holder", "next", "last"]


def test_a_terraform_that_is_killed_while_it_holds_is_ended_by_an_administrator(server, checkout, states, seen):
    follower = checkout("follower")
    holder = begin(checkout, states, seen)
    number = seen()["holders"][0]["number"]
    waiting = follower.start(*APPLY)
    until(lambda: seen(queued=1), 30, "one waits")
    kill(holder)
    holder.communicate(timeout=ENDS_WITHIN_S)
    ident = json.loads(seen()["holders"][0]["info"])["ID"]
    done = follower.run("force-unlock", "-force", ident)
    assert done.returncode == 1 and "423" in done.stdout, done.stdout
    assert seen(holding=1, queued=1), "it names no holder, so it takes an administrator"
    ended = run(f"unix:{server.directory}/admin.sock", "revoke", "tf-network", str(number))
    assert ended.returncode == 0, ended.stderr
    states.gate.set()
    applies(waiting)
    assert seen(holding=0)


def test_a_force_unlock_with_the_key_of_an_administrator(make_server, states, tmp_path):
    secret, section = new_key("ops", RIGHTS="use, observe, admin")
    server = make_server(sections=f"[terraform]\nLOCKS=tf-*\n[lock tf-*]\nSIZE=1\n{NONE}{section}").start()
    url = f"http://{server.address}:{server.port}{LOCK}?wait_s=600"
    key = {"TF_HTTP_USERNAME": "ops", "TF_HTTP_PASSWORD": secret}
    states.gate.clear()
    holder, other = (Terraform(tmp_path / name, VERSIONS[0], states, url, value=name, **key) for name in ("holder", "other"))
    process = holder.start(*APPLY)
    try:
        with Admin(server) as admin:
            until(lambda: admin.ok("GET", "/v1/locks/tf-network")["holding"] == 1, 30, "it has the lock")
            ident = json.loads(admin.ok("GET", "/v1/locks/tf-network")["holders"][0]["info"])["ID"]
            kill(process)
            done = other.run("force-unlock", "-force", ident)
            assert done.returncode == 0, done.stdout
            assert admin.ok("GET", "/v1/locks/tf-network")["holding"] == 0
    finally:
        kill(process)
        process.communicate(timeout=ENDS_WITHIN_S)
    states.gate.set()
    done = other.run(*APPLY)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_the_lock_timeout_of_old_versions_does_not_wait(checkout, states, seen, version):
    hasty = checkout("hasty", version, query="")
    holder = begin(checkout, states, seen)
    done = hasty.run(*APPLY, "-lock-timeout=300s", seconds=60)
    assert done.returncode == 1 and re.search(r"already\s+locked:\s+ID=", done.stdout), done.stdout
    go_on(states, holder)
