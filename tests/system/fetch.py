"""What the tests here need from outside, fetched before they leave the network: `python -m tests.system.fetch`."""

from __future__ import annotations

from tests.system.machine import PACKAGES, debian
from tests.system.podman import build
from tests.system.releases import RELEASES
from tests.system.wheels import wheelhouse

if __name__ == "__main__":
    wheelhouse()
    debian("machine", PACKAGES)
    for release in RELEASES:
        release.tree()
        release.wheels()
    build()
