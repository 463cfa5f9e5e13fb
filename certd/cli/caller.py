"""Who runs a command."""

from __future__ import annotations

import os
from collections.abc import Mapping


def caller(environment: Mapping[str, str] = os.environ) -> str:
    """Who runs this command, for the history: the kernel's word, and what sudo says of who called it."""
    behind = environment.get("SUDO_UID", "")
    uid = os.getuid()
    return f"uid {uid} (sudo of uid {behind})" if uid == 0 and behind.isdigit() and behind != "0" else f"uid {uid}"
