"""What certd prints for hitch and h2o where the tests on the real programs do not look."""

from __future__ import annotations

from pathlib import Path

import pytest

from certd.errors import UsageError
from certd.targets.kinds import h2o, hitch
from certd.targets.root_copies import included_by
from certd.targets.site import Site

SITE = {
    "link": "link.example.com",
    "domains": ("link.example.com",),
    "pointer": "/p/edge/link.pem",
    "folder": "/p/edge",
    "upstream": "https://esp.example",
    "listen": (80, 443),
}


def site(**more: object) -> Site:
    """A link with these parts changed."""
    return Site(**{**SITE, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("upstream", "may_be_plain", "backend"),
    [
        ("https://esp.example", False, "[127.0.0.1]:8080"),
        ("https://esp.example", True, "[esp.example]:80"),
        ("http://esp.example:8081", False, "[esp.example]:8081"),
    ],
)
def test_hitch_speaks_no_tls_to_a_backend(upstream: str, may_be_plain: bool, backend: str) -> None:
    """A service that takes TLS alone is reached by a web server on this machine, and that is said."""
    text = hitch.configuration(site(upstream=upstream, may_be_plain=may_be_plain))
    assert f'backend = "{backend}"' in text.splitlines()
    assert ("hitch speaks no TLS to a backend" in text) == (backend == "[127.0.0.1]:8080")


def test_the_doctor_sees_what_h2o_includes(tmp_path: Path) -> None:
    """By ``ssl: !file``, once for each address."""
    text = h2o.configuration(site(addresses=("192.0.2.1", "[2001:db8::1]"), proxy_protocol=True))
    (tmp_path / "h2o.conf").write_text(text)
    assert included_by(tmp_path) == {"/p/edge/link.pem": tmp_path / "h2o.conf"}
    assert text.count("ssl: !file") == 2
    assert text.count("proxy-protocol: ON") == 4


def test_association_files_are_refused_for_h2o() -> None:
    """With the way out."""
    with pytest.raises(UsageError, match="no association files for h2o"):
        h2o.configuration(site(associations={"apple": "/srv/apple.json"}))
