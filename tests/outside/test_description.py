"""Schemathesis against the server's own description: no 5xx, and no answer that is not described."""

import json

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
from harness.wire import get

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
          response_schema_conformance]
EXAMPLES = 60
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


def check(server, operation, bodies=None):
    """Requests of one call, made up from its description; with a wrong body, if some are given."""
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE), body=st.none() if bodies is None else bodies)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    def run(case, body):
        if bodies is not None:
            case.body = body
        url = f"http://{server.address}:{server.port}"
        response = sendable(case).call_and_validate(base_url=url, checks=CHECKS, timeout=20)
        assert bodies is None or 400 <= response.status_code < 500, (body, response.text)
    run()


def test_no_answer_is_outside_of_the_description(make_server, report):
    server = make_server(sections=SECTIONS).start()
    document = json.loads(get(server.at, "/openapi.json").body)
    # A stream has no end to wait for.
    del document["paths"]["/v1/events"]
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
