"""The component for GitLab, whose scripts both kinds of shells run as a runner starts them. No GitLab has run it."""

import itertools
import re
import signal
import subprocess

import pytest
import yaml

from harness.api import Admin, Api
from harness.gitlab import HOME, SHELLS, Job, WrongInput, component
from harness.keys import NONE, new_key
from harness.wait import until

#: The shortest lease that it takes.
TTL_S = 20
WAITS = "until [ -e go-on ]; do sleep 0.1; done"


@pytest.fixture
def server(make_server):
    return make_server(sections="[lock deploy-*]\nSIZE=1\n[lock three]\nSIZE=3\n[lock named]\nSLOTS=a {fast}, b\n").start()


@pytest.fixture
def make_job(server, tmp_path, request):
    """Make jobs; what still runs at the end is killed."""
    jobs, numbers = [], itertools.count(1001)

    def make(script="true", variables=None, at=None, **inputs):
        given = {"server": at or f"http://{server.address}:{server.port}", "lock": "deploy-web", "ttl": TTL_S, **inputs}
        shell = request.node.callspec.params.get("shell", "dash") if hasattr(request.node, "callspec") else "dash"
        jobs.append(Job(tmp_path, shell, next(numbers), script, component("hold", **given), **(variables or {})))
        return jobs[-1]

    yield make
    for job in jobs:
        job.end()


shells = pytest.mark.parametrize("shell", SHELLS)


@shells
def test_the_job_has_the_lock_and_it_is_given_back(shell, make_job, look, tmp_path):
    job = make_job(f'echo "at work with $LOCK_NAME, token $LOCK_TOKEN, slot $LOCK_SLOT"\n{WAITS}').start()
    until(lambda: "at work" in job.said(), 30, "the script runs")
    (holder,) = look()["holders"]
    assert holder["info"] == 'acme/shop deploy: ["a\\b"] https://gitlab.example.com/acme/shop/-/jobs/1001'
    assert f"at work with deploy-web, token {holder['token']}, slot 0\n" in job.said()
    # It is renewed for as long as the job runs.
    until(lambda: look()["holders"][0]["expires_at"] > holder["expires_at"], TTL_S, "a renewal")
    (tmp_path / "checkout" / "go-on").touch()
    assert job.ended(), job.said()
    assert job.after().endswith("lockserver: deploy-web is given back\n")
    assert look()["in_use"] == 0
    assert not [*(tmp_path / "checkout.tmp").iterdir()]


@shells
def test_an_address_with_a_slash_and_a_name_with_control_characters(shell, server, make_job, look):
    job = make_job("echo at work", variables={"CI_JOB_NAME": "one\tjob\r\n"}, at=f"http://{server.address}:{server.port}/").start()
    assert job.ended() and "at work" in job.said(), job.said()
    assert job.after().endswith("lockserver: deploy-web is given back\n")
    assert look()["in_use"] == 0


@shells
def test_a_job_that_fails_gives_it_back(shell, make_job, look):
    job = make_job("echo at work; false; echo and no more").start()
    assert not job.ended()
    assert "at work\n" in job.said() and "no more" not in job.said()
    job.after()
    assert look()["in_use"] == 0


@shells
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_is_cancelled_gives_it_back(shell, number, make_job, look):
    job = make_job(f"echo at work\n{WAITS}").start()
    until(lambda: "at work\n" in job.said(), 30, "the script runs")
    job.cancel(number)
    assert look()["in_use"] == 1
    job.after()
    assert look()["in_use"] == 0
    until(lambda: not job.left(), 10, "nothing of the job goes on")


@shells
def test_jobs_wait_for_each_other_and_a_cancelled_one_leaves_the_queue(shell, make_job, look, tmp_path):
    first = make_job(f"echo at work\n{WAITS}").start()
    until(lambda: look()["holding"] == 1, 30, "the first has it")
    gone = make_job("echo at work").start()
    until(lambda: look()["queued"] == 1, 30, "the second waits")
    last = make_job("echo at work").start()
    until(lambda: look()["queued"] == 2, 30, "the third waits")
    gone.cancel()
    gone.after()
    assert look()["queued"] == 1 and "at work" not in gone.said()
    (tmp_path / "checkout" / "go-on").touch()
    assert first.ended()
    assert "at work\n" not in last.said()
    first.after()
    assert last.ended() and "at work\n" in last.said()
    last.after()
    assert look()["in_use"] == look()["queued"] == 0


@shells
def test_a_lock_that_is_lost_ends_the_job(shell, server, make_job, look):
    job = make_job("echo at work\nsleep 100 || true\necho and no more").start()
    until(lambda: "at work\n" in job.said(), 30, "the script runs")
    with Admin(server) as admin:
        admin.ok("DELETE", f"/v1/locks/deploy-web/tickets/{look()['holders'][0]['number']}?reason=the+site+is+down")
    # The next renewal hears of it.
    assert not job.ended(TTL_S)
    until(lambda: not job.left(), TTL_S, "nothing of the job goes on")
    assert "and no more" not in job.said()
    said = job.after()
    assert "deploy-web was lost, and the job was ended" in said and "the site is down" in said


def test_a_server_that_is_gone_ends_the_job_before_its_lease(server, make_job, tmp_path):
    # It notes each second, and does not listen to SIGTERM.
    job = make_job("trap '' TERM\necho at work\nwhile :; do date +%s >>times; sleep 0.5; done").start()
    until(lambda: "at work\n" in job.said(), 30, "the script runs")
    times = tmp_path / "checkout" / "times"
    server.signal(signal.SIGSTOP)
    assert not job.ended(2 * TTL_S)
    until(lambda: not job.left(), 5, "nothing of the job goes on")
    server.signal(signal.SIGCONT)
    with Api(server.at) as api:
        (holder,) = api.ok("GET", "/v1/locks/deploy-web")["holders"]
    # A stopped server has not counted the time. By the clock of the job it took less than the lease.
    begin, end = (int(line) for line in (times.read_text().splitlines()[0], times.read_text().splitlines()[-1]))
    assert end - begin < TTL_S and holder["state"] == "held"
    job.after()


@shells
def test_what_cannot_be_had_fails_the_job_before_its_script(shell, make_job, look):
    holder = make_job(WAITS).start()
    until(lambda: look()["holding"] == 1, 30, "the lock is taken")
    for inputs, why in (({"wait": 1}, "no permit of deploy-web was free within 1 s"),
                        ({"wait": 0}, "within 0 s"),
                        ({"lock": "nowhere"}, "unknown_lock"),
                        ({"lock": "deploy/web"}, "takes names of letters"),
                        ({"lock": "three", "permits": "4"}, "too_many_permits"),
                        ({"lock": "three", "ttl": 5}, "needs 20 s")):
        job = make_job("echo at work", **inputs).start()
        assert not job.ended() and "at work" not in job.said() and why in job.said(), job.said()
        job.after()
        assert look("three")["in_use"] == 0 and look()["queued"] == 0


@shells
def test_all_permits_names_and_variables(shell, make_job, look):
    job = make_job('echo "slot $LOCK_SLOT_NAME"', lock="named").start()
    assert job.ended() and "\nslot b\n" in job.said(), "the one with the fewest tags"
    job.after()
    every = make_job(WAITS, lock="three", permits="all").start()
    until(lambda: look("three")["free"] == 0, 30, "all of them")
    older = make_job(lock="three", latest="$CI_COMMIT_REF_NAME", variables={"CI_COMMIT_REF_NAME": 'fix "it"'}).start()
    until(lambda: look("three")["queued"] == 1, 30, "one waits")
    make_job(lock="three", latest="$CI_COMMIT_REF_NAME", variables={"CI_COMMIT_REF_NAME": 'fix "it"'}).start()
    assert not older.ended() and "superseded" in older.said()
    every.cancel()
    of_stage = make_job("echo with $LOCK_NAME", lock="deploy-$CI_ENVIRONMENT_NAME", variables={"CI_ENVIRONMENT_NAME": "qa"}).start()
    assert of_stage.ended() and "with deploy-qa\n" in of_stage.said()


@shells
def test_a_key_is_sent_and_not_shown(shell, make_server, make_job):
    secret, section = new_key("ci", RIGHTS="use")
    keyed = make_server(sections=f"[lock deploy-*]\nSIZE=1\n{NONE}{section}").start()
    at = f"http://{keyed.address}:{keyed.port}"
    job = make_job("echo at work", at=at, variables={"LOCK_KEY": secret}).start()
    assert job.ended() and "at work\n" in job.after()
    assert "is given back" in job.said() and secret not in job.said()
    without = make_job("echo at work", at=at).start()
    assert not without.ended() and "unauthorized" in without.said() and "at work\n" not in without.said()


def test_a_server_that_fails_for_a_moment_costs_no_job(server, make_job, look, tmp_path):
    first = make_job(WAITS).start()
    until(lambda: look()["holding"] == 1, 30, "the first has it")
    second = make_job("echo at work").start()
    until(lambda: look()["queued"] == 1, 30, "the second waits")
    server.restart()
    (tmp_path / "checkout" / "go-on").touch()
    assert first.ended(), first.said()
    first.after()
    assert second.ended() and "at work\n" in second.said()
    second.after()


def test_what_gitlab_would_refuse():
    good = {"server": "https://lock.example.com:9090", "lock": "deploy-web"}
    assert component("hold", **good).keys() == {".lock"} and component("hold", **good, **{"as": ".db"}).keys() == {".db"}
    for wrong in ({"lock": None}, {"server": None}, {"permits": "two"}, {"permits": "0"}, {"wait": "soon"}, {"when": 1}):
        with pytest.raises(WrongInput):
            component("hold", **{**good, **wrong})


def test_what_the_readme_says_is_there_and_the_shells_are_content(tmp_path):
    readme = (HOME / "README.md").read_text()
    example = yaml.safe_load(re.search(r"```yaml\n(.*?)```", readme, re.S)[1])
    (include,) = example["include"]
    assert re.search(r"/hold@", include["component"])
    jobs = component("hold", **include["inputs"])
    assert set(jobs) == {job["extends"] for name, job in example.items() if name != "include"}
    for part in ("before_script", "after_script"):
        path = tmp_path / part
        path.write_text("\n".join(jobs[".lock"][part]))
        subprocess.run(["shellcheck", "--shell=sh", "--severity=warning", path], check=True, timeout=60)
