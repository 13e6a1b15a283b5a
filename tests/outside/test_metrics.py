"""/metrics, read as a scraper reads it: with the parsers of Prometheus' own client library, which take no liberties."""

import resource
import signal

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from harness.api import Admin, Api
from harness.wait import until
from harness.wire import get

SECTIONS = "[lock san]\nSIZE=2\n\n[lock job-*]\nSIZE=1\n"
FORMATS = {
    "text": ("text/plain;version=0.0.4", "text/plain; version=0.0.4; charset=utf-8", text_string_to_metric_families),
    "openmetrics": ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
                    "application/openmetrics-text; version=1.0.0; charset=utf-8",
                    openmetrics.text_string_to_metric_families),
}


def scrape(server, form="text"):
    """The families by name, each sample checked by the parser."""
    accept, content_type, parse = FORMATS[form]
    response = get(server.at, "/metrics", [f"Accept: {accept}"] if form == "openmetrics" else [])
    assert response.status == 200 and response.headers["content-type"] == content_type
    families = list(parse(response.text))
    assert len({family.name for family in families}) == len(families), "each family comes once"
    return {family.name: family for family in families}


def value(families, name, sample=None, **labels):
    """One sample's value; None if it is not there."""
    samples = families[name].samples
    found = [one.value for one in samples if one.name == (sample or name) and one.labels == labels]
    assert len(found) <= 1, found
    return found[0] if found else None


@pytest.mark.parametrize("form", FORMATS)
def test_parsers_read_it(make_server, form):
    server = make_server(sections=SECTIONS).start()
    awkward = 'a"b\\c{d="e"},\u00fc'
    with Admin(server) as admin:
        assert admin.call("PUT", "/v1/locks/a%22b%5Cc%7Bd=%22e%22%7D,%C3%BC", {"size": 3})[0] == 201
    with Api(server.at) as api:
        ticket = api.take("san")
        api.take("job-1")
        api.ok("POST", "/v1/locks/job-1/tickets", {"queue": True}, 202)
        api.release(ticket)
    families = scrape(server, form)
    assert value(families, "lockserver_lock_size", lock=awkward) == 3
    assert value(families, "lockserver_lock_size", lock="san") == 2
    assert value(families, "lockserver_lock_permits_held", lock="job-*") == 1
    assert value(families, "lockserver_lock_queued", lock="job-*") == 1
    # Python's parser of the text format takes the _total from a counter's family, as OpenMetrics has it.
    assert value(families, "lockserver_grants", "lockserver_grants_total", lock="san") == 1
    assert value(families, "lockserver_tickets_ended", "lockserver_tickets_ended_total",
                 lock="san", reason="released") == 1
    assert value(families, "lockserver_wait_seconds", "lockserver_wait_seconds_bucket", lock="san", le="+Inf") == 1
    assert value(families, "lockserver_hold_seconds", "lockserver_hold_seconds_count", lock="san") == 1
    kinds = {name: family.type for name, family in families.items()}
    assert kinds["lockserver_grants"] == "counter" and kinds["lockserver_wait_seconds"] == "histogram"
    if form == "openmetrics":
        assert kinds["lockserver_build"] == "info"
        assert families["lockserver_wait_seconds"].unit == "seconds"
        assert families["process_resident_memory_bytes"].unit == "bytes"
    for name, family in families.items():
        assert family.documentation.endswith("."), name
        assert family.samples, f"{name} has no sample"


def test_the_process_is_measured(server):
    families = scrape(server)
    assert 5 < value(families, "process_open_fds") < value(families, "process_max_fds")
    assert value(families, "process_resident_memory_bytes") > 1 << 20
    assert value(families, "lockserver_ready") == 1
    assert value(families, "lockserver_config_last_reload_successful") == 1
    # It may not have made a step since it started.
    busy = "lockserver_engine_busy_seconds"
    until(lambda: 0 < value(scrape(server), busy, f"{busy}_total") < 60, 20, "the engine has been busy")


def test_the_outcome_of_a_reload_is_told(make_server):
    server = make_server(sections=SECTIONS).start()

    def successful():
        return value(scrape(server), "lockserver_config_last_reload_successful")

    server.configure({}, "[lock san]\nSIZE=none\n")
    server.signal(signal.SIGHUP)
    until(lambda: successful() == 0, 10, "the refused reload")
    # A template that leaves the configuration takes its series with it, and a lock that comes has some.
    assert value(scrape(server), "lockserver_lock_size", lock="job-*") == 0
    server.configure({}, "[lock san]\nSIZE=5\n")
    server.signal(signal.SIGHUP)
    until(lambda: successful() == 1, 10, "the good reload")
    families = scrape(server)
    assert value(families, "lockserver_lock_size", lock="san") == 5
    assert value(families, "lockserver_lock_size", lock="job-*") is None


def test_instances_that_the_configuration_names_have_series_of_their_own(make_server):
    server = make_server({"METRICS_PER_INSTANCE": "job-a*"}, SECTIONS).start()
    with Api(server.at) as api:
        for lock in ("job-a1", "job-a1", "job-b1"):
            api.call("POST", f"/v1/locks/{lock}/tickets", {"queue": True})
    families = scrape(server)

    def numbers(lock):
        gauges = [value(families, f"lockserver_lock_{name}", lock=lock) for name in ("instances", "size", "permits_held", "queued")]
        return [*gauges, value(families, "lockserver_grants", "lockserver_grants_total", lock=lock)]

    assert numbers("job-a1") == [1, 1, 1, 1, 1]
    # The template counts all of its instances, and the rest of those that have no label.
    assert numbers("job-*") == [2, 1, 1, 0, 1]
    assert numbers("job-b1") == [None] * 5
    server.configure({}, SECTIONS)
    server.signal(signal.SIGHUP)
    until(lambda: value(scrape(server), "lockserver_lock_size", lock="job-a1") is None, 20, "the reload")
    families = scrape(server)
    assert numbers("job-*")[:4] == [2, 2, 2, 1]


def test_counters_begin_anew_and_gauges_go_on(make_server):
    server = make_server(sections=SECTIONS).start()
    with Api(server.at) as api:
        api.take("san")
    server.restart()
    families = scrape(server)
    assert value(families, "lockserver_lock_permits_held", lock="san") == 1
    assert value(families, "lockserver_grants", "lockserver_grants_total", lock="san") == 0


def test_the_page_answers_while_the_store_fails(make_server):
    """Without what only the engine could tell."""
    # A file that may not grow is a full disk.
    limit = 200_000
    server = make_server(sections=SECTIONS,
                         preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))).start()
    with Api(server.at) as api:
        for _ in range(1000):
            status, answer = api.call("POST", "/v1/locks/san/tickets", {"queue": True, "info": "x" * 4000})
            if status == 503:
                break
    assert status == 503, answer
    families = scrape(server)
    assert value(families, "lockserver_store_commits_failed", "lockserver_store_commits_failed_total") > 0
    assert value(families, "lockserver_tickets", "lockserver_tickets_total", lock="san") > 0
