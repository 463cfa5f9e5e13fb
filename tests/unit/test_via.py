"""Which addresses the click probe asks through an HTTP proxy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from certd.clicks.wiring import via_of
from certd.doctor import bare_settings
from certd.system.network import Network

PROXY = "http://proxy.example.com:3128"
CASES = {
    "10.1.2.3": "",
    "127.0.0.1": "",
    "::1": "",
    "8.8.4.4": "",
    "9.9.9.9": "",
    "1.1.1.1": PROXY,
    "2606:4700::1": PROXY,
}


@pytest.mark.parametrize("address", CASES)
def test_via(address: str) -> None:
    """Public addresses alone, but for those that the operator excepts or that lead to his own proxies."""
    network = Network(https_proxy=PROXY, no_proxy="8.8.4.4,.example.com")
    settings = replace(bare_settings({}, (), {"203.0.113.7:443": "9.9.9.9:8443"}, network))
    assert via_of(settings)(address) == CASES[address]


def test_without_a_proxy() -> None:
    """Directly."""
    settings = bare_settings({}, (), {}, Network(https_proxy="", no_proxy=""))
    assert via_of(settings)("10.1.2.3") == ""
