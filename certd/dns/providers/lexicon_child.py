"""The child process of :mod:`certd.dns.providers.lexicon`: one call, told on standard input as JSON.

Ends with 0 when it is done, 1 with one sentence when the vendor says no.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from typing import Any

TTL = 60


def call(order: dict[str, Any]) -> bool:
    """Make the call. Raises whatever lexicon raises."""
    # lexicon.client imports tldextract, which would fetch the Public Suffix List and write to the home folder.
    os.environ["TLDEXTRACT_CACHE_PATH"] = tempfile.gettempdir()
    module = __import__(f"lexicon._private.providers.{order['vendor']}", fromlist=["Provider"])
    config = __import__("lexicon.config", fromlist=["ConfigResolver"]).ConfigResolver()
    settings: dict[str, Any] = {
        "provider_name": order["vendor"],
        "action": order["action"],
        "domain": order["zone"],
        "type": "TXT",
        "name": order["name"],
        "content": order["value"],
        "ttl": TTL,
        order["vendor"]: dict(order["options"]),
    }
    provider = module.Provider(config.with_dict(settings))
    provider.authenticate()
    if order["action"] == "create":
        return bool(provider.create_record("TXT", order["name"], order["value"]))
    return bool(provider.delete_record(None, "TXT", order["name"], order["value"]))


def main() -> int:
    """Read the order, make the call, say what went wrong."""
    order = json.loads(sys.stdin.buffer.read())
    try:
        done = call(order)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        for secret in order["options"].values():
            text = text.replace(str(secret), "***") if secret else text
        sys.stdout.write(text)
        return 1
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
