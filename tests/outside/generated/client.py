"""Takes, renews, asks and releases, with the client that was made for Python."""

import sys
import uuid

from made import Client
from made.api.default import acquire, acquire_all, lock, release, release_request_of_all, renew, ticket, verify
from made.models import Acquire, AcquireLocks, Problem, Renew, Ticket, TicketState

with Client(base_url=sys.argv[1], raise_on_unexpected_status=True) as client:
    held = acquire.sync("three", client=client, body=Acquire(exclusive=True, ttl_s=30, wait_s=5, info="generated"))
    assert isinstance(held, Ticket) and held.state is TicketState.HELD, held
    assert held.slots == [0, 1, 2] and held.token > 2**32 and held.ttl_s == 30, held

    refused = acquire.sync("three", client=client, body=Acquire(permits=2))
    assert isinstance(refused, Problem) and (refused.status, refused.code.value, refused.retryable) == (409, "busy", True), refused
    missing = acquire.sync("nowhere", client=client, body=Acquire())
    assert isinstance(missing, Problem) and missing.code.value == "unknown_lock", missing

    renewed = renew.sync(held.id, client=client, body=Renew(ttl_s=60))
    assert isinstance(renewed, Ticket) and renewed.ttl_s == 60 and renewed.expires_at > held.expires_at, renewed
    again = ticket.sync(held.id, client=client, wait_s=1)
    assert isinstance(again, Ticket) and again.number == held.number, again
    assert verify.sync_detailed("three", client=client, token=held.token).status_code == 200
    assert lock.sync("three", client=client).in_use == 3

    release.sync(held.id, client=client)
    assert lock.sync("three", client=client).in_use == 0
    assert verify.sync_detailed("three", client=client, token=held.token).status_code == 409

    # Several locks in one ticket, which is ended by its request.
    request, locks = str(uuid.uuid4()), AcquireLocks.from_dict({"three": 2, "one": 1})
    both = acquire_all.sync(client=client, body=Acquire(locks=locks, request_id=request))
    assert isinstance(both, Ticket) and set(both.locks.to_dict()) == {"three", "one"}, both
    release_request_of_all.sync(client=client, request_id=request, lock=["three", "one"])
    assert lock.sync("one", client=client).in_use == 0
print("done")
