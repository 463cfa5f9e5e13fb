"""Amazon CloudFront through ACM: from an order to what clients get at the edge, and a renewal under the same ARN."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from certd.model.acm import AmazonSettings
from certd.pki.chain import fingerprint_of
from certd.system.egress import Egress
from certd.system.network import Network
from certd.targets.acm import TAG
from certd.targets.amazon import RIGHTS, Acm
from certd.targets.reloads import RELOAD_DEADLINE
from tests.lab.amazon import CREDENTIALS, Amazon, edge_of
from tests.lab.scene import DOMAIN, Scene

pytestmark = pytest.mark.lab("pebble")

PROXY = """[proxy.cdn]
kind = "acm"
endpoints = ["127.0.0.1:{port}"]

[proxy.cdn.acm]
region = "us-east-1"
use = "cloudfront"
api = "{url}"

"""


class Distribution(Scene):
    """A link whose only proxy is a distribution."""

    amazon: Amazon
    port: int

    def prepare(self) -> Distribution:
        """Pebble alone is started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pebble.start()
        self.write_config()
        return self

    def write_config(self, links: str = "", extra: str = "") -> None:
        """With the distribution in nginx's place."""
        super().write_config(links, extra)
        self.config.write_text(self.config.read_text().replace('proxy = "nginx"', 'proxy = "cdn"'))

    def _proxy_table(self) -> str:
        return PROXY.format(port=self.port, url=self.amazon.url)

    @property
    def environment(self) -> dict[str, str]:
        """With Amazon's credentials."""
        return {**super().environment, **CREDENTIALS}


@pytest.fixture
def amazon() -> Iterator[Amazon]:
    with Amazon() as made:
        yield made


@pytest.fixture
def cdn(short_path: Path, amazon: Amazon) -> Iterator[Distribution]:
    with edge_of(amazon, spread=0.5) as edge:
        made = Distribution(short_path)
        made.amazon, made.port = amazon, edge.port
        try:
            yield made.prepare()
        finally:
            made.pebble.stop()


def held_by_moto(amazon: Amazon, arn: str) -> int:
    """The serial number of what moto's own ACM holds under an ARN."""
    settings = AmazonSettings(region="us-east-1", api=amazon.plain)
    acm = Acm(settings, Egress(Network(), user_agent="test"), RELOAD_DEADLINE)
    found = acm.held(arn)
    assert found is not None
    assert acm.tags(arn) == {TAG: DOMAIN}
    return int(found["Serial"])


def shown(cdn: Distribution) -> str:
    """The fingerprint of what a client trusts that clicks at the edge."""
    trust = ssl.create_default_context(cadata=cdn.roots)
    with (
        socket.create_connection(("127.0.0.1", cdn.port), timeout=10) as connection,
        trust.wrap_socket(connection, server_hostname=DOMAIN) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return fingerprint_of(der)


def test_from_an_order_to_the_edge_and_a_renewal(
    cdn: Distribution, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``certd once`` imports, ``proxy-config`` says what the distribution must name, then it is served; a renewal is
    served under the same ARN, which the distribution names still.
    """
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    before = cdn.run("proxy-config", DOMAIN)
    assert "ACMCertificateArn: (not imported yet: `certd once` does it and says the ARN)" in before
    assert "FAIL" not in cdn.tried("plan").stdout

    first = cdn.tried("once", "--wait", "10s")
    assert first.returncode == 3, first.stdout + first.stderr
    said = cdn.run("proxy-config", DOMAIN)
    (arn,) = re.findall(r"ACMCertificateArn: (arn:aws:acm:us-east-1:\S+)", said)
    assert f"Aliases: {DOMAIN}" in said
    status = cdn.tried("status", DOMAIN).stdout
    assert "taken, and on its way to clients" in status
    assert "the distribution must name it, once: `certd proxy-config`" in json.dumps(cdn.status())

    amazon.name(arn)
    assert "served until" in cdn.run("once", "--wait", "60s")
    seen = shown(cdn)
    (link,) = cdn.status()["links"]
    assert (link["state"], link["certificate"]["fingerprint"]) == ("served", seen)
    assert held_by_moto(amazon, arn) == amazon.held[arn][-1].serial

    assert "served until" in cdn.run("renew", DOMAIN, "--force")
    again = shown(cdn)
    assert again != seen
    assert list(amazon.held) == [arn]
    assert len(amazon.held[arn]) == 2
    assert held_by_moto(amazon, arn) == amazon.held[arn][-1].serial

    # A node that lost everything: the certificate on disk is adopted, and its ARN found by the tag.
    for path in (cdn.state / "private").glob("*.db*"):
        path.unlink()
    cdn.run("renew", DOMAIN, "--force")
    assert list(amazon.held) == [arn]
    assert shown(cdn) not in {seen, again}

    everything = before + first.stdout + first.stderr + said + status
    for held in amazon.held[arn]:
        assert held.key.reveal().splitlines()[1] not in everything
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in everything


def test_what_the_doctor_says(cdn: Distribution, amazon: Amazon) -> None:
    """Whether ACM may be asked, in its own words; and that the distribution must name what certd imports."""
    cdn.tried("once", "--wait", "10s")
    checked = cdn.tried("check", DOMAIN).stdout
    assert "it must name what certd imports, once: `certd proxy-config link.example.test`" in _flat(checked)
    amazon.name(next(iter(amazon.held)))
    cdn.run("once", "--wait", "60s")
    amazon.answers.extend([(400, "AccessDeniedException", "not authorized to perform: acm:ListCertificates", {})] * 3)
    checked = cdn.tried("check", DOMAIN).stdout
    assert RIGHTS in _flat(checked)
    assert "cdn serves what its pointer names" in _flat(checked)


def _flat(text: str) -> str:
    return " ".join(text.split())
