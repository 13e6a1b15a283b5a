"""packaging/monitoring: alerts, scrape configuration and dashboard, judged by promtool, against the metrics of a real server.

promtool reads the text format only; test_metrics.py has OpenMetrics read by the parser of Prometheus' client library.
"""

import itertools
import json
import re
import shutil
import signal

import pytest
import yaml

from harness.api import Admin, Api
from harness.keys import NONE, new_key
from harness.paths import ROOT
from harness.promtool import Prometheus, promtool
from harness.tls import Authority
from harness.wait import until
from harness.wire import get

MONITORING = ROOT / "packaging" / "monitoring"
RULES = MONITORING / "lockserver.rules.yml"
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
DASHBOARD = json.loads((MONITORING / "grafana-dashboard.json").read_text())
PANELS = DASHBOARD["panels"]
# What Grafana puts in, and something that may stand there.
VARIABLES = {"$__rate_interval": "5m", "$instance": ".+", "$lock": ".+"}
OF_THE_TARGET = {"job", "instance"}
SECTIONS = "[lock san]\nSIZE=2\nLOCK_DELAY=600\n\n[lock job-*]\nSIZE=1\n"


def filled(expression):
    """An expression of the dashboard, with values for its variables."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def shown():
    """Every expression of the dashboard."""
    panels = [target["expr"] for panel in PANELS for target in panel.get("targets", [])]
    return [filled(expression) for expression in panels + [one["expr"] for one in DASHBOARD["annotations"]["list"]]]


def documented():
    """The metrics of docs/metrics.md: name to (type, labels)."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", (ROOT / "docs" / "metrics.md").read_text(), re.M)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def served(server):
    """The page of a server, after a little traffic, and its metrics: name to type."""
    with Api(server.at) as api:
        api.release(api.take("san"))
        api.take("job-1")
    text = get(server.at, "/metrics").text
    return text, dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))


def test_promtool_is_content_with_the_alerts():
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", RULES)
    promtool("test", "rules", MONITORING / "lockserver.rules.test.yml")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_complete(alert):
    rule = ALERTS[alert]
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"} and len(notes["description"]) > 40
    assert notes["runbook_url"] == f"docs/operations.md#{alert.lower()}"
    assert re.search(rf"^### {alert}$", (ROOT / "docs" / "operations.md").read_text(), re.M), "what to do"
    # Why it is that number, and not another one, stands above it.
    assert re.search(rf"^ +# .+\n +- alert: {alert}$", RULES.read_text(), re.M)
    tested = [one for test in yaml.safe_load((MONITORING / "lockserver.rules.test.yml").read_text())["tests"]
              for one in test["promql_expr_test"] if f'alertname="{alert}"' in one["expr"]]
    assert any(one["exp_samples"] for one in tested), "a test that it comes"
    assert any(not one["exp_samples"] for one in tested), "a test that it does not come"


def test_the_page_has_no_other_alerts():
    section = re.search(r"^## Alerts$(.*?)^## ", (ROOT / "docs" / "operations.md").read_text(), re.M | re.S).group(1)
    assert re.findall(r"^### (\w+)$", section, re.M) == list(ALERTS), "in the order of the file"


def test_promtool_is_content_with_the_scrape_configuration(tmp_path):
    text = (MONITORING / "prometheus.yml").read_text()
    assert "/etc/prometheus/" in text
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/", f"{tmp_path}/"))
    shutil.copy(RULES, tmp_path)
    for name in set(re.findall(r"/etc/prometheus/(\S+)", text)):
        (tmp_path / name).write_text("")
    said = promtool("check", "config", tmp_path / "prometheus.yml")
    assert "1 rule files found" in said and f"{len(ALERTS)} rules found" in said
    assert [job["job_name"] for job in yaml.safe_load(text)["scrape_configs"]] == ["lockserver"], "as the alerts want it"


def test_promtool_is_content_with_the_metrics(make_server):
    text, _ = served(make_server(sections=SECTIONS).start())
    assert promtool("check", "metrics", input=text) == "", "no complaint"


def test_what_is_served_is_documented_and_what_is_used_is_served(make_server):
    _, types = served(make_server(sections=SECTIONS).start())
    listed = documented()
    assert set(listed) == set(types), "docs/metrics.md against /metrics"
    queries = [one["definition"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    expressions = [rule["expr"] for rule in ALERTS.values()] + shown() + [filled(query) for query in queries]
    used = set()
    for expression in expressions:
        for name, matchers in re.findall(r"\b((?:lockserver|process)_\w+)(?:\{(.*?)\})?", expression):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert base in types and (base == name) == (types[base] != "histogram"), f"{name} in {expression}"
            # Not what stands between quotes.
            labels = set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", re.sub(r'"[^"]*"', '""', matchers)))
            assert labels <= listed[base][1] | OF_THE_TARGET, f"{labels} of {name} in {expression}"
            used.add(base)
    # What nobody looks at, and why.
    assert set(types) - used == {
        # Addresses, of which there are plenty, and no memory.
        "process_virtual_memory_bytes",
    }


def test_the_dashboard_is_sane():
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids) and DASHBOARD["id"] is None and DASHBOARD["uid"] and DASHBOARD["schemaVersion"] >= 38
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["datasource", "instance", "lock"]
    for panel in PANELS:
        at = panel["gridPos"]
        assert at["w"] > 0 and at["h"] > 0 and at["x"] >= 0 and at["x"] + at["w"] <= 24, panel["title"]
        if panel["type"] == "row":
            continue
        assert len(panel["description"]) > 20 and panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert refs and len(set(refs)) == len(refs), panel["title"]
        for one in [panel, *panel["targets"]]:
            assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        for target in panel["targets"]:
            assert target["legendFormat"], panel["title"]
            if "lockserver_lock" in target["expr"]:
                assert 'lock=~"$lock"' in target["expr"], panel["title"]
            assert 'instance=~"$instance"' in target["expr"], panel["title"]
    titles = [panel["title"] for panel in PANELS]
    assert len(set(titles)) == len(titles)
    assert [panel["title"] for panel in PANELS if panel["type"] == "row"] == ["Overview", "Engine and store", "HTTP", "Process"]
    for one, other in itertools.combinations([panel["gridPos"] for panel in PANELS], 2):
        apart = (one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
                 or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"])
        assert apart, (one, other)


def test_the_dashboard_asks_what_prometheus_understands(tmp_path):
    rules = [{"record": f"panel:number:{number}", "expr": expression} for number, expression in enumerate(shown())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", "--lint=none", tmp_path / "rules.yml")


def judge(directory, text, at, alarms):
    """Whether these alerts, and no others, are on after a server has shown this page for so long. `alarms`: name to lock."""
    series = [{"series": 'up{job="lockserver",instance="a"}', "values": "1x600"}]
    for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.M):
        more = "," + labels if labels else ""
        series.append({"series": f'{name}{{job="lockserver",instance="a"{more}}}', "values": f"{value}x600"})
    expected = []
    for alert, lock in alarms.items():
        labels = {"alertname": alert, "alertstate": "firing", "instance": "a", "job": "lockserver", **ALERTS[alert]["labels"]}
        labels.update({"lock": lock} if lock else {})
        expected.append({"labels": "ALERTS{" + ", ".join(f'{k}="{v}"' for k, v in labels.items()) + "}", "value": 1})
    asked = {"expr": 'ALERTS{alertstate="firing"}', "eval_time": at, "exp_samples": expected}
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": [asked]}]
    path = directory / "test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", path)


def test_a_server_that_is_well_raises_no_alarm(make_server, tmp_path):
    text, _ = served(make_server(sections=SECTIONS).start())
    judge(tmp_path, text, "9h", {})


def test_the_troubles_of_a_server_raise_theirs(make_server, tmp_path):
    """The alerts of what a server can be brought to show at once, by what it really shows."""
    server = make_server(sections=f"{SECTIONS}\n[lock tape]\n\n[lock pair]\nSIZE=2\n").start()
    with Admin(server) as admin, Api(server.at) as api:
        # A lost holder of both permits, and one who waits for the delay to end.
        held = api.take("san", permits=2)
        admin.ok("DELETE", f"/v1/locks/san/tickets/{held['number']}")
        api.ok("POST", "/v1/locks/san/tickets", {"queue": True}, 202)
        admin.ok("PATCH", "/v1/locks/tape", {"paused": True})
        # One of two is free, and who wants both stands first.
        api.take("pair")
        api.ok("POST", "/v1/locks/pair/tickets", {"queue": True, "permits": 2}, 202)
    server.configure({}, "[lock san]\nSIZE=none\n")
    server.signal(signal.SIGHUP)
    shown = until(lambda: re.search(r"^lockserver_config_last_reload_successful 0$", get(server.at, "/metrics").text, re.M),
                  20, "the refused reload")
    judge(tmp_path, shown.string, "9h", {
        "LockPermitsAreWithheld": "san", "LockIsPausedForLong": "tape", "LockIsFreeAndGrantsNothing": "pair",
        "LockserverConfigurationRefused": None})
    server.configure({}, f"{SECTIONS}\n[lock tape]\n\n[lock pair]\nSIZE=2\n")


def test_prometheus_reads_a_server_with_key_and_tls_and_fills_the_dashboard(make_server, tmp_path):
    """The scrape configuration as it is written, but for the place of its files and of the server."""
    authority = Authority(tmp_path / "lockserver-ca")
    server = make_server()
    cert, key = authority.issue("server", f"IP:{server.address}")
    secret, section = new_key("prometheus", RIGHTS="observe")
    server.configure({}, f"{SECTIONS}\n[tls]\nCERT={cert}\nKEY={key}\n\n{section}\n{NONE}")
    server.start()
    with Admin(server) as admin:
        admin.release(admin.take("san"))
    shutil.copy(authority.ca, tmp_path / "lockserver-ca.crt")
    (tmp_path / "lockserver.key").write_text(f"{secret}\n")
    shutil.copy(RULES, tmp_path)
    text = (MONITORING / "prometheus.yml").read_text()
    for old, new in [("/etc/prometheus/", f"{tmp_path}/"), ("locks.example.org:9090", f"{server.address}:{server.port}"),
                     ("15s", "1s"), ("scrape_timeout: 10s", "scrape_timeout: 1s")]:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "prometheus.yml").write_text(text)
    with Prometheus(tmp_path, tmp_path / "prometheus.yml") as prometheus:
        def count():
            found = prometheus.ask("query", query='count_over_time(lockserver_ready{job="lockserver"}[1h])')
            return found and found["result"] and int(found["result"][0]["value"][1]) >= 3

        # A scrape without the right key, or over a connection that is not trusted, would bring none.
        until(count, 60, "three good scrapes")
        def evaluated():
            rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
            return rules if all(rule["health"] != "unknown" for rule in rules) else None

        rules = until(evaluated, 60, "the first look at all rules")
        assert {rule["name"]: rule["health"] for rule in rules} == dict.fromkeys(ALERTS, "ok")
        # Only what shows troubles, by a comparison, is empty.
        for panel in PANELS:
            for one in panel.get("targets", []):
                result = prometheus.ask("query", query=filled(one["expr"]))["result"]
                assert bool(result) == ("> 0" not in one["expr"] and 'code=~"[45].."' not in one["expr"]), one["expr"]
        for variable in ("instance", "lock"):
            assert prometheus.ask(f"label/{variable}/values")
