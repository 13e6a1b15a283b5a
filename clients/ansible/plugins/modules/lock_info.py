"""Looks at locks of lockserver."""

DOCUMENTATION = r"""
---
module: lock_info
short_description: Look at a lock of lockserver
version_added: "1.0.0"
description:
  - Tells the size of a lock, its holders and its queue. It changes nothing.
author:
  - the lockserver project
options:
  lock:
    description: Name of the lock.
    type: str
    required: true
extends_documentation_fragment: [lockserver.client.server]
attributes:
  check_mode:
    support: full
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Look
  lockserver.client.lock_info:
    server: https://lock.example.com:9090
    lock: deploy-production
  register: found

- name: Say why one has to wait
  ansible.builtin.debug:
    msg: "{{ found.lock.why }}"
"""

RETURN = r"""
lock:
  description: The lock, as C(GET /v1/locks/{lock}) describes it.
  returned: success
  type: dict
  contains:
    size:
      description: How many permits it has.
      type: int
      returned: always
    free:
      description: How many of them are free.
      type: int
      returned: always
    holders:
      description: The tickets that hold.
      type: list
      elements: dict
      returned: always
    queue:
      description: The tickets that wait, in their order.
      type: list
      elements: dict
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.lockserver.client.plugins.module_utils.api import ARGUMENTS, Refused, Server, of


def main():
    """The module."""
    module = AnsibleModule(argument_spec=dict(ARGUMENTS, lock={"type": "str", "required": True}), supports_check_mode=True)
    try:
        module.exit_json(changed=False, lock=Server(module.params).call("GET", of(module.params["lock"])))
    except Refused as refused:
        module.fail_json(msg="%s: %s" % (module.params["lock"], refused), code=refused.code)


if __name__ == "__main__":
    main()
