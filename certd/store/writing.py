"""What the store writes of a certificate and its key. Whoever only reads has no parser of them in memory."""

from __future__ import annotations

import importlib

from certd.model import Secret


def serial_of(chain_pem: str) -> str:
    """See ``certd.pki.chain``."""
    serial: str = importlib.import_module("certd.pki.chain").serial_of(chain_pem)
    return serial


def key_mark(key: Secret) -> str:
    """See ``certd.pki.keys``."""
    mark: str = importlib.import_module("certd.pki.keys").key_mark(key)
    return mark
