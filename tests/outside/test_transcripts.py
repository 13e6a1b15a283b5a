"""The recorded calls of 0.36, sent again: every answer is the same, byte for byte."""

import json
import re

from harness.paths import TRANSCRIPTS
from harness.wire import decode, http, request

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
FAULT_TEXT = re.compile(r"(<name>faultString</name>\n<value><string>)(.*?)(</string>)", re.S)


def test_every_answer_is_that_of_0_36(make_server):
    server = make_server({"DEFAULT_LOCK_SIZE": 2, "LONG_POLL": 0}).start()
    real = {}
    for entry in json.loads(TRANSCRIPTS.read_text()):
        case, recorded = entry["case"], entry["response"]
        sent = UUID.sub(lambda id: real.get(id.group(), id.group()), entry["request"])
        response = http(server.at, request(sent))
        assert response.status == entry["status"], case
        assert response.headers["content-type"].startswith("text/xml"), case
        if "system." in case:
            # New here: 0.36 did not offer these.
            assert "query_lock" in decode(response.body), case
            continue
        answer = response.text
        if "<fault>" in recorded:
            assert response.fault(), case
            recorded, answer = (FAULT_TEXT.sub(r"\1TEXT\3", text) for text in (recorded, answer))
        for old, new in zip(UUID.findall(recorded), UUID4.findall(answer)):
            assert new not in real.values(), f"{case}: an id that was given before"
            real[old] = new
        assert answer == UUID.sub(lambda id: real[id.group()], recorded), case


def test_the_new_introspection(server, connect):
    connection = connect(server)
    methods = connection.call("system.listMethods")
    assert {"query_lock", "get_lock", "release_lock", "system.listMethods"} <= set(methods)
    for method in ("query_lock", "get_lock", "release_lock"):
        assert connection.call("system.methodHelp", method).strip()
        assert connection.call("system.methodSignature", method)
    # Nobody's client calls it by itself.
    calls = [{"methodName": "query_lock", "params": ["DefaultLock", "x"]}]
    fault = connection.ask("system.multicall", calls).read().fault()
    assert "\"system.multicall\" is not supported" in fault
