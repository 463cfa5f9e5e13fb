"""``[proxy.NAME.cloudflare]`` and its like: a CDN's rules are judged before anything is ordered."""

from __future__ import annotations

from pathlib import Path

import pytest

from certd.config.choices import known_choices
from certd.config.loader import load
from certd.config.settings import Settings
from certd.errors import ConfigurationError

CONFIG = """
issuer.letsencrypt.terms_agreed = true

[dns.corp]
provider = "rfc2136"
server = "192.0.2.53"
tsig = "file:/etc/certd/tsig.key"

[proxy.edge]
kind = "KIND"
endpoints = ["link.example.com:443"]

[proxy.edge.KIND]
ZONE
token = "file:/etc/certd/token"

[[link]]
domain = "link.example.com"
proxy = "edge"
"""
ZONES = {"cloudflare": 'zone = "abc123"', "fastly": "", "keycdn": 'zone = "12345"'}


def text_for(kind: str) -> str:
    return CONFIG.replace("KIND", kind).replace("ZONE", ZONES[kind])


def read(folder: Path, text: str) -> Settings:
    path = folder / "certd.toml"
    path.write_text(text)
    return load(path, known_choices(), {})


@pytest.mark.parametrize("kind", ZONES)
def test_the_smallest_table(kind: str, tmp_path: Path) -> None:
    """A zone where there are zones, and a reference to the token."""
    remote = read(tmp_path, text_for(kind)).proxies["edge"].remote
    assert remote is not None
    assert remote.token == "file:/etc/certd/token"
    assert bool(remote.zone) is (kind != "fastly")


SECOND = """
[[link]]
domain = "click.example.com"
proxy = "edge"
"""

WRONG = {
    "no table": ("keycdn", "[proxy.edge.keycdn]\nzone", "[proxy.other]\nzone", "proxy.edge.keycdn", "is missing"),
    "no token": ("fastly", 'token = "file:/etc/certd/token"', "", "proxy.edge.fastly.token", "is missing"),
    "the token itself": ("fastly", "file:/etc/certd/token", "hunter2", "proxy.edge.fastly.token", "never the secret"),
    "no zone": ("cloudflare", 'zone = "abc123"', "", "proxy.edge.cloudflare.zone", "is missing"),
    "a domain as zone": ("cloudflare", "abc123", "example.com", "proxy.edge.cloudflare.zone", "not the id of a zone"),
    "a zone at Fastly": ("fastly", "token =", 'zone = "x"\ntoken =', "proxy.edge.fastly.zone", "has no zones"),
    "no endpoints": ("fastly", 'endpoints = ["link.example.com:443"]', "", "proxy.edge.endpoints", "is missing"),
    "a reload": ("fastly", "endpoints", 'reload = "none"\nendpoints', "proxy.edge.reload", "nothing is reloaded"),
    "another kind's table": (
        "fastly",
        'kind = "fastly"',
        'kind = "nginx"',
        "proxy.edge.fastly",
        'is for kind "fastly"',
    ),
    "plain http": ("fastly", "token =", 'api = "http://api.example"\ntoken =', "proxy.edge.fastly.api", "https://"),
    "a key that Fastly refuses": (
        "fastly",
        'proxy = "edge"',
        'proxy = "edge"\nkey = "rsa-4096"',
        "key",
        "is not taken",
    ),
    "a kept key at Fastly": (
        "fastly",
        'proxy = "edge"',
        'proxy = "edge"\nreuse_key = true',
        "reuse_key",
        "a new key each time",
    ),
    "six days at Cloudflare": (
        "cloudflare",
        "terms_agreed = true",
        'terms_agreed = true\nissuer.letsencrypt.profile = "shortlived"',
        "issuer.letsencrypt.profile",
        "takes nothing with less than 14d left",
    ),
    "two links in one zone": ("keycdn", 'proxy = "edge"\n', f'proxy = "edge"\n{SECOND}', "proxy.edge", "holds one"),
    "nobody's certificate": (
        "cloudflare",
        "token =",
        'certificates = { "lnk.example.com" = "x" }\ntoken =',
        "proxy.edge.cloudflare.certificates.lnk.example.com",
        "no link of that name",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_cdn_would_refuse(name: str, tmp_path: Path) -> None:
    """A mistake with its key path and the way out, before an order."""
    kind, old, new, path, words = WRONG[name]
    text = text_for(kind)
    assert old in text
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, text.replace(old, new, 1))
    told = [(each.path, f"{each.message}; {each.hint}") for each in caught.value.findings]
    assert [said for where, said in told if path in where and words in said], told
    assert "hunter2" not in str(told)
