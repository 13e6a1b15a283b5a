"""What goes over the wire, against transports that answer as they are told: repeats, keys, errors, several servers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from lockserver_client import ApiError, AsyncClient, Client, LeaseLost, Permits, Retry, Unreachable, errors

QUICK = Retry(rounds=4, within_s=60, first_s=0.001, longest_s=0.002)
TICKET = {
    "number": 7,
    "locks": {"san": {"permits": 1, "slots": [0], "slot_ranges": "0", "slot_names": []}},
    "lock": "san",
    "state": "held",
    "permits": 1,
    "slots": [0],
    "token": 41,
    "id": "6828d194-146e-4fd0-89ae-e65baab506fd",
    "a_field_of_the_future": True,
}
RELEASED = {"released": True, "ticket": {**TICKET, "state": "ended", "ended_as": "released"}}
STREAM = "text/event-stream"
Handler = Callable[[httpx.Request], httpx.Response]


class Fake:
    """Answers in turn; the last one stays. An answer that is an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.requests = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """The next answer."""
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, body, *kind = answer
        headers = {"Content-Type": kind[0]} if kind else None
        if isinstance(body, str):
            return httpx.Response(status, text=body, headers=headers)
        return httpx.Response(status, json=body, headers=headers)

    def bodies(self) -> list[Any]:
        """What was sent."""
        return [json.loads(one.content) for one in self.requests if one.content]


def client(fake: Handler, servers: str | list[str] = "http://one", **options: Any) -> Client:
    return Client(servers, transport=httpx.MockTransport(fake), retry=QUICK, **options)


def problem(code: str, status: int, **more: Any) -> tuple[int, dict[str, Any]]:
    return status, {"type": "about:blank", "title": code, "status": status, "detail": f"about {code}", "code": code, **more}


CODES = {
    "busy": 409, "configuration_refused": 409, "internal": 500, "invalid": 400, "limit_reached": 429, "lock_exists": 409,
    "lock_changed": 412, "lock_retiring": 409, "method_not_allowed": 405, "name_withheld": 409, "not_a_holder": 409,
    "not_allowed": 403, "not_found": 404, "overloaded": 503, "payload_too_large": 413, "request_timeout": 408,
    "request_id_reused": 422, "shutting_down": 503, "timed_out": 409, "too_many_permits": 422, "gone": 410,
    "unauthorized": 401, "unavailable": 503, "unknown_lock": 404, "unknown_ticket": 404, "unsupported_media_type": 415,
    "ticket_changed": 409, "would_end_tickets": 409,
}  # fmt: skip


def test_one_exception_for_each_code() -> None:
    assert set(errors.BY_CODE) == set(CODES)
    for code, status in CODES.items():
        fake = Fake(problem(code, status, retryable=False, ended_as="revoked", would_end=3, tickets=[TICKET]))
        with pytest.raises(ApiError) as raised:
            client(fake).lock("san")
        error = raised.value
        name = "".join(word.capitalize() for word in code.split("_"))
        assert type(error) is getattr(errors, name)
        assert (error.code, error.status, error.ended_as, error.would_end) == (code, status, "revoked", 3)
        assert str(error) == f"about {code} (revoked)"
        assert error.tickets[0].number == 7


def test_a_code_of_the_future_is_the_base_class() -> None:
    with pytest.raises(ApiError, match="about of_the_future") as raised:
        client(Fake(problem("of_the_future", 418, retryable=False))).status()
    assert type(raised.value) is ApiError
    assert raised.value.code == "of_the_future"
    assert not raised.value.retryable


def test_the_key_is_a_bearer_token() -> None:
    fake = Fake(problem("unauthorized", 401, retryable=False))
    with pytest.raises(errors.Unauthorized, match="about unauthorized"):
        client(fake, key="lsk_SECRET").locks()
    assert fake.requests[0].headers["Authorization"] == "Bearer lsk_SECRET"
    fake = Fake(problem("not_allowed", 403, retryable=False))
    with pytest.raises(errors.NotAllowed):
        client(fake).locks()
    assert "Authorization" not in fake.requests[0].headers
    assert "SECRET" not in repr(client(fake, key="lsk_SECRET")._core)


def test_repeats_with_the_same_request_id() -> None:
    busy = problem("unavailable", 503, retryable=True, may_have_taken_effect=True)
    fake = Fake(httpx.ReadError("the connection is gone"), busy, (502, "<html>proxy</html>"), (201, TICKET), (200, RELEASED))
    with client(fake).hold("san") as held:
        assert held.token == 41
    ids = {body["request_id"] for body in fake.bodies()}
    assert len(fake.bodies()) == 4
    assert len(ids) == 1
    assert len(ids.pop()) >= 16
    assert fake.requests[-1].method == "DELETE"


def test_what_is_given_up_is_cancelled() -> None:
    fake = Fake(*[httpx.ReadError("gone")] * 4, (200, RELEASED))
    with pytest.raises(Unreachable) as raised:
        client(fake).hold("san")
    assert raised.value.may_have_taken_effect
    assert isinstance(raised.value, ConnectionError)
    assert fake.requests[-1].method == "DELETE"
    assert fake.requests[-1].url.params["request_id"] == fake.bodies()[0]["request_id"]
    # A request that was refused left nothing to cancel.
    fake = Fake(problem("unknown_lock", 404, retryable=False))
    with pytest.raises(errors.UnknownLock):
        client(fake).hold("san")
    assert len(fake.requests) == 1


def test_waiting_in_the_queue() -> None:
    queued = {**TICKET, "state": "queued", "token": None, "slots": [], "ahead": 2}
    fake = Fake((202, queued), (200, queued), (200, TICKET), (200, RELEASED))
    with client(fake).hold("san", wait_s=60):
        pass
    assert [one.method for one in fake.requests] == ["POST", "GET", "GET", "DELETE"]
    assert fake.bodies()[0]["queue"] is True
    assert 0 < float(fake.requests[1].url.params["wait_s"]) <= 25


def test_only_what_is_safe_is_repeated() -> None:
    def tries(answer: Any, call: Callable[[Client], object]) -> int:
        fake = Fake(answer)
        with pytest.raises((ApiError, Unreachable)):
            call(client(fake))
        return len(fake.requests)

    unsure = problem("unavailable", 503, retryable=True, may_have_taken_effect=True)
    sure = problem("overloaded", 503, retryable=True)
    lost, refused = httpx.ReadTimeout("slow"), httpx.ConnectError("refused")
    table: list[tuple[Any, int, int]] = [(unsure, 4, 1), (sure, 4, 4), (lost, 4, 1), (refused, 4, 4)]
    for given, safe, unsafe in table:
        assert tries(given, lambda one: one.lock("san")) == safe
        assert tries(given, lambda one: one.change("san", {"size": 5})) == safe
        assert tries(given, lambda one: one.create("san", {"size": 5})) == unsafe
        assert tries(given, lambda one: one.delete("san")) == unsafe
        assert tries(given, lambda one: one.change("san", {"size": 5}, revision=3)) == unsafe
    assert tries(problem("busy", 409, retryable=True), lambda one: one.lock("san")) == 1


def test_several_servers_in_turn() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        if request.url.host == "one":
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json={"locks": [], "as_of": "1-1"})

    asked: list[str] = []
    both = client(answer, ["http://one", "http://two"])
    both.locks()
    both.locks()
    # The one that answered is asked first from then on.
    assert asked == ["one", "two", "two"]
    with pytest.raises(Unreachable, match=r"http://one: refused; http://three: refused"):
        client(Fake(httpx.ConnectError("refused")), "http://one, http://three").locks()


def test_the_first_of_several_does_not_serve_now() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.host))
        if request.url.host == "one":
            status, body = problem("unavailable", 503, retryable=True)
            return httpx.Response(status, json=body, headers={"Retry-After": "60"})
        return httpx.Response(200, json=RELEASED if request.method == "DELETE" else TICKET)

    asked: list[tuple[str, str]] = []
    with client(answer, ["http://one", "http://two"]).hold("san") as held:
        assert held.token == 41
    assert asked == [("POST", "one"), ("POST", "two"), ("DELETE", "two")]


def test_dead_connections_are_not_tried_one_by_one() -> None:
    """A flow that was dropped in silence: the other idle connections are as dead."""
    fake = Fake(httpx.ReadTimeout("silence"), (200, {"locks": [], "as_of": "1-1"}))
    one = client(fake)
    old = [one._runner._new(0) for _ in range(8)]
    for connection in old:
        one._runner.give_back(0, connection)
    one.locks()
    assert all(connection.is_closed for connection in old)

    async def main() -> None:
        fake = Fake(httpx.ReadError("reset"), (200, {"locks": [], "as_of": "1-1"}))
        asynchronous = AsyncClient("http://one", transport=httpx.MockTransport(fake), retry=QUICK)
        old = [asynchronous._runner._new(0) for _ in range(8)]
        for connection in old:
            await asynchronous._runner.give_back(0, connection)
        await asynchronous.locks()
        assert all(connection.is_closed for connection in old)

    asyncio.run(main())


def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fake = Fake((201, TICKET), (200, RELEASED))
    client(fake).hold("san").release()
    assert "/v1/tickets/..." in caplog.text
    assert str(TICKET["id"]) not in caplog.text
    fake = Fake((202, {**TICKET, "state": "queued"}), problem("invalid", 400, retryable=False), (200, RELEASED))
    with pytest.raises(errors.Invalid):
        client(fake).hold("san")
    assert fake.bodies()[0]["request_id"] not in caplog.text
    # What others log by httpx is theirs.
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as other:
        other.get("http://other/v1/things/17?request_id_of=18")
    assert "http://other/v1/things/17?request_id_of=18" in caplog.text


def test_a_hold_that_ends_before_its_lease() -> None:
    """`expires_in_s` of a held ticket is what the longest hold leaves of it, whatever is renewed."""
    for ttl_s in (60, None):
        ticket = {**TICKET, "ttl_s": ttl_s, "expires_in_s": 0.3}
        told: list[LeaseLost] = []
        held = client(Fake((201, ticket), (200, ticket))).hold("san", on_lost=told.append)
        lost = held.wait_lost(30)
        assert lost is not None
        assert "as long as it may be" in str(lost)
        assert held.ttl_s == ttl_s


def test_a_renewal_that_is_refused_is_no_silence() -> None:
    """The key was narrowed or removed meanwhile: the server answers, and says so."""
    refused = problem("not_allowed", 403, retryable=False)
    for answers, said in (([refused], "refused to renew it: about not_allowed"), ([(502, "")], "no renewal was answered")):
        told: list[LeaseLost] = []
        held = client(Fake((201, {**TICKET, "ttl_s": 0.9}), *answers)).hold("san", on_lost=told.append)
        lost = held.wait_lost(30)
        assert lost is not None
        assert said in str(lost)
        assert lost.problem is None
        # It may still be held there, so it is given back all the same: by its id that is allowed.
        with pytest.raises(LeaseLost, match=said):
            held.release()


def test_all_slots_of_a_large_hold_are_told() -> None:
    """The list of slots ends at 1,000."""
    part = {"permits": "all", "slots": list(range(1000)), "slot_ranges": "0-29999", "slot_names": []}
    ticket = {**TICKET, **part, "locks": {"san": part}}
    with client(Fake((201, ticket), (200, RELEASED))).hold("san", "all") as held:
        assert (len(held.slots), held.slot_ranges) == (1000, "0-29999")
        assert "slots 0-29999 " in repr(held)

    async def main() -> None:
        fake = Fake((201, ticket), (200, RELEASED))
        async with AsyncClient("http://one", transport=httpx.MockTransport(fake)).hold("san", "all") as held:
            assert (len(held.slots), held.slot_ranges) == (1000, "0-29999")

    asyncio.run(main())


def test_what_is_no_lockserver() -> None:
    answers: list[Any] = [(200, "<html>"), (404, "nothing here"), (200, {"locks": 5}), (302, ""), (200, [])]
    for answer in answers:
        with pytest.raises(errors.NotLockserver, match="http://one is not a lockserver"):
            client(Fake(answer)).locks()


EVERY_CALL: dict[str, Callable[[Client], object]] = {
    "locks": lambda one: one.locks(),
    "lock": lambda one: one.lock("san"),
    "history": lambda one: one.history("san"),
    "status": lambda one: one.status(),
    "my_tickets": lambda one: one.my_tickets(),
    "ticket": lambda one: one.ticket("id"),
    "renew": lambda one: one.renew("id"),
    "release": lambda one: one.release("id"),
    "verify": lambda one: one.verify("san", 41),
    "hold": lambda one: one.hold("san"),
    "hold of several": lambda one: one.hold({"san": 1, "licence": 1}),
    "events": lambda one: next(one.events()),
    "create": lambda one: one.create("san", {"size": 1}),
    "replace": lambda one: one.replace("san", {"size": 1}),
    "change": lambda one: one.change("san", {"size": 1}),
    "pause": lambda one: one.pause("san"),
    "resume": lambda one: one.resume("san"),
    "delete": lambda one: one.delete("san"),
    "revoke": lambda one: one.revoke("san", 7),
    "withhold": lambda one: one.withhold("san", 1),
    "restore": lambda one: one.restore("san"),
    "report": lambda one: one.report("san", 3, 60),
    "unreport": lambda one: one.unreport("san"),
    "reload": lambda one: one.reload(),
}


def test_every_call_is_among_them() -> None:
    public = {name for name in dir(Client) if not name.startswith("_")}
    assert public - {call.split()[0] for call in EVERY_CALL} == {"close", "limited", "try_hold"}


@pytest.mark.parametrize("call", EVERY_CALL)
def test_what_answers_everything_confirms_nothing(call: str) -> None:
    answers: list[Any] = [(200, "<html>Log in</html>", "text/html"), (200, ""), (200, {}), (200, {"status": "ok"}), (204, "")]
    for answer in answers:
        # To these the last one is an answer.
        if answer[0] == 204 and call in ("delete", "restore", "unreport"):
            EVERY_CALL[call](client(Fake(answer)))
            continue
        with pytest.raises(errors.NotLockserver, match="http://one is not a lockserver"):
            EVERY_CALL[call](client(Fake(answer)))


def test_a_token_is_confirmed_by_its_own_ticket_alone() -> None:
    assert client(Fake((200, TICKET))).verify("san", 41) is True
    assert client(Fake(problem("not_a_holder", 409, retryable=False))).verify("san", 41) is False
    for lock, token in (("san", 42), ("other", 41)):
        with pytest.raises(errors.NotLockserver, match="another lock or token"):
            client(Fake((200, TICKET))).verify(lock, token)


SEVERAL = {
    **{name: value for name, value in TICKET.items() if name not in ("lock", "permits", "slots")},
    "locks": {
        "licence": {"permits": 2, "slots": [3, 4], "slot_ranges": "3-4", "slot_names": []},
        "stage": {"permits": "all", "slots": [0], "slot_ranges": "0", "slot_names": ["eu-1"]},
    },
}


def test_several_locks_are_one_request() -> None:
    wanted: dict[str, Permits] = {"stage": "all", "licence": 2}
    fake = Fake((201, SEVERAL), (200, RELEASED))
    with client(fake).hold(wanted, wait_s=5) as held:
        wanted["other"] = 1
        assert (held.lock, held.token) == ("licence, stage", 41)
        parts = [(name, part.permits, part.slots) for name, part in held.locks.items()]
        assert parts == [("licence", 2, [3, 4]), ("stage", "all", [0])]
        assert held.locks["stage"].slot_names == ["eu-1"]
        assert (held.ticket.lock, held.ticket.slots) == (None, None)
        for name in ("permits", "slots", "slot_ranges", "slot_names"):
            with pytest.raises(AttributeError, match="several locks are held"):
                getattr(held, name)
        assert "'licence, stage' number 7 slots 3-4; 0 token 41" in repr(held)
    assert fake.requests[0].url.path == "/v1/tickets"
    assert fake.bodies()[0]["locks"] == {"stage": "all", "licence": 2}
    assert "permits" not in fake.bodies()[0]

    async def main() -> None:
        fake = Fake((201, SEVERAL), (200, RELEASED))
        async with AsyncClient("http://one", transport=httpx.MockTransport(fake)).hold({"stage": "all", "licence": 2}) as held:
            assert list(held.locks) == ["licence", "stage"]
        assert fake.bodies()[0]["locks"] == {"stage": "all", "licence": 2}

    asyncio.run(main())


def test_one_of_several_is_asked_for_as_that_one() -> None:
    fake = Fake((201, TICKET), (200, RELEASED))
    with client(fake).hold({"san": 3}) as held:
        assert held.slots == [0]
    assert fake.requests[0].url.path == "/v1/locks/san/tickets"
    assert fake.bodies()[0]["permits"] == 3


def test_a_request_for_several_locks_is_cancelled_as_such() -> None:
    fake = Fake(*[httpx.ReadError("gone")] * QUICK.rounds, (200, {"released": False}))
    with pytest.raises(Unreachable):
        client(fake).hold({"a b": 1, "c": 1}, wait_s=0)
    last = fake.requests[-1]
    assert (last.method, last.url.path) == ("DELETE", "/v1/tickets")
    assert last.url.params.get_list("lock") == ["a b", "c"]
    assert last.url.params["request_id"] == fake.bodies()[0]["request_id"]


def test_the_lock_that_refused_is_told() -> None:
    fake = Fake(problem("busy", 409, retryable=True, lock="licence"))
    with pytest.raises(errors.Busy) as busy:
        client(fake).hold({"stage": 1, "licence": 2}, wait_s=0)
    assert busy.value.problem.lock == "licence"


def test_async_what_answers_everything_confirms_nothing() -> None:
    async def main() -> None:
        fake = Fake((200, "<html>Log in</html>", "text/html"))
        one = AsyncClient("http://one", transport=httpx.MockTransport(fake), retry=QUICK)
        for call in (one.verify("san", 41), one.release("id"), one.revoke("san", 7), one.restore("san"), one.delete("san")):
            with pytest.raises(errors.NotLockserver):
                await call
        with pytest.raises(errors.NotLockserver):
            await one.events().__anext__()

    asyncio.run(main())


def test_names_are_encoded_and_conditions_sent() -> None:
    fake = Fake(problem("invalid", 400, retryable=False))
    for name, path in (("50%", b"50%25"), ("%2F", b"%252F"), ("a b", b"a%20b"), ("ü;#?", b"%C3%BC%3B%23%3F")):
        with pytest.raises(errors.Invalid):
            client(fake).change(name, {"size": 1}, force=True, expect_tickets=2, revision=9)
        assert fake.requests[-1].url.raw_path == b"/v1/locks/" + path + b"?force=true&expect_tickets=2"
        assert fake.requests[-1].headers["If-Match"] == '"9"'
        with pytest.raises(errors.Invalid):
            client(fake).create(name, {"size": 1})
        assert fake.requests[-1].headers["If-None-Match"] == "*"
    for name, path in ((".", b"%2E"), ("..", b"%2E%2E")):
        with pytest.raises(errors.Invalid):
            client(fake).hold(name)
        assert fake.requests[-1].url.raw_path == b"/v1/locks/" + path + b"/tickets"


def stream(number: int) -> tuple[int, str, str]:
    data = f'{{"kind": "held", "lock": "san", "number": {number}}}'
    return 200, f"retry: 1\n\nid: 7-{number}\nevent: held\ndata: {data}\n\n", STREAM


def test_events_go_on_where_they_were() -> None:
    """Connections that end, and one that is refused for now: nothing twice, nothing missing."""
    answers = (stream(1), problem("unavailable", 503, retryable=True), stream(2), stream(3))

    def judge(fake: Fake, told: list[int | None], last_id: str | None) -> None:
        assert told == [1, 2, 3]
        assert last_id == "7-3"
        assert [one.headers.get("Last-Event-ID") for one in fake.requests] == ["7-0", "7-1", "7-1", "7-2"]
        assert [one.url.params["lock"] for one in fake.requests] == ["san"] * 4

    fake = Fake(*answers)
    with client(fake).events("san", "7-0") as events:
        judge(fake, [next(events).number for _ in range(3)], events.last_id)

    async def main() -> None:
        fake = Fake(*answers)
        asynchronous = AsyncClient("http://one", transport=httpx.MockTransport(fake), retry=QUICK)
        async with asynchronous.events("san", "7-0") as events:
            judge(fake, [(await events.__anext__()).number for _ in range(3)], events.last_id)

    asyncio.run(main())


def test_async_repeats_too() -> None:
    async def main() -> None:
        fake = Fake(httpx.ReadError("gone"), (201, TICKET), (200, RELEASED))
        asynchronous = AsyncClient("http://one", transport=httpx.MockTransport(fake), retry=QUICK, key="lsk_x")
        async with asynchronous.hold("san"):
            pass
        assert len({body["request_id"] for body in fake.bodies()}) == 1
        assert fake.requests[0].headers["Authorization"] == "Bearer lsk_x"

    asyncio.run(main())


def test_a_wait_is_not_shared_out_among_servers() -> None:
    """Each may wait as long as it is asked to; only what is left beyond is for all of them."""
    queued = {**TICKET, "state": "queued", "token": None, "slots": [], "ahead": 2}
    asked: list[tuple[str, float, float]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            wait = float(request.url.params["wait_s"])
            asked.append((request.url.host, wait, request.extensions["timeout"]["read"]))
            if len(asked) == 1:
                raise httpx.ReadTimeout("silent")
            return httpx.Response(200, json=TICKET)
        return httpx.Response(202, json=queued) if request.method == "POST" else httpx.Response(200, json=RELEASED)

    with client(handler, ["http://one", "http://two"]).hold("san", wait_s=12):
        pass
    assert [host for host, _, _ in asked] == ["one", "two"]
    for _, wait, bound in asked:
        assert 11 < wait <= 12
        assert bound > wait + 2


@pytest.mark.parametrize("begin", [0.0, 116.27, 17283.123456789])
def test_a_later_try_waits_only_for_what_is_left(monkeypatch: pytest.MonkeyPatch, begin: float) -> None:
    from lockserver_client import _clock

    spent = [0.0]
    monkeypatch.setattr(_clock, "now", lambda: begin + spent[0])
    queued = {**TICKET, "state": "queued", "token": None, "slots": [], "ahead": 2}
    waits: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        # At the end it looks whether the lock is paused.
        if request.url.path.startswith("/v1/tickets/") and request.method == "GET":
            waits.append(request.url.params.get("wait_s"))
            # The first is silent for some time, the second waits until the end.
            spent[0] += 8 if len(waits) == 1 else 4
            if len(waits) == 1:
                raise httpx.ReadTimeout("silent")
        return httpx.Response(202 if request.method == "POST" else 200, json=queued)

    with pytest.raises(errors.TimedOut):
        client(handler, ["http://one", "http://two"]).hold("san", wait_s=12)
    assert waits == ["12.000", "4.000"]


def test_pauses_while_there_is_no_room_are_within_a_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("lockserver_client._sync.time.sleep", pauses.append)
    monkeypatch.setattr("lockserver_client._acquire.jitter", lambda step: step)
    queued = {**TICKET, "state": "queued", "token": None, "slots": [], "ahead": 2}
    full = problem("limit_reached", 429, retryable=True)
    turn: list[Any] = [full, (200, queued), (200, queued)]
    with client(Fake((202, queued), *turn * 5, (200, TICKET), (200, RELEASED))).hold("san"):
        pass
    assert pauses == [0.5, 1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("lock", "permits", "what"),
    [
        (5, 1, "name of a lock is a str, not int"),
        ("san", object(), "permits are an int or a str"),
        ({5: 1}, 1, "name of a lock is a str, not int"),
        ({"san": None}, 1, "permits are an int or a str"),
        ({"san": 1, "licence": 1}, 2, "permits stand beside each of several locks"),
    ],
)
def test_arguments_of_another_type_are_told(lock: Any, permits: Any, what: str) -> None:
    fake = Fake((200, TICKET))
    with pytest.raises(TypeError, match=what):
        client(fake).hold(lock, permits)
    with pytest.raises(TypeError, match=what):
        AsyncClient("http://one").hold(lock, permits)
    assert fake.requests == []
