"""What the presets of e-mail services say to proxies and to support."""

from __future__ import annotations

import pytest

from certd.config.esp_presets import PRESETS
from certd.planning.cutover import addressee
from certd.targets.kinds import h2o
from certd.targets.site import Site


def test_services_that_send_by_sendgrid() -> None:
    """They go to SendGrid and are recognised as it; the mail goes to whoever the account is with."""
    for name in ("clevertap", "optimove", "braze"):
        preset = PRESETS[name]
        assert (preset.upstream, preset.probe, preset.signs) == (
            PRESETS["sendgrid"].upstream,
            PRESETS["sendgrid"].probe,
            PRESETS["sendgrid"].signs,
        )
    for name in ("clevertap", "optimove"):
        assert addressee(PRESETS[name]) == f"the support of {name}, which passes it on to SendGrid"
    assert addressee(PRESETS["sendgrid"]) == "your CleverTap contact, or the support of sendgrid"
    assert addressee(PRESETS["mailgun"]) == "the support of mailgun"


def test_braze_has_three_services_behind_it() -> None:
    """A link that still points at one of them is known; all want the second header."""
    assert {"sendgrid.net", "spgo.io", "awstrack.me"} <= set(PRESETS["braze"].hosts)
    assert PRESETS["braze"].forwarded_host
    assert not PRESETS["sendgrid"].forwarded_host


@pytest.mark.parametrize("domain", ["link.example.com", "*.example.com"])
def test_h2o_names_each_host_or_says_that_it_cannot(domain: str) -> None:
    """h2o sets a header to a fixed value only."""
    site = Site(
        link="l",
        domains=(domain,),
        pointer="/p",
        folder="/f",
        upstream="https://x.example",
        listen=(80, 443),
        forwarded_host=True,
    )
    text = h2o.KIND.configuration(site)  # type: ignore[misc]
    assert ('proxy.header.set: "X-Forwarded-Host: link.example.com"' in text) == (domain == "link.example.com")
    assert ("cannot set it for a wildcard" in text) == (domain == "*.example.com")
