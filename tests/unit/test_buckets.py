"""The responder's token buckets: a stranger's network is slowed down, this host itself ten times later."""

from __future__ import annotations

import pytest

from certd.dns.responder.rate_limit import RateLimiter

OWN = ("192.0.2.53", "2001:db8::53")


@pytest.mark.parametrize(
    ("address", "answered"),
    [
        pytest.param("198.51.100.7", 20, id="a network has its burst"),
        pytest.param("192.0.2.54", 20, id="a neighbour of this host is another host"),
        pytest.param("192.0.2.53", 200, id="this host's own address"),
        pytest.param("2001:db8::53", 200, id="this host's own address by IPv6"),
        pytest.param("127.0.0.1", 200, id="loopback"),
        pytest.param("::1", 200, id="loopback by IPv6"),
    ],
)
def test_who_is_slowed_down(address: str, answered: int) -> None:
    """certd looks at its own responder a dozen times for each certificate, from this host's address."""
    buckets = RateLimiter(rate=10, burst=20, own=OWN, monotonic=lambda: 0.0)
    assert sum(buckets.take(address) for _ in range(300)) == answered


def test_all_addresses_of_this_host_are_one() -> None:
    """A forwarder in user space shows all clients as one of them: what it lets in is bounded, too."""
    now = 0.0
    buckets = RateLimiter(rate=10, burst=20, own=OWN, monotonic=lambda: now)
    assert sum(buckets.take(address) for address in (*OWN, "127.0.0.1") for _ in range(300)) == 200
    now = 0.5
    assert sum(buckets.take("127.0.0.2") for _ in range(300)) == 50
    assert sum(buckets.take("198.51.100.7") for _ in range(300)) == 20


def test_a_burst_comes_back() -> None:
    """At its rate, and never beyond the burst."""
    now = 0.0
    buckets = RateLimiter(rate=10, burst=20, monotonic=lambda: now)
    assert sum(buckets.take("198.51.100.7") for _ in range(100)) == 20
    now = 0.5
    assert sum(buckets.take("198.51.100.9") for _ in range(100)) == 5
    now = 60.0
    assert sum(buckets.take("198.51.100.7") for _ in range(100)) == 20
