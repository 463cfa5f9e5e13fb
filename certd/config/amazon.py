"""``[proxy.NAME.acm]``: Amazon's rules, judged before anything is ordered.

Which keys: docs.aws.amazon.com, "Prerequisites for importing ACM certificates", and CloudFront's "Supported key types";
an edge-optimised API is served by CloudFront.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Mapping, Sequence

from certd.config.files import Reading
from certd.config.schema import ProxyTable
from certd.config.settings import IssuerSettings, LinkSettings, ProxySettings
from certd.model import KeyType
from certd.model.acm import NEW, AmazonSettings, AmazonUse
from certd.system.endpoint import split_url, wrong_with_url

REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
ARN = re.compile(r"arn:aws[a-z-]*:acm:(?P<region>[a-z0-9-]+):\d{12}:certificate/[A-Za-z0-9-]+")
CLOUDFRONT_REGION = "us-east-1"

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

EDGE_KEYS = frozenset({KeyType.RSA_2048, KeyType.RSA_3072, KeyType.ECDSA_P256})
KEYS: Mapping[AmazonUse, frozenset[KeyType]] = {
    AmazonUse.REGIONAL: frozenset(KeyType),
    AmazonUse.EDGE: EDGE_KEYS,
    AmazonUse.CLOUDFRONT: EDGE_KEYS,
}

# Let's Encrypt's profiles without keyEncipherment, which ACM does not let an RSA certificate lose.
WITHOUT_ENCIPHERMENT = frozenset({"tlsserver", "shortlived"})


def amazon_of(reading: Reading, where: str, kind: str, table: ProxyTable) -> AmazonSettings | None:
    """The settings of an ACM target; every mistake is noted."""
    if kind != "acm":
        if table.acm is not None:
            reading.find(f"{where}.acm", f'is for kind "acm", not "{kind}"')
        return None
    if importlib.util.find_spec("botocore") is None:
        reading.find(f"{where}.kind", '"acm" needs an extra package', "pip install 'certd[acm]'")
    if "reload" in table.model_fields_set:
        reading.find(f"{where}.reload", "nothing is reloaded at Amazon: certd imports", "leave it out")
    if not table.endpoints:
        reading.lacks(
            f"{where}.endpoints",
            "is missing: where clients reach it must be looked at",
            'such as "d111111abcdef8.cloudfront.net:443", or the API\'s target domain name',
        )
    if table.acm is None:
        reading.lacks(f"{where}.acm", "is missing", f'[{where}.acm] with region = "eu-central-1"')
        return None
    use = AmazonUse.REGIONAL
    try:
        use = AmazonUse(table.acm.use)
    except ValueError:
        reading.find(f"{where}.acm.use", f'"{table.acm.use}" is none', f"one of {', '.join(AmazonUse)}")
    region = table.acm.region
    if not REGION.fullmatch(region):
        reading.find(f"{where}.acm.region", f'"{region}" is no region', 'such as "eu-central-1"')
    elif use is not AmazonUse.REGIONAL and region != CLOUDFRONT_REGION:
        reading.find(
            f"{where}.acm.region",
            f"{use} takes its certificates from {CLOUDFRONT_REGION} only",
            f'region = "{CLOUDFRONT_REGION}"',
        )
    for link, arn in table.acm.arns.items():
        found = ARN.fullmatch(arn)
        if arn != NEW and (found is None or found["region"] != region):
            what = "is no ARN of a certificate" if found is None else f"lies in {found['region']}, not in {region}"
            reading.find(
                f"{where}.acm.arns.{link}",
                what,
                f'such as "arn:aws:acm:{region}:111122223333:certificate/...", or "{NEW}"',
            )
    if table.acm.api and not _may_have_keys(table.acm.api):
        reading.find(f"{where}.acm.api", "must begin with https://", 'such as "https://acm.eu-central-1.amazonaws.com"')
    return AmazonSettings(
        region=region, use=use, profile=table.acm.profile, arns=table.acm.arns, api=table.acm.api.rstrip("/")
    )


def _may_have_keys(url: str) -> bool:
    """Whether private keys may be sent to a URL: by TLS, or within this machine."""
    if wrong_with_url(url):
        return False
    api = split_url(url)
    return api.scheme == "https" or api.hostname in LOOPBACK


def judge_amazon(
    reading: Reading,
    proxies: Mapping[str, ProxySettings],
    links: Sequence[LinkSettings],
    issuers: Mapping[str, IssuerSettings],
) -> None:
    """Keys and profiles that ACM would refuse once they are ordered, and ARNs that are nobody's or two links'."""
    for name, proxy in proxies.items():
        if proxy.kind == "acm" and not any(found.path.startswith(f"proxy.{name}.") for found in reading.findings):
            # A preset that a link names without a table of its own lacks what every other kind can do without.
            _ = proxy.acm or amazon_of(reading, f"proxy.{name}", proxy.kind, ProxyTable())
        if proxy.acm is not None:
            _judge_arns(reading, name, proxy.acm, sorted(link.name for link in links if name in link.proxies))
    for link in links:
        for name in link.proxies:
            amazon = proxies[name].acm if name in proxies else None
            if amazon is None:
                continue
            key = link.spec.key_type
            if key not in KEYS[amazon.use]:
                reading.find(
                    f'link "{link.name}".key',
                    f'"{key}" is not taken by {amazon.use} (proxy.{name})',
                    f"one of {', '.join(sorted(KEYS[amazon.use]))}",
                )
            profiles = {issuers[each].profile for each in link.spec.issuers if each in issuers}
            if key.startswith("rsa") and (lost := sorted(profiles & WITHOUT_ENCIPHERMENT)):
                reading.find(
                    f'link "{link.name}".key',
                    f'profile "{lost[0]}" drops the key usage keyEncipherment, which ACM does not let an RSA'
                    f" certificate lose when it is imported again (proxy.{name})",
                    'key = "ecdsa-p256", or the profile "classic"',
                )


def _judge_arns(reading: Reading, proxy: str, amazon: AmazonSettings, links: Sequence[str]) -> None:
    taken: dict[str, str] = {}
    for link, arn in amazon.arns.items():
        where = f"proxy.{proxy}.acm.arns.{link}"
        if arn != NEW and taken.setdefault(arn, link) != link:
            reading.find(where, f"is {taken[arn]}'s, too", "each link has an ARN of its own")
        if link not in links:
            near = difflib.get_close_matches(link, links, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"on it: {', '.join(links) or 'none'}"
            reading.find(where, "no link of that name is on it", hint)
