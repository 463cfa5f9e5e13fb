"""``[proxy.NAME.acm]``: Amazon's rules are judged before anything is ordered."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from certd.config.choices import known_choices
from certd.config.loader import load
from certd.config.settings import Settings
from certd.errors import ConfigurationError
from certd.model.acm import AmazonUse

CONFIG = """
issuer.letsencrypt.terms_agreed = true

[dns.corp]
provider = "rfc2136"
server = "192.0.2.53"
tsig = "file:/etc/certd/tsig.key"

[proxy.cdn]
kind = "acm"
endpoints = ["d111111abcdef8.cloudfront.net:443"]

[proxy.cdn.acm]
region = "us-east-1"
use = "cloudfront"

[[link]]
domain = "link.example.com"
proxy = "cdn"
"""


def read(folder: Path, text: str) -> Settings:
    path = folder / "certd.toml"
    path.write_text(text)
    return load(path, known_choices(), {})


def test_a_distribution(tmp_path: Path) -> None:
    """A region, and what it is for."""
    acm = read(tmp_path, CONFIG).proxies["cdn"].acm
    assert acm is not None
    assert (acm.region, acm.use, acm.profile, acm.arns) == ("us-east-1", AmazonUse.CLOUDFRONT, "", {})


REGIONAL = CONFIG.replace('"us-east-1"', '"eu-central-1"').replace('use = "cloudfront"', "")
ARN = "arn:aws:acm:us-east-1:111122223333:certificate/0b1c1d1e-0000-4000-8000-000000000000"


@pytest.mark.parametrize("key", ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-4096"])
def test_a_regional_api_takes_every_key(tmp_path: Path, key: str) -> None:
    """In whatever region it is."""
    assert read(tmp_path, f'{REGIONAL}key = "{key}"\n').links[0].spec.key_type == key


@pytest.mark.parametrize("arn", [ARN, "new"])
def test_an_arn_of_the_operators(tmp_path: Path, arn: str) -> None:
    """One that is there already, or leave to make another."""
    text = CONFIG.replace('use = "cloudfront"', f'use = "edge"\narns = {{ "link.example.com" = "{arn}" }}')
    acm = read(tmp_path, text).proxies["cdn"].acm
    assert acm is not None
    assert acm.arns == {"link.example.com": arn}


MISTAKES = {
    "a distribution's certificate elsewhere": (
        ('region = "us-east-1"', 'region = "eu-central-1"'),
        'proxy.cdn.acm.region: cloudfront takes its certificates from us-east-1 only (region = "us-east-1")',
    ),
    "an edge-optimised API's elsewhere": (
        ('region = "us-east-1"\nuse = "cloudfront"', 'region = "eu-west-1"\nuse = "edge"'),
        "proxy.cdn.acm.region: edge takes its certificates from us-east-1 only",
    ),
    "no region": (('"us-east-1"', '"Frankfurt"'), 'proxy.cdn.acm.region: "Frankfurt" is no region'),
    "another use": (('"cloudfront"', '"elb"'), 'proxy.cdn.acm.use: "elb" is none (one of regional, edge, cloudfront)'),
    "P-384 on a distribution": (
        ('proxy = "cdn"', 'proxy = "cdn"\nkey = "ecdsa-p384"'),
        'link "link.example.com".key: "ecdsa-p384" is not taken by cloudfront (proxy.cdn) '
        "(one of ecdsa-p256, rsa-2048, rsa-3072)",
    ),
    "RSA of 4,096 bits on a distribution": (
        ('proxy = "cdn"', 'proxy = "cdn"\nkey = "rsa-4096"'),
        'link "link.example.com".key: "rsa-4096" is not taken by cloudfront',
    ),
    "RSA, and a profile that drops a key usage": (
        ('proxy = "cdn"', 'proxy = "cdn"\nkey = "rsa-2048"\n[issuer.letsencrypt]\nprofile = "tlsserver"'),
        "drops the key usage keyEncipherment, which ACM does not let an RSA certificate lose",
    ),
    "no endpoints": (
        ('endpoints = ["d111111abcdef8.cloudfront.net:443"]', ""),
        "proxy.cdn.endpoints: is missing: where clients reach it must be looked at",
    ),
    "no table": (('[proxy.cdn.acm]\nregion = "us-east-1"\nuse = "cloudfront"', ""), "proxy.cdn.acm: is missing"),
    "an ARN of another region": (
        ('use = "cloudfront"', f'use = "cloudfront"\narns = {{ l = "{ARN.replace("us-east-1", "us-west-2")}" }}'),
        "proxy.cdn.acm.arns.l: lies in us-west-2, not in us-east-1",
    ),
    "no ARN": (
        ('use = "cloudfront"', 'use = "cloudfront"\narns = { l = "certificate/0b1c" }'),
        "proxy.cdn.acm.arns.l: is no ARN of a certificate",
    ),
    "an ARN for no link": (
        ('use = "cloudfront"', f'use = "cloudfront"\narns = {{ "lnk.example.com" = "{ARN}" }}'),
        'proxy.cdn.acm.arns.lnk.example.com: no link of that name is on it (did you mean "link.example.com"?)',
    ),
    "one ARN for two links": (
        ('use = "cloudfront"', f'use = "cloudfront"\narns = {{ "link.example.com" = "{ARN}", b = "{ARN}" }}'),
        "proxy.cdn.acm.arns.b: is link.example.com's, too",
    ),
    "a reload": (
        ('kind = "acm"', 'kind = "acm"\nreload = "signal:HUP:/run/x.pid"'),
        "proxy.cdn.reload: nothing is reloaded at Amazon",
    ),
    "keys over http": (
        ('use = "cloudfront"', 'use = "cloudfront"\napi = "http://acm.example"'),
        "proxy.cdn.acm.api: must begin with https://",
    ),
    "the kind without a table": (('proxy = "cdn"', 'proxy = "acm"'), "proxy.acm.acm: is missing"),
    "of another kind": (('kind = "acm"', 'kind = "nginx"'), 'proxy.cdn.acm: is for kind "acm", not "nginx"'),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_one_mistake(tmp_path: Path, case: str) -> None:
    """Each names its key and what would be right, before a certificate is ordered that cannot be used."""
    (old, new), words = MISTAKES[case]
    text = CONFIG.replace(old, new)
    if "[issuer.letsencrypt]" in text:
        text = text.replace("issuer.letsencrypt.terms_agreed = true", "") + "\nterms_agreed = true\n"
    assert text != CONFIG
    with pytest.raises(ConfigurationError) as wrong:
        read(tmp_path, text)
    found = [str(finding) for finding in wrong.value.findings]
    assert any(words in each for each in found), found


def test_the_extra_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``certd config check`` names what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError) as wrong:
        read(tmp_path, CONFIG)
    (found,) = [str(finding) for finding in wrong.value.findings]
    assert found == "proxy.cdn.kind: \"acm\" needs an extra package (pip install 'certd[acm]')"
