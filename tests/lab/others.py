"""Other ACME clients, where they are installed."""

from __future__ import annotations

import shutil

from tests.lab.pebble import BUILT


def client(name: str) -> str:
    """Its path: the one that was built here, else the installed one; empty where there is none."""
    built = BUILT.with_name(name)
    return str(built) if built.exists() else shutil.which(name) or ""
