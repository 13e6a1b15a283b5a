"""What every module documents: where the server is."""


class ModuleDocFragment:
    """The options."""

    DOCUMENTATION = r"""
options:
  server:
    description: Address of the server. The default is the variable E(LOCK_SERVER), else C(http://127.0.0.1:9090).
    type: str
  key:
    description: Secret of a key. The default is the variable E(LOCK_KEY).
    type: str
  ca_path:
    description: File with the certificates to trust. The default is the variable E(LOCK_CA), else those of the system.
    type: path
notes:
  - No proxy is used.
"""
