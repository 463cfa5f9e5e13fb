"""A certificate that a human bought: from another CA that clients trust, put on the proxy by hand."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Bought:
    """Chain and key as files, and the root that clients must know."""

    chain: Path
    key: Path
    root_pem: str


def buy(folder: Path, domain: str, *, days: int) -> Bought:
    """A certificate that lives so many days."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    # An hour ago, as CAs do it.
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    issued = authority.issue_cert(domain, not_before=since, not_after=until)
    chain, key = folder / "bought.pem", folder / "bought.key"
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return Bought(chain, key, authority.cert_pem.bytes().decode())
