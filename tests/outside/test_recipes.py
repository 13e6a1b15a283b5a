"""docs/recipes.md, run as written: each recipe on a machine of its own, its configuration, its commands, what they print.

What a test machine does not have is a stand-in that the test puts on the PATH: the storage behind `ssh`, the jobs
(`nightly-report`, `solve`, `deploy.sh`, `simulate`, `report`, `import`, `forecast`), `terraform`, and cron on two hosts. They do what matters
here: tell when they begin and end, take as long as it takes for others to be there too, and fail where their lock is not held.
"""

import datetime
import itertools
import json
import re
import shlex
import urllib.parse

import pytest
import yaml

from harness.local import Place
from harness.paths import ROOT
from harness.promtool import promtool
from harness.recipe import ELSEWHERE, PAGE, Host, ReadersServer, crontab, matches, recipes, write_file
from harness.wait import until

RECIPES = recipes()
#: Those whose lock is made by its first use, on a server of the user's own.
LOCAL = {name for name, recipe in RECIPES.items() if recipe.is_local()}

# A stand-in's words: note the begin and the end in FILE; wait until so many have begun.
NOTES = '''
note() { echo "$1" >>"$HOME/$2"; }
all_there() {
    for _ in $(seq 2000); do
        [ "$(grep -c '^+' "$HOME/$1")" -ge "$2" ] && return
        sleep 0.01
    done
    echo "not $2 of $1 at a time" && exit 1
}
'''
STAND_INS = {
    "ssh": NOTES + '''
case "$1 $2" in
"san show") printf 'vol0  2 TB  online\\nvol1  4 TB  online\\n' ;;
"san snapshot") note + sessions && all_there sessions 7 && note - sessions ;;
esac
''',
    "nightly-report": NOTES + "note + reports",
    "./deploy.sh": '''
lockctl --json status "deploy-$1" | grep -q '"holding": 1' || { echo "nobody has deploy-$1" && exit 1; }
echo "$1 is deployed"
''',
    "simulate": 'echo "simulating $1 with $LM_LICENSE_FILE"',
    "solve": NOTES + 'note + runs && all_there runs 2 && note - runs',
    "report": NOTES + "note + readers && all_there readers 2 && echo reading && note - readers",
    "import": 'echo writing',
    "licences-in-use": "echo 6",
    "test-board": NOTES + 'note + tests && [ "$1" != rpi-1 ]',
    # Those that are more than one find three at work.
    "cargo": NOTES + '''
[ "$1" = test ] && echo "test result: ok" && exit
note + cargo && all_there cargo 3 && note - cargo
''',
    "build-it": NOTES + 'note "+ $1" builds && all_there builds 6 && note "- $1" builds',
    # The first one takes until two of those that wait have made way.
    "./release.sh": NOTES + '''
note + releases
[ "$(wc -l <"$HOME/releases")" -gt 1 ] && exit
for _ in $(seq 600); do
    lockctl --json status deploy-web | grep -q '"superseded": 2' && exit
    sleep 0.1
done
exit 1
''',
    "forecast": NOTES + '''
note + calls
if [ "$LOCK_NAME" = weather-rate ]; then
    held=$(curl -fsS "http://127.0.0.1:9090/v1/locks/$LOCK_NAME/verify?token=$LOCK_TOKEN")
    # In one write, for others write there, too.
    echo "$held" >>"$HOME/holds"
fi
echo "$1: sun"
note - calls
''',
    "terraform": '''
[ "$*" = apply ]
lock=$(sed -n 's/^ *lock_address *= *"\\(.*\\)"/\\1/p' main.tf) unlock=$(sed -n 's/^ *unlock_address *= *"\\(.*\\)"/\\1/p' main.tf)
info='{"ID":"00000000-0000-4000-8000-000000000001","Operation":"OperationTypeApply","Info":"","Who":"t","Version":"","Created":"","Path":""}'
echo "Acquiring state lock. This may take a few moments..."
curl -fsS -X LOCK -H 'Content-Type: application/json' -d "$info" "$lock"
printf '\\nApply complete! Resources: 1 added, 0 changed, 0 destroyed.\\n'
curl -fsS -X UNLOCK -H 'Content-Type: application/json' -d "$info" "$unlock"
''',
}
# Permits that a recipe leaves taken, because it says so.
LEFT = {"CI jobs with curl": {"deploy-staging": 1}}


@pytest.fixture
def host(tmp_path):
    """A machine with all stand-ins."""
    host = Host(tmp_path)
    for name, script in STAND_INS.items():
        host.stand_in(name, script)
    yield host
    host.close()


def most_at_once(host, notes):
    """How many had begun and not ended, at most, and how many there were."""
    steps = [1 if line == "+" else -1 for line in (host.directory / notes).read_text().split()]
    return max(itertools.accumulate(steps)), steps.count(1)


def lock(host, name):
    """A lock as everybody sees it."""
    status, said = host.run(["lockctl", "--json", "status", name])
    assert status == 0, said
    return json.loads(said)


def judge_san(host, _):
    assert most_at_once(host, "sessions") == (7, 9)


def judge_solver(host, _):
    assert most_at_once(host, "runs") == (2, 8)


def judge_cron(host, _):
    assert most_at_once(host, "reports") == (1, 1), "one host ran it"


def judge_weather(host, _):
    most, calls = most_at_once(host, "calls")
    assert most <= 20 and calls == 62
    # When the server told each of the 22 that it has its permit. A wall clock need not run like the server's, by a little.
    holds = [json.loads(line)["held_at"] for line in (host.directory / "holds").read_text().splitlines()]
    starts = sorted(datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() for at in holds)
    assert len(starts) == 22 and all(late - early >= 0.99 for early, late in zip(starts, starts[20:])), starts
    assert lock(host, "weather-rate")["statistics"]["lost"] == 0


def judge_builds(host, _):
    assert most_at_once(host, "cargo") == (3, 10)
    assert "lockctl run --local" in (host.directory / "AGENTS.md").read_text()
    assert Place(host.state).log() == ""


def judge_teams(host, _):
    builds = [line.split() for line in (host.directory / "builds").read_text().splitlines()]
    assert [team for sign, team in builds if sign == "+"].count("red") == 3
    for team in {team for _, team in builds}:
        steps = [1 if sign == "+" else -1 for sign, of in builds if of == team]
        assert max(itertools.accumulate(steps)) <= 2, team


def judge_newest(host, _):
    """Of four commits the first is deployed, and the one that came last."""
    assert (host.directory / "releases").read_text().split() == ["+", "+"]
    ended = lock(host, "deploy-web")["statistics"]
    assert (ended["released"], ended["superseded"]) == (2, 2)


def judge_fleetlock(host, recipe):
    """What Zincati makes of its configuration."""
    config = dict(re.findall(r'^(\w+) = "(.*)"$', recipe.text_of("toml"), re.M))
    body = json.dumps({"client_params": {"id": "node3", "group": config["group"]}}, indent=2)
    for path, holding in (("v1/pre-reboot", 1), ("v1/steady-state", 0)):
        url = urllib.parse.urljoin(config["base_url"], path)
        asked = host.run(["curl", "-fsS", "-H", "fleet-lock-protocol: true", "--data-binary", body, url])
        assert asked == (0, "") and lock(host, f"fleetlock-{config['group']}")["holding"] == holding


def judge_ci(host, _):
    """The script passes its command's status on, and ends it when the permit is lost."""
    assert host.run(["./with-lock", "deploy-production", "sh", "-c", "exit 7"]) == (7, "")
    assert lock(host, "deploy-production")["in_use"] == 0
    # So that renewals come at once, and not every 20 s.
    host.stand_in("sleep", "exec /bin/sleep 0.1")
    job = ["sh", "-c", "echo >$HOME/started && exec /bin/sleep 1000"]
    started = host.directory / "started"
    script = host.start(["./with-lock", "deploy-production", *job])
    until(started.exists, 20, "the command runs")
    (holder,) = lock(host, "deploy-production")["holders"]
    assert host.run(["lockctl", "revoke", "deploy-production", str(holder["number"])])[0] == 0
    script.communicate(timeout=60)
    assert script.returncode == 143, "the command was ended by TERM"
    # A signal ends the command first, and then gives the permit back.
    started.unlink()
    script = host.start(["./with-lock", "deploy-production", *job])
    until(started.exists, 20, "the command runs")
    script.terminate()
    script.communicate(timeout=60)
    assert script.returncode == 1 and lock(host, "deploy-production")["in_use"] == 0
    # A ticket that ends while it waits is not waited for any longer, and the command does not run.
    started.unlink()
    status, said = host.run(["lockctl", "--json", "acquire", "deploy-production"])
    assert status == 0, said
    other = json.loads(said)["id"]
    script = host.start(["./with-lock", "deploy-production", *job])
    (waiter,) = until(lambda: lock(host, "deploy-production")["queue"], 20, "it waits")
    assert host.run(["lockctl", "revoke", "deploy-production", str(waiter["number"])])[0] == 0
    said, _ = script.communicate(timeout=60)
    assert script.returncode == 1 and "error: 410\nwith-lock: deploy-production was not granted\n" in said, said
    assert not started.exists()
    assert host.run(["lockctl", "release", other])[0] == 0


class Pipeline:
    """What a CI system makes of its file: the variables of a job, its commands, and those that come after it in any case."""

    def __init__(self, variables, commands, always, minutes):
        self.variables, self.commands, self.always = variables, commands, always
        # The permit outlasts the job.
        assert 0 < minutes < 60

    def start(self, host, prefix, **more):
        """Run it as the runner does: the commands until one fails, then the rest, whatever became of them."""
        script = "status=0\n" + "".join(f"[ $status != 0 ] || sh -ec {shlex.quote(one)} || status=$?\n" for one in self.commands)
        script += "".join(f"sh -ec {shlex.quote(one)} || status=99\n" for one in self.always)
        return host.start(["sh", "-c", f"{script}exit $status"], prefix, **self.variables, **more)


def pipelines(host):
    """Those of the three systems, with what each tells its jobs of themselves."""
    folder = host.directory
    gitlab = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())["deploy-production"]
    minutes = int(gitlab["timeout"].removesuffix("m"))
    yield "gitlab", Pipeline(gitlab["variables"], gitlab["before_script"] + gitlab["script"], gitlab["after_script"], minutes), (
        lambda number: {"CI_JOB_ID": str(number), "CI_JOB_URL": f"https://gitlab.example/-/jobs/{number}"})
    (github,) = yaml.safe_load((folder / ".github/workflows/deploy.yml").read_text())["jobs"].values()
    steps = [step for step in github["steps"] if "run" in step]
    run = [step["run"] for step in steps if "if" not in step]
    always = [step["run"] for step in steps if step.get("if") == "always()"]
    assert len(run) + len(always) == len(steps) == len(github["steps"]) - 1
    yield "github", Pipeline(github["env"], run, always, github["timeout-minutes"]), (
        lambda number: {"GITHUB_RUN_ID": str(number), "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "deploy-production",
                        "GITHUB_SERVER_URL": "https://github.example", "GITHUB_REPOSITORY": "a/b"})
    text = (folder / "Jenkinsfile").read_text()
    before, after = text.split("post {")
    assert re.search(r"^ *always \{", after, re.M)
    variables = dict(re.findall(r"environment \{ (\w+) = '(.*)' \}", text))
    minutes = int(re.search(r"timeout\(time: (\d+), unit: 'MINUTES'\)", text).group(1))
    yield "jenkins", Pipeline(variables, re.findall(r"sh '(.+)'", before), re.findall(r"sh '(.+)'", after), minutes), (
        lambda number: {"BUILD_TAG": f"jenkins-a b/c-{number}", "BUILD_URL": f"https://jenkins.example/job/{number}/"})


def judge_pipelines(host, recipe):
    """Two jobs of each system on two machines: one after the other, and the permit comes back however a job ends."""
    deploys = NOTES + """
[ "$(lockctl --json status "deploy-$1" | grep -c '"holding": 1')" = 1 ]
note + deploys
all_there goes_on 1
note - deploys
[ -z "${DEPLOY_FAILS-}" ]
"""
    host.stand_in("./deploy.sh", deploys)
    goes_on = host.directory / "goes_on"
    for name, pipeline, its_own in pipelines(host):
        goes_on.write_text("")
        assert set(pipeline.variables) == {"LOCK_SERVER"}
        first = pipeline.start(host, host.others[0], DEPLOY_FAILS="1", **its_own(1))
        (holder,) = until(lambda: lock(host, "deploy-production")["holders"], 20, f"{name}: the first one has it")
        second = pipeline.start(host, host.others[1], **its_own(2))
        (waiter,) = until(lambda: lock(host, "deploy-production")["queue"], 20, f"{name}: the second one waits")
        assert holder["info"].startswith("https://") and "1" in holder["info"] and holder["info"] != waiter["info"]
        goes_on.write_text("+\n")
        assert (first.communicate(timeout=60)[0], first.returncode) == ("", 1), name
        assert (second.communicate(timeout=60)[0], second.returncode) == ("", 0), name
        assert most_at_once(host, "deploys")[0] == 1
        assert lock(host, "deploy-production")["in_use"] == 0
        # A job whose ticket somebody ends does nothing, and its log has the reason.
        held = json.loads(host.run(["lockctl", "--json", "acquire", "deploy-production"])[1])["id"]
        (host.directory / "deploys").unlink()
        third = pipeline.start(host, host.others[0], **its_own(3))
        (waiter,) = until(lambda: lock(host, "deploy-production")["queue"], 20, f"{name}: the third one waits")
        words = ["lockctl", "revoke", "deploy-production", str(waiter["number"]), "--reason", "release is stopped"]
        assert host.run(words)[0] == 0
        said, _ = third.communicate(timeout=60)
        assert third.returncode != 0 and "ci-lock: no permit of deploy-production: " in said and ": release is stopped" in said, said
        assert not (host.directory / "deploys").exists()
        assert host.run(["lockctl", "release", held])[0] == 0


#: Those of our alerts that somebody who follows a recipe could set off: with it as a habit, they would fire for ever.
ALERTS = ("LockHoldersAreLost", "LockGrantsLapse")


def judge_alerts(host, tmp_path, server):
    """Our own alerts watch the recipe, done ten times an hour; and the log does not warn of it."""
    status, metrics = host.run(["curl", "-fsS", "http://127.0.0.1:9090/metrics"])
    assert status == 0, metrics
    wanted = re.findall(r"^(lockserver_(?:tickets_ended|grants_lapsed)_total)\{?(.*?)\}? (\d+)", metrics, re.M)
    assert wanted
    series = [{"series": f'{name}{{job="lockserver",instance="it"{"," + labels if labels else ""}}}',
               "values": f"0+{int(count)}x10 {10 * int(count)}x50"} for name, labels, count in wanted]
    test = {"rule_files": [str(ROOT / "packaging" / "monitoring" / "lockserver.rules.yml")], "evaluation_interval": "1m",
            "tests": [{"interval": "1m", "input_series": series,
                       "alert_rule_test": [{"eval_time": "15m", "alertname": alert, "exp_alerts": []} for alert in ALERTS]}]}
    # JSON is YAML.
    (tmp_path / "alerts.yml").write_text(json.dumps(test))
    promtool("test", "rules", tmp_path / "alerts.yml")
    warnings = [line for line in server.log().splitlines() if "WARNING" in line and "lost" in line]
    assert not warnings, warnings


JUDGES = {"SAN sessions": judge_san, "Cron on many hosts": judge_cron, "Two resources at once": judge_solver, "Reboots with FleetLock": judge_fleetlock,
           "CI jobs with curl": judge_ci, "GitLab, GitHub and Jenkins": judge_pipelines, "An API with a limit": judge_weather, "Five teams and a cap": judge_teams,
           "Only the newest commit": judge_newest, "Builds and agents on one machine": judge_builds}


@pytest.mark.root
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_as_written(host, tmp_path, name):
    recipe = RECIPES[name]
    recipe.check()
    (tmp_path / "server").mkdir()
    server = ReadersServer(tmp_path / "server", recipe.config(), host.prefix).start()
    try:
        assert server.at == ("127.0.0.1", 9090), "where a reader finds it"
        for kind, step in recipe.steps():
            if kind == "sh":
                host.shell(step)
            elif kind == "crontab":
                host.cron(step)
            else:
                write_file(tmp_path, kind, step)
        judge_alerts(host, tmp_path, server)
        JUDGES.get(name, lambda *_: None)(host, recipe)
        # What a recipe takes it gives back, or its lease does.
        _, said = host.run(["lockctl", "--json", "status"])
        for one in json.loads(said)["locks"]:
            left = LEFT.get(name, {}).get(one["name"], 0)
            until(lambda: lock(host, one["name"])["in_use"] == left, 20, f"{one['name']} is free again")
    finally:
        server.stop()
    server.check_log()


#: Instead of the jobs: note that one has run. `sh` and `echo` are those that lockctl starts, not those of the shell.
WORKED = 'echo "$0" >>"$HOME/worked"\n'


@pytest.mark.root
@pytest.mark.parametrize("there", ["no lock", "no server"])
@pytest.mark.parametrize("name", [name for name in RECIPES if name not in LOCAL])
def test_no_recipe_works_without_its_lock(host, tmp_path, name, there):
    # Terraform asks for its lock itself, and a count of licences is no work.
    for job in [*(one for one in STAND_INS if one not in ("terraform", "licences-in-use")), "sh", "echo"]:
        host.stand_in(job, WORKED)
    recipe = RECIPES[name]
    (tmp_path / "server").mkdir()
    server = ReadersServer(tmp_path / "server", "[general]\nSERVER=0.0.0.0\n[lock another]\nSIZE=1\n", host.prefix)
    if there == "no lock":
        server.start()
    try:
        for kind, step in recipe.steps():
            if kind not in ("sh", "crontab"):
                write_file(tmp_path, kind, step)
            blocks = [text for text, _ in step] if kind == "sh" else crontab(step)[1] if kind == "crontab" else []
            for text in blocks:
                at = {"LOCK_CONNECT_TIMEOUT": "0.2", **(crontab(step)[0] if kind == "crontab" else {})}
                prefix = host.others[0] if kind == "crontab" or any(word in text for word in ELSEWHERE) else None
                status, said = host.run(["bash", "-c", text], 150, prefix, **at)
                assert status != 0 or said, f"{text}\nsays nothing of it"
                assert "Apply complete" not in said
                worked = tmp_path / "worked"
                assert not worked.exists(), f"{text}\nworks without the lock: {worked.read_text()}"
    finally:
        server.stop()


@pytest.mark.root
@pytest.mark.parametrize("name", sorted(LOCAL))
def test_no_recipe_works_where_its_own_server_cannot_start(host, tmp_path, name):
    host.stand_in("cargo", WORKED)
    place = tmp_path / "no-directory"
    place.write_text("")
    tried = 0
    for kind, step in RECIPES[name].steps():
        for text in [text for text, _ in step if not text.startswith("cat >")] if kind == "sh" else []:
            status, said = host.run(["bash", "-c", text], 150, XDG_STATE_HOME=str(place))
            assert status != 0 or said, f"{text}\nsays nothing of it"
            assert not (tmp_path / "worked").exists(), f"{text}\nworks without its server"
            tried += 1
    assert tried


def test_the_page_has_what_people_come_for():
    wanted = ["SAN", "Cron", "Builds", "deploy", "Licences", "at once", "others use", "of a kind", "broken",
              "FleetLock", "Terraform", "Readers", "CI jobs", "GitLab", "API", "teams", "newest",
              "Fencing"]
    for word in wanted:
        assert any(word in name for name in RECIPES), word
    assert set(JUDGES) | set(LEFT) <= set(RECIPES)
    # The table at the top leads to each of them.
    links = re.findall(r"\| \[(.+?)\]\(#(.+?)\) \|", PAGE.read_text())
    assert [name for name, _ in links] == list(RECIPES)
    assert all(anchor == re.sub(r"[^\w -]", "", name).lower().replace(" ", "-") for name, anchor in links)


def test_outputs_are_compared():
    assert matches("a 1 b\nend\n", "a ... b\nend\n") and matches("x\ny\nend\n", "...\nend\n") and matches("", "")
    for said, expected in [("a\n", "b\n"), ("a\nb\n", "a\n"), ("", "a\n"), ("a\n", ""), ("a 1 c\n", "a ... b\n")]:
        assert not matches(said, expected), (said, expected)
