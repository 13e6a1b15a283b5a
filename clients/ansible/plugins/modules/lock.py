"""Takes, renews and gives back a lock of lockserver."""

DOCUMENTATION = r"""
---
module: lock
short_description: Hold a lock of lockserver
version_added: "1.0.0"
description:
  - Takes permits of a lock, renews them, or gives them back.
  - A module ends with its task. So the lock is held by its lease, which must be longer than what is done under it, or be renewed in between.
  - Take it before a C(block), and give it back in the C(always) of that block.
author:
  - the lockserver project
options:
  state:
    description:
      - With V(held) the task waits for its turn and takes the lock.
      - With V(renewed) the lease of O(ticket) begins anew. The task fails if the lock was lost.
      - With V(released) it is given back. The task fails if the lock was lost before that.
    type: str
    choices: [held, renewed, released]
    default: held
  lock:
    description: Name of the lock. Required with O(state=held).
    type: str
  ticket:
    description: RV(ticket.id) of what is held. Required with V(renewed) and V(released).
    type: str
  permits:
    description: How many permits, or V(all).
    type: str
    default: "1"
  wait:
    description: How many seconds to wait for the lock. With 0 the task does not wait.
    type: int
    default: 3600
  ttl:
    description:
      - How many seconds the lock is held without a renewal. The server may give less, and RV(ticket.ttl_s) tells.
      - With O(state=renewed) the lease is as long as before, unless this is given.
      - The default with O(state=held) is 3600.
    type: int
  info:
    description: What others see beside the ticket. The default is the name of the host that runs the module.
    type: str
extends_documentation_fragment: [lockserver.client.server]
attributes:
  check_mode:
    support: partial
    description: Nothing is taken, renewed or given back. RV(ticket) is one that nobody holds.
notes:
  - The C(id) of a ticket and the same key are enough to give the lock back. C(ansible-playbook -v) prints it. Write C(no_log) at the task if that matters.
"""

EXAMPLES = r"""
- name: One deploy at a time
  hosts: web
  tasks:
    - name: Wait for our turn
      lockserver.client.lock:
        server: https://lock.example.com:9090
        key: "{{ lockserver_key }}"
        lock: deploy-production
        ttl: 1800
      register: deploy
      delegate_to: localhost
      run_once: true

    - name: Deploy while the lock is held
      block:
        - name: Deploy
          ansible.builtin.command: /opt/deploy
      always:
        - name: Give it back, whatever happened
          lockserver.client.lock:
            server: https://lock.example.com:9090
            key: "{{ lockserver_key }}"
            state: released
            ticket: "{{ deploy.ticket.id }}"
          delegate_to: localhost
          run_once: true
"""

RETURN = r"""
ticket:
  description: The ticket, as the server describes it.
  returned: success
  type: dict
  contains:
    id:
      description: What renews it and gives it back.
      type: str
      returned: always
    number:
      description: What others see of it.
      type: int
      returned: always
    lock:
      description: Name of the lock.
      type: str
      returned: always
    token:
      description: The fencing token, which only rises.
      type: int
      returned: always
    slots:
      description: Numbers of the slots.
      type: list
      elements: int
      returned: always
    slot_names:
      description: Names of the slots, where the lock has names.
      type: list
      elements: str
      returned: always
    ttl_s:
      description: How many seconds it is held without a renewal.
      type: float
      returned: always
"""

import platform
import secrets
import select
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lockserver.client.plugins.module_utils.api import ARGUMENTS, Refused, Server, of

TTL_S = 3600
#: One wait on the server.
SLICE_S = 10


def held(server, module):
    """Waits for its turn. Whatever goes wrong, nothing is left behind."""
    given = module.params
    request_id, end = secrets.token_hex(16), time.time() + given["wait"]
    wait_s = min(given["wait"], SLICE_S)
    body = {"request_id": request_id, "ttl_s": given["ttl"] or TTL_S, "info": given["info"] or platform.node(), "queue": True, "wait_s": wait_s}
    if given["permits"] == "all":
        body["exclusive"] = True
    else:
        body["permits"] = int(given["permits"])
    got = False
    try:
        # A request that waits is watched by the server: if this module is killed, its ticket holds up nobody.
        ticket = server.call("POST", of(given["lock"]) + "/tickets", body, wait_s)
        while ticket["state"] != "held":
            left = end - time.time()
            if left <= 0:
                raise Refused("no permit was free within %s s" % given["wait"])
            if abandoned():
                raise Refused("nobody waits for this task any more")
            wait_s = min(left, SLICE_S)
            ticket = server.call("GET", "/v1/tickets/%s?wait_s=%.3f" % (ticket["id"], wait_s), wait_s=wait_s)
        if abandoned():
            raise Refused("nobody waits for this task any more")
        got = True
        return ticket
    finally:
        if not got:
            cancel(server, of(given["lock"]) + "/tickets?request_id=" + request_id)


def abandoned():
    """Whether the one that started this module has ended, so that nobody reads what it prints."""
    poll = select.poll()
    poll.register(1, 0)
    return bool(poll.poll(0))


def cancel(server, path):
    """What cannot be cancelled ends with its lease."""
    try:
        server.call("DELETE", path)
    except Refused:
        pass


def run(module):
    """What the task asks for."""
    server, given = Server(module.params), module.params
    if module.check_mode:
        return {"id": "check mode", "number": 0, "lock": given["lock"], "token": 0, "slots": [], "slot_names": [], "ttl_s": given["ttl"] or TTL_S}
    if given["state"] == "held":
        ticket = held(server, module)
        asked = given["ttl"] or TTL_S
        if ticket["ttl_s"] < asked:
            module.warn("%s: the lease is %s s, and not %s s, for the server gives no more" % (given["lock"], ticket["ttl_s"], asked))
        return ticket
    path = "/v1/tickets/" + given["ticket"]
    if given["state"] == "renewed":
        return server.call("POST", path + "/renew", {"ttl_s": given["ttl"]} if given["ttl"] else {})
    return server.call("DELETE", path)


def main():
    """The module."""
    arguments = dict(
        ARGUMENTS,
        state={"type": "str", "choices": ["held", "renewed", "released"], "default": "held"},
        lock={"type": "str"},
        ticket={"type": "str"},
        permits={"type": "str", "default": "1"},
        wait={"type": "int", "default": 3600},
        ttl={"type": "int"},
        info={"type": "str"},
    )
    needed = [("state", "held", ["lock"]), ("state", "renewed", ["ticket"]), ("state", "released", ["ticket"])]
    module = AnsibleModule(argument_spec=arguments, required_if=needed, supports_check_mode=True)
    given = module.params
    if given["permits"] != "all" and not (given["permits"].isdigit() and int(given["permits"])):
        module.fail_json(msg="permits: %r is neither a number from 1 nor all" % given["permits"])
    try:
        module.exit_json(changed=True, ticket=run(module))
    except Refused as refused:
        module.fail_json(msg="%s: %s" % (given["lock"] or "the lock", refused), code=refused.code)


if __name__ == "__main__":
    main()
