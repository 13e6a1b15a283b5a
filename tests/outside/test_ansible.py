"""The collection for Ansible: playbooks that hold a lock, run by Ansible itself on this machine."""

import itertools
import json
import re
import signal

import pytest
import yaml

from harness.ansible import HOME, Ansible, Play
from harness.api import Admin, Api
from harness.keys import NONE, new_key
from harness.paths import ROOT
from harness.wait import until

MODULE = "lockserver.client.lock"
WAITS = {"name": "work", "ansible.builtin.shell": "echo at work >>notes; until [ -e go-on ]; do sleep 0.1; done"}


def play(*work, **options):
    """Tasks as the documentation has them: take the lock, work in a block, give it back always."""
    return [
        {"name": "take", MODULE: {"lock": "deploy-web", **options}, "register": "deploy"},
        {"block": list(work), "always": [{"name": "give back", MODULE: {"state": "released", "ticket": "{{ deploy.ticket.id }}"}}]},
    ]


@pytest.fixture(scope="module")
def ansible(tmp_path_factory):
    """Ansible with the collection."""
    return Ansible(tmp_path_factory.mktemp("ansible"))


@pytest.fixture
def server(make_server):
    return make_server(sections="[lock deploy-web]\nSIZE=1\n[lock three]\nSIZE=3\nMAX_TTL=600\n[lock named]\nSLOTS=a {fast}, b\n").start()


@pytest.fixture
def run(ansible, server, tmp_path):
    """Start playbooks, each in a directory of its own; what still runs at the end is killed."""
    plays, numbers = [], itertools.count()

    def run(tasks, *words, at=None, **more):
        directory = tmp_path / f"play{next(numbers)}"
        directory.mkdir()
        plays.append(Play(ansible, directory, tasks, at or server, *words, **more))
        return plays[-1]

    yield run
    for one in plays:
        one.end()


def test_the_lock_is_held_in_the_block_and_given_back(run, look):
    one = run(play(WAITS, info="release 7.1", ttl=120))
    notes = one.path.parent / "notes"
    until(notes.exists, 60, "the work begins")
    (holder,) = look()["holders"]
    assert (holder["info"], holder["ttl_s"], holder["state"]) == ("release 7.1", 120, "held")
    (one.path.parent / "go-on").touch()
    assert one.ended(), one.said()
    assert look()["in_use"] == 0


def test_a_block_that_fails_gives_it_back(run, look):
    one = run(play({"name": "work", "ansible.builtin.command": "false"}))
    assert not one.ended()
    assert re.search(r"fatal: \[localhost\]", one.said()) and look()["in_use"] == 0
    assert look()["statistics"]["lost"] == 0


def test_a_second_playbook_waits_for_the_first(run, look):
    first = run(play(WAITS))
    until(lambda: look()["holding"] == 1, 60, "the first has it")
    second = run(play(WAITS))
    until(lambda: look()["queued"] == 1, 60, "the second waits")
    assert not (second.path.parent / "notes").exists()
    for one in (first, second):
        (one.path.parent / "go-on").touch()
        assert one.ended(), one.said()
    assert look()["in_use"] == look()["queued"] == 0


def test_a_playbook_that_is_ended_while_it_waits_holds_up_nobody(run, look):
    first = run(play(WAITS))
    until(lambda: look()["holding"] == 1, 60, "the first has it")
    gone = run(play(WAITS))
    until(lambda: look()["queued"] == 1, 60, "the second waits")
    gone.terminate()
    until(lambda: [one["dormant"] for one in look()["queue"]] in ([], [True]), 30, "the server knows that it is gone")
    last = run(play({"name": "work", "ansible.builtin.command": "true"}))
    until(lambda: look()["queued"] == 2 or not look()["queue"], 60, "the last waits")
    (first.path.parent / "go-on").touch()
    assert first.ended() and last.ended(), last.said()
    assert look()["in_use"] == 0


def test_a_lock_that_was_lost_fails_the_renewal_and_the_release(run, server, look):
    renewal = {"name": "renew", MODULE: {"state": "renewed", "ticket": "{{ deploy.ticket.id }}"}}
    fine = run(play(renewal, {**renewal, MODULE: {**renewal[MODULE], "ttl": 7}, "register": "again"},
                    {"ansible.builtin.assert": {"that": ["again.ticket.ttl_s == 7"]}}, ttl=60))
    assert fine.ended(), fine.said()
    one = run(play(WAITS, renewal, {"name": "more", "ansible.builtin.shell": "touch more"}))
    until(lambda: look()["holding"] == 1 and (one.path.parent / "notes").exists(), 60, "it is at work")
    with Admin(server) as admin:
        admin.ok("DELETE", f"/v1/locks/deploy-web/tickets/{look()['holders'][0]['number']}?reason=the+site+is+down")
    (one.path.parent / "go-on").touch()
    assert not one.ended()
    assert one.said().count("the site is down") >= 2 and '"code": "gone"' in one.said(), one.said()
    assert not (one.path.parent / "more").exists()


def test_what_cannot_be_had_fails_the_task_and_leaves_nothing(run, server, look):
    with Api(server.at) as api:
        api.take("deploy-web", ttl_s=300)
        for options, why in (({"wait": 0}, "deploy-web: no permit was free within 0 s"),
                             ({"wait": 1}, "within 1 s"),
                             ({"lock": "nowhere"}, "unknown_lock"),
                             ({"permits": "two"}, "neither a number from 1 nor all"),
                             ({"lock": "three", "permits": 4}, "too_many_permits")):
            one = run(play(WAITS, **options))
            assert not one.ended() and why in one.said(), one.said()
            assert not (one.path.parent / "notes").exists()
            assert look()["queued"] == 0 and look("three")["in_use"] == 0
    one = run([{MODULE: {"state": "released"}}])
    assert not one.ended() and "ticket" in one.said()


def test_all_permits_a_short_lease_and_slots_with_names(run, look):
    checks = {"ansible.builtin.assert": {"that": ["deploy.ticket.slots | length == 3", "deploy.ticket.ttl_s == 600", "deploy is changed"]}}
    one = run(play(checks, lock="three", permits="all"))
    assert one.ended(), one.said()
    assert "the lease is 600 s, and not 3600 s" in re.sub(r"\s+", " ", one.said())
    named = run(play({"ansible.builtin.assert": {"that": ["deploy.ticket.slot_names == ['b']", "deploy.ticket.token > 0"]}}, lock="named"))
    assert named.ended(), named.said()


def test_check_mode_takes_nothing_and_information_changes_nothing(run, look):
    info = {"lockserver.client.lock_info": {"lock": "deploy-web"}, "register": "found"}
    one = run([*play({"ansible.builtin.debug": {"msg": "token {{ deploy.ticket.token }}"}}), info,
               {"ansible.builtin.assert": {"that": ["found.lock.size == 1", "found.lock.holders == []", "found is not changed"]}}], "--check")
    assert one.ended(), one.said()
    assert look()["statistics"]["grants"] == 0
    missing = run([{"lockserver.client.lock_info": {"lock": "nowhere"}}])
    assert not missing.ended() and "unknown_lock" in missing.said()


def test_a_key_is_sent_and_not_shown(run, make_server):
    secret, section = new_key("ops", RIGHTS="use")
    keyed = make_server(sections=f"[lock deploy-web]\nSIZE=1\n{NONE}{section}").start()
    renewal = {MODULE: {"state": "renewed", "key": secret, "ticket": "{{ deploy.ticket.id }}"}}
    tasks = [{MODULE: {"lock": "deploy-web", "key": secret}, "register": "deploy"}, renewal, {MODULE: {**renewal[MODULE], "state": "released"}}]
    one = run(tasks, "-vvv", at=keyed)
    assert one.ended() and secret not in one.said(), one.said()
    by_environment = run(play(WAITS | {"ansible.builtin.shell": "true"}), at=keyed, LOCK_KEY=secret)
    assert by_environment.ended(), by_environment.said()
    without = run(play(WAITS), at=keyed)
    assert not without.ended() and "unauthorized" in without.said()


def test_a_server_that_is_away_for_a_moment_costs_no_playbook(run, server, look):
    one = run(play(WAITS))
    until((one.path.parent / "notes").exists, 60, "it is at work")
    server.signal(signal.SIGSTOP)
    (one.path.parent / "go-on").touch()
    until(lambda: "TASK [give back]" in one.said(), 60, "it gives back")
    server.signal(signal.SIGCONT)
    assert one.ended(), one.said()
    assert look()["in_use"] == 0


def test_its_documentation_is_whole_and_its_example_runs(ansible, run, look, tmp_path):
    for module in ("lock", "lock_info"):
        done = ansible.run("ansible-doc", "--json", f"lockserver.client.{module}")
        assert done.returncode == 0, done.stdout
        described = json.loads(done.stdout)[f"lockserver.client.{module}"]
        assert {"server", "key", "ca_path", "lock"} <= set(described["doc"]["options"]) and described["examples"] and described["return"]
        assert not re.search(r"WARNING|ERROR", ansible.run("ansible-doc", f"lockserver.client.{module}").stdout)
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    assert yaml.safe_load((HOME / "galaxy.yml").read_text())["version"] == version
    # README's example, with the local server and what is there to be run.
    (example,) = yaml.safe_load(re.search(r"```yaml\n(.*?)```", (HOME / "README.md").read_text(), re.S)[1])
    take, block = example["tasks"]
    for task in (take, *block["always"]):
        del task[MODULE]["server"], task[MODULE]["key"]
    take[MODULE]["lock"] = "deploy-web"
    block["block"] = [{"name": "work", "ansible.builtin.command": "touch worked"}]
    one = run([take, block])
    assert one.ended() and (one.path.parent / "worked").exists(), one.said()
    assert look()["in_use"] == 0 and look()["statistics"]["grants"] == 1
