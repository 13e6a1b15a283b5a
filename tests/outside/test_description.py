"""Schemathesis against the server's own description: no 5xx, and no answer that is not described."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from harness.api import Api
from harness.keys import NONE, ask, new_key
from harness.wire import get

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
          response_schema_conformance]
EXAMPLES = 60
# Thousands of requests are work, not waiting: a busy machine takes minutes for them.
pytestmark = pytest.mark.timeout(900)
# So many permits that strangers seldom wait for each other, and so few that a listing of slots stays short.
SECTIONS = "[lock *]\nSIZE=50\n"
PLAIN = st.one_of(st.booleans(), st.integers(), st.text(max_size=20))
# No object, or one with a name that nothing has.
WRONG = st.one_of(PLAIN, st.lists(PLAIN), st.none(), st.dictionaries(st.text(max_size=9).map("x-{}".format), PLAIN, min_size=1))


def sendable(case):
    """What HTTP can carry: a control character in a header is refused before any call. And waiting is tested elsewhere."""
    for name, value in list((case.headers or {}).items()):
        if not str(value).isascii() or not str(value).isprintable():
            del case.headers[name]
    for place in (case.query, case.body):
        if isinstance(place, dict) and isinstance(place.get("wait_s"), (int, float)):
            place["wait_s"] = min(place["wait_s"], 0.01)
    return case


def check(server, operation, bodies=None, key=None, judge=None):
    """Requests of one call, made up from its description; with a wrong body, if some are given; with a key, if there is one."""
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE), body=st.none() if bodies is None else bodies)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    def run(case, body):
        if bodies is not None:
            case.body = body
        url = f"http://{server.address}:{server.port}"
        headers = {"Authorization": f"Bearer {key}"} if key else None
        response = sendable(case).call_and_validate(base_url=url, checks=CHECKS, timeout=20, headers=headers)
        assert bodies is None or 400 <= response.status_code < 500, (body, response.text)
        if judge:
            judge(response)
    run()


def described(server):
    """Every call of the server's own description, but for the stream: it has no end to wait for."""
    document = json.loads(get(server.at, "/openapi.json").body)
    del document["paths"]["/v1/events"]
    return document


def test_no_answer_is_outside_of_the_description(make_server, report):
    server = make_server(sections=SECTIONS).start()
    document = described(server)
    calls = 0
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        check(server, operation)
        calls += 1
        if "requestBody" in document["paths"][operation.path][operation.method.lower()]:
            check(server, operation, WRONG)
            calls += 1
    assert calls >= 20
    with Api(server.at) as api:
        assert api.ok("GET", "/v1/status")["ready"] is True
    report(f"schemathesis: {calls} kinds of requests, {EXAMPLES} each")


def test_a_server_with_keys_is_as_described_to_who_has_one(make_server, report):
    """An administrator's key over the network: also the calls that are refused without one."""
    secret, section = new_key("ops", RIGHTS="admin")
    server = make_server(sections=NONE + section + "MAX_PRIORITY=100\n" + SECTIONS).start()
    seen = set()

    def judge(response):
        assert response.status_code not in (401, 403), response.text
        seen.add(response.status_code)
    calls = 0
    for found in schemathesis.openapi.from_dict(described(server)).get_all_operations():
        check(server, found.ok(), key=secret, judge=judge)
        calls += 1
    assert calls >= 14 and seen >= {200, 201, 404}, (calls, seen)
    assert json.loads(ask(server, secret, "/v1/status")[1])["ready"] is True
    report(f"schemathesis with a key: {calls} kinds of requests, {EXAMPLES} each; statuses {sorted(seen)}")


def test_a_server_with_keys_is_as_described_to_who_has_none(make_server):
    _, section = new_key("ops", RIGHTS="admin")
    server = make_server(sections=NONE + section + SECTIONS).start()
    document = described(server)
    # It would make up keys.
    del document["security"], document["components"]["securitySchemes"]
    statuses = {}
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        seen = statuses.setdefault(f"{operation.method.upper()} {operation.path}", set())

        def judge(response, seen=seen, operation=operation):
            seen.add(response.status_code)
            if response.status_code == 401 and operation.path.startswith("/v1/"):
                assert response.json()["code"] == "unauthorized" and response.headers["www-authenticate"][0].startswith("Bearer ")
        check(server, operation, judge=judge)
    for public in ("/openapi.json", "/openapi-3.0.json", "/healthz", "/readyz"):
        assert statuses.pop(f"GET {public}") == {200}
    assert statuses and all(seen == {401} for seen in statuses.values()), statuses
