"""A process that publishes one generation over another, or keeps facts: to be killed at any system call.

Usage: ``python -m tests.interruption.publish publish|keep FOLDER``
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from certd.model import Certificate, Rank, Secret
from certd.model.paths import OwnPath
from certd.pki.chain import read_certificate
from certd.store.stores import open_stores
from certd.targets.files_target import FilesTarget
from certd.targets.layout import Layout
from certd.targets.registry import KINDS
from certd.targets.reloads import Nothing

LINK = "link.example.com"


def target(folder: Path) -> FilesTarget:
    """A proxy that reads files below ``folder``."""
    paths = {"fullchain": OwnPath(path=f"{folder}/own.pem"), "key": OwnPath(path=f"{folder}/own.key")}
    return FilesTarget(
        name="edge",
        endpoints=(),
        layout=Layout(folder / "public"),
        pointer=KINDS["nginx"].pointer,
        reloading=Nothing(),
        paths={"combined": OwnPath(path=f"{folder}/combined.pem")} | ({} if folder.name == "small" else paths),
    )


def certificate(folder: Path, name: str) -> Certificate:
    """The pair that a test left under this name."""
    chain, key = ((folder / f"{name}.{part}").read_text() for part in ("pem", "key"))
    return read_certificate(chain, Secret(key), link=LINK, issuer="test", issued_at=datetime.now(UTC))


def publish(folder: Path, name: str) -> None:
    """Install and point."""
    proxy = target(folder)
    proxy.point(LINK, proxy.install(certificate(folder, name)))


def keep(folder: Path) -> None:
    """Claim, and keep two certificates one after the other."""
    stores = open_stores(folder, "node")
    stores.lineages.break_own_leases("node")
    stores.lineages.ensure(f"issue:{LINK}", "issuer:x", Rank.FIRST)
    (lease,) = stores.lineages.claim(limit=1, subject=f"issue:{LINK}")
    facts = stores.lineages.facts(LINK)
    for name in ("old", "new"):
        stores.lineages.keep(lease, replace(facts, current=certificate(folder, name)))
    stores.lineages.leave(
        lease, stores.lineages.facts(LINK), until=datetime.now(UTC), rank=Rank.RENEWAL, because="done"
    )
    stores.close()


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        publish(Path(sys.argv[2]), "new")
    else:
        keep(Path(sys.argv[2]))
