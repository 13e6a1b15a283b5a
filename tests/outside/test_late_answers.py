"""What an answer says is true when it is written, however late that is: the engine decides, and the threads that answer stand still.

A busy machine does that to a process at any time. Here it is done on purpose, thread by thread: the engine stands still until it has
been asked; then it decides alone, while nobody can tell the client; then all go on. The store is the one on the disk: with that in
memory, requests are decided on by the very threads that answer.
"""

import contextlib
import datetime
import json
import re
import signal
import time
import xmlrpc.client

from harness.api import Api
from harness.threads import standing_still
from harness.wait import until
from test_told import ASKING, Client, http

ENGINE, ANSWERING = "engine", "tokio-rt-worker"


def unheard(api):
    """How many requests have not reached the engine yet, this one included. (It is answered without the engine after a while.)"""
    api.ask("GET", "/metrics")
    waiting = re.findall(r"(?m)^lockserver_engine_queue_requests\{.*\} (\d+)", api.connection.read().text)
    return sum(map(int, waiting))


@contextlib.contextmanager
def decided_and_not_told(server, requests):
    """Inside of the block the engine works on these requests, (client, request), and nobody can be answered."""
    with contextlib.ExitStack() as later:
        with Api(server.at) as api, standing_still(server.pid, ENGINE):
            for client, request in requests:
                client.socket.sendall(request)
            until(lambda: unheard(api) > len(requests), 20, "all requests are on their way to the engine")
            later.enter_context(standing_still(server.pid, ANSWERING))
        yield


def taken(client, lock):
    """A ticket that is held, by the text of its JSON."""
    return client.call(http("POST", f"/v1/locks/{lock}/tickets", {"ttl_s": 600}))


def renew(client, lock):
    """JSON: a heartbeat."""
    ident = re.search(rb"[0-9a-f]{8}-[0-9a-f-]{27}", taken(client, lock)).group().decode()
    return http("POST", f"/v1/tickets/{ident}/renew")


def verify(client, lock):
    """JSON: whether a token is the holder's."""
    token = re.search(rb'"token": ?(\d+)', taken(client, lock)).group(1).decode()
    return http("GET", f"/v1/locks/{lock}/verify?token={token}")


# What each way of asking answers that nobody holds.
NOT_HELD = {"acquire": b"410", "acquire_again": b"410", "claim": b"410", "renew": b"410", "verify": b"409", "get_lock": b"200",
            "fleetlock": b"423", "terraform": b"423"}


def test_what_has_ended_before_its_answer_is_written_does_not_go_out_as_held(make_server):
    """In every protocol: the longest hold is over when the threads that answer go on."""
    sections = "".join(f"[lock {kind}-*]\nSIZE=1\nMAX_HOLD_TIME=5\n" for kind in ("t", "fleetlock"))
    server = make_server(sections=f"{sections}[terraform]\nLOCKS=t-*\n").start()
    asks = {**ASKING, "renew": renew, "verify": verify}
    clients = {name: Client(server.at) for name in asks}
    locks = {name: f"{'fleetlock' if name == 'fleetlock' else 't'}-{number}" for number, name in enumerate(asks)}
    requests = [(clients[name], ask(clients[name], locks[name])) for name, ask in asks.items()]
    with decided_and_not_told(server, requests):
        def ended():
            return all(re.search(rf"of lock {lock} ended as overdue", server.log()) for lock in locks.values())
        until(ended, 30, "all have held for too long")
    answers = {name: client.answer() for name, client in clients.items()}
    for client in clients.values():
        client.socket.close()
    assert {name: answer.split()[1] for name, answer in answers.items()} == NOT_HELD
    ((asked,), _) = xmlrpc.client.loads(answers["get_lock"].partition(b"\r\n\r\n")[2])
    assert asked == [True, False], "there is such a lock, and it is not held"


def test_a_stop_between_decision_and_answer_promises_no_more_time_than_is_kept(make_server):
    """Time counts from the decision, not from when the process went on."""
    server = make_server(sections="[lock t-*]\nSIZE=1\nMAX_LOCK_TIME=600\n").start()
    taker, renewer = Client(server.at), Client(server.at)
    short = http("POST", "/v1/locks/t-short/tickets", {"ttl_s": 5})
    with decided_and_not_told(server, [(taker, short), (renewer, renew(renewer, "t-long"))]):
        until(lambda: "of lock t-short got its lock" in server.log(), 20, "the engine has decided")
        decided, decided_at = time.monotonic(), time.time()
        # It counts once the threads are let go.
        server.process.send_signal(signal.SIGSTOP)
    server.signal(signal.SIGSTOP)
    until(lambda: time.monotonic() > decided + 2, 20, "two seconds")
    stood = time.monotonic() - decided
    server.signal(signal.SIGCONT)
    for client, ttl_s in ((taker, 5), (renewer, 600)):
        told = json.loads(client.answer().partition(b"\r\n\r\n")[2])
        heard = time.monotonic()
        client.socket.close()
        assert told["state"] == "held" and told["ttl_s"] == ttl_s, told
        # Both moments are cut to milliseconds, by up to one each.
        assert 0 < told["expires_in_s"] <= ttl_s - stood + 0.001, (told, stood)
        promised = datetime.datetime.fromisoformat(told["expires_at"].replace("Z", "+00:00")).timestamp()
        # In milliseconds, which are cut off.
        assert promised <= decided_at + ttl_s + 0.002, (told, decided_at)
        if ttl_s == 5:
            until(lambda: "of lock t-short ended as lost" in server.log(), 30, "its lease ends")
            assert time.monotonic() >= heard + told["expires_in_s"] and time.time() >= promised
