"""The configuration: every mistake at once, with its key path and what would be right."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from certd.config.choices import known_choices
from certd.config.domain_name import domain
from certd.config.loader import load
from certd.config.settings import Settings
from certd.config.types import duration, secret
from certd.dns.registry import anycast_grace
from certd.errors import CertdError, ConfigurationError
from certd.model import KeyType

SMALLEST = """
issuer.letsencrypt.terms_agreed = true

[dns.corp]
provider = "rfc2136"
server = "192.0.2.53"
tsig = "file:/etc/certd/tsig.key"

[[link]]
domain = "link.example.com"
proxy = "nginx"
esp = "sendgrid"
"""


def read(folder: Path, text: str) -> Settings:
    path = folder / "certd.toml"
    path.write_text(text)
    return load(path, known_choices(), {"HOST": "node-7"})


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as wrong:
        read(folder, text)
    return [str(finding) for finding in wrong.value.findings]


def test_the_smallest_useful_file(tmp_path: Path) -> None:
    """Four things to say; everything else has a default."""
    settings = read(tmp_path, SMALLEST)
    (link,) = settings.links
    assert (link.name, link.spec.issuers, link.spec.dns, link.proxies) == (
        "link.example.com",
        ("letsencrypt",),
        "corp",
        ("nginx",),
    )
    assert link.spec.key_type is KeyType.ECDSA_P256
    assert settings.state == Path("/var/lib/certd")
    assert settings.issuers["letsencrypt"].weekly_same_names == 5
    assert settings.dns["corp"].propagation_timeout == timedelta(minutes=10)
    assert settings.esps[link.esp].upstream == "https://sendgrid.net"


def test_what_anycast_servers_are_given(tmp_path: Path) -> None:
    """What the file says; else seconds for vendors, whose one address is many machines, and nothing for one's own."""
    assert read(tmp_path, SMALLEST).dns["corp"].anycast_grace is None
    said = SMALLEST.replace("[[link]]", 'anycast_grace = "1m"\n\n[[link]]')
    assert read(tmp_path, said).dns["corp"].anycast_grace == timedelta(minutes=1)
    given = {kind: anycast_grace(kind) for kind in ("rfc2136", "responder", "cloudflare", "route53", "lexicon:hetzner")}
    assert [kind for kind, grace in given.items() if grace] == ["cloudflare", "route53", "lexicon:hetzner"]


def test_where_the_state_lies_by_default(tmp_path: Path) -> None:
    """What the file says counts; where it says nothing, CERTD_STATE does."""
    path = tmp_path / "certd.toml"
    path.write_text(SMALLEST)
    assert load(path, known_choices(), {"CERTD_STATE": "/srv/certd"}).state == Path("/srv/certd")
    path.write_text('certd.state = "/var/lib/certd"\n' + SMALLEST)
    assert load(path, known_choices(), {"CERTD_STATE": "/srv/certd"}).state == Path("/var/lib/certd")


def test_six_different_mistakes_are_six_findings(tmp_path: Path) -> None:
    """One mistake does not hide another, whichever kind it is."""
    text = SMALLEST.replace('provider = "rfc2136"', 'provider = "rfc2137"').replace('proxy = "nginx"', 'proxy = "ngin"')
    found = mistakes(
        tmp_path, text.replace("tsig", "tsgi") + "\n[[link]]\nname = 'x'\n[certd]\nsate = '/x'\nissue = 'yes'\n"
    )
    assert 'certd.sate: is not a setting (did you mean "state"?)' in found
    assert "certd.issue: must be true or false" in found
    assert 'dns.corp.provider: "rfc2137" is no provider (did you mean "rfc2136"?)' in found
    assert "link[1].domain: is missing" in found
    assert 'link "link.example.com".proxy: "ngin" is not defined (did you mean "nginx"?)' in found
    assert any(each.startswith("link[1].proxy: is missing") for each in found)
    assert len(found) == 6


ONE_MISTAKE: dict[str, tuple[str, str, str]] = {
    "a provider's option misspelt": (
        "tsig =",
        "tll = 5\ntsig =",
        'dns.corp.tll: is no option of this provider (did you mean "ttl"?)',
    ),
    "a link without a DNS entry": (
        "[dns.corp]",
        "[dns.corp2]\nprovider='responder'\nlisten=['127.0.0.1:53']\nzones=['a.example.com']\n[dns.corp]",
        'link "link.example.com".dns: the link has no DNS entry',
    ),
    "a service that is none": ("sendgrid", "sendgird", 'esp: "sendgird" is not defined (did you mean "sendgrid"?)'),
    "an address": ('"link.example.com"', '"192.0.2.1"', "is an address; a link domain is a name"),
    "a URL": ('"link.example.com"', '"https://link.example.com/"', "is a URL; write only its host name"),
    "a wildcard inside": ('"link.example.com"', '"link.*.com"', "a wildcard stands only in front"),
    "terms not agreed to": (
        "terms_agreed = true",
        "terms_agreed = false",
        "issuer.letsencrypt.terms_agreed: the CA's terms must be agreed to",
    ),
    "an unknown issuer": (
        "esp =",
        'issuer = "letsencryt"\nesp =',
        'issuer: "letsencryt" is not defined (did you mean "letsencrypt"?)',
    ),
    "an unknown key type": (
        "esp =",
        'key = "ecdsa-p265"\nesp =',
        'key: "ecdsa-p265" is not supported (did you mean "ecdsa-p256"?',
    ),
    "a secret written down": (
        "issuer.letsencrypt.terms_agreed = true",
        "issuer.letsencrypt.terms_agreed = true\nissuer.letsencrypt.eab = { kid = 'k', hmac = 's3cret' }",
        "issuer.letsencrypt.eab.hmac: must be a reference to a secret",
    ),
    "a hook without its half": (
        "[[link]]",
        "[dns.b]\nprovider='exec'\nstyle='certbot'\nauth=['/bin/true']\n[[link]]\ndns='corp'",
        'dns.b.cleanup: is missing for style "certbot"',
    ),
    "a program by its name": (
        "[[link]]",
        "[dns.b]\nprovider='exec'\ncommand=['true']\n[[link]]\ndns='corp'",
        "dns.b.command[0]: must be an absolute path",
    ),
    "a token in the clear": (
        "[[link]]",
        "[dns.b]\nprovider='cloudflare'\ntoken='s3cret'\n[[link]]\ndns='corp'",
        "dns.b.token: must be a reference to a secret",
    ),
    "credentials to http": (
        "[[link]]",
        "[dns.b]\nprovider='cloudflare'\ntoken='env:X'\napi='http://api.example'\n[[link]]\ndns='corp'",
        "dns.b.api: must begin with https://",
    ),
    "a vendor that is none": (
        "[[link]]",
        "[dns.b]\nprovider='lexicon:cloudflair'\n[[link]]\ndns='corp'",
        'dns.b.provider: lexicon knows no vendor "cloudflair"',
    ),
    "a vendor that hears no refusal": (
        "[[link]]",
        "[dns.b]\nprovider='lexicon:ddns'\n[[link]]\ndns='corp'",
        'dns.b.provider: "lexicon:ddns" hears no refusal of the name server',
    ),
    "no TOML": ("[dns.corp]", "[dns.corp", "is not TOML"),
    "a reload that is none": (
        "[[link]]",
        "[proxy.nginx]\nreload = 'restart'\n[[link]]",
        'proxy.nginx.reload: "restart" is no way to reload',
    ),
    "everybody may read the key": (
        "[[link]]",
        "[proxy.files]\npaths = {key = {path='/k', mode='0644'}}\n[[link]]",
        "proxy.files.paths.key.mode: would let everybody read the private key",
    ),
    "a mode that is none": (
        "[[link]]",
        "[proxy.files]\npaths = {key = {path='/k', mode='rw'}}\n[[link]]",
        'must be permissions as a text, such as "0640"',
    ),
    "a path that is not absolute": (
        "[[link]]",
        "[proxy.files]\npaths = {fullchain = 'x.pem'}\n[[link]]",
        "proxy.files.paths.fullchain: must be an absolute path",
    ),
    "an endpoint without a port": (
        "[[link]]",
        "[proxy.nginx]\nendpoints = ['127.0.0.1:https']\n[[link]]",
        'proxy.nginx.endpoints[0]: "https" is not a port',
    ),
    "a duration that is none": (
        "[[link]]",
        "[dns.b]\nprovider='rfc2136'\nserver='192.0.2.1'\ntsig='env:X'\npropagation_timeout='10 minutes'\n[[link]]\ndns='corp'",
        "dns.b.propagation_timeout: ",
    ),
}


@pytest.mark.parametrize("name", ONE_MISTAKE)
def test_one_mistake(tmp_path: Path, name: str) -> None:
    """Named with its path and, where there is one, the way out; a secret is never repeated."""
    old, new, words = ONE_MISTAKE[name]
    assert old in SMALLEST
    found = mistakes(tmp_path, SMALLEST.replace(old, new, 1))
    assert len(found) == 1, found
    assert words in found[0]
    assert "s3cret" not in found[0]


def test_no_file(tmp_path: Path) -> None:
    """Said with the way to name another."""
    with pytest.raises(ConfigurationError, match="No such file") as wrong:
        load(tmp_path / "none.toml", known_choices())
    assert "--config" in str(wrong.value)


def test_many_links_from_files(tmp_path: Path) -> None:
    """``include`` and ``links_from``; every mistake says in which file and line."""
    (tmp_path / "links.d").mkdir()
    (tmp_path / "links.d/a.toml").write_text('[[link]]\ndomain = ["a.example.com", "*.b.example.com"]\nname = "ab"\n')
    (tmp_path / "domains.txt").write_text("c.example.com  # a comment\n\n# none\nMÜLLER.example.com\n")
    head = 'include = ["links.d/*.toml"]\nlinks_from = ["domains.txt"]\n[defaults]\nproxy = "nginx"\n'
    settings = read(tmp_path, head + SMALLEST.replace("issuer.letsencrypt.", "[issuer.letsencrypt]\n"))
    assert [link.name for link in settings.links] == [
        "link.example.com",
        "ab",
        "c.example.com",
        "xn--mller-kva.example.com",
    ]
    (tmp_path / "domains.txt").write_text("good.example.com\nbad_\n")
    assert (
        "domains.txt:2"
        in mistakes(tmp_path, head + SMALLEST.replace("issuer.letsencrypt.", "[issuer.letsencrypt]\n"))[0]
    )


def test_the_same_domain_twice(tmp_path: Path) -> None:
    """Two certificates for one name are a mistake."""
    found = mistakes(tmp_path, SMALLEST + '[[link]]\ndomain = "LINK.example.com."\nproxy = "nginx"\nname = "other"\n')
    assert found == ['link "other".domain: link.example.com is also in link link.example.com']


def test_a_node_that_only_deploys_needs_no_dns(tmp_path: Path) -> None:
    """``issue = false``: neither DNS credentials nor agreed terms."""
    settings = read(
        tmp_path, '[certd]\nissue = false\nnode = "env:HOST"\n[[link]]\ndomain = "l.example.com"\nproxy = "nginx"\n'
    )
    assert settings.node == "node-7"


def test_durations() -> None:
    """One or more numbers with units."""
    assert duration("2h30m") == timedelta(hours=2, minutes=30)
    for wrong in ("", "10", "m", "10 m", "1.5h", "-5m", "10x"):
        with pytest.raises(ValueError, match="is no duration"):
            duration(wrong)


def test_domains_are_a_labels() -> None:
    """Lower case, no final dot, punycode."""
    assert domain("Link.Example.COM.") == "link.example.com"
    assert domain("*.bücher.example") == "*.xn--bcher-kva.example"
    for wrong in ("localhost", "a..b", "-a.example", "a" * 64 + ".example", "x" * 300 + ".com", "a b.example", ""):
        with pytest.raises(ValueError):
            domain(wrong)


def test_references(tmp_path: Path) -> None:
    """File, environment and systemd credentials; what cannot be read is named, not shown."""
    (tmp_path / "s").write_text("from file\n")
    environment = {"S": "from env", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    for reference, expected in {"file:s": "from file", "env:S": "from env", "credential:s": "from file"}.items():
        assert secret(reference, folder=tmp_path, environment=environment).reveal() == expected
    for wrong in ("file:none", "env:NONE", "credential:../../etc/none"):
        with pytest.raises(CertdError, match=wrong.replace(".", r"\.")):
            secret(wrong, folder=tmp_path, environment=environment)


def with_network(text: str) -> str:
    """The smallest file with ``[network]``."""
    return f"{SMALLEST}\n[network]\n{text}"


def test_addresses_of_dns_servers(tmp_path: Path) -> None:
    """Resolvers and name servers are IP addresses with an optional port."""
    servers = ["192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:53", "fe80::1%eth0"]
    table = '{ "2001:DB8::53" = "[::1]:5353", "192.0.2.53" = "10.0.0.53" }'
    settings = read(tmp_path, with_network(f"resolvers = {servers}\nname_servers = {table}\n"))
    assert settings.resolvers == tuple(servers)
    assert settings.name_servers == {"2001:db8::53": "[::1]:5353", "192.0.2.53": "10.0.0.53"}


def test_what_is_not_the_address_of_a_dns_server(tmp_path: Path) -> None:
    """Each is a mistake with its key path; no look-up meets one."""
    bad = ["localhost", "[::1", "127.0.0.1#53", "127.0.0.1:99999", "", "192.0.2.53"]
    table = '{ "ns1.example.com" = "10.0.0.53", "192.0.2.53" = "here:53", "192.0.2.54" = "127.0.0.1:0" }'
    text = with_network(f'resolvers = {bad}\npublic_resolvers = "dns.example"\nname_servers = {table}\n')
    found = mistakes(tmp_path, text)
    assert [line.partition(": ")[0] for line in found] == [
        *(f"network.resolvers[{index}]" for index in range(5)),
        "network.public_resolvers[0]",
        *(f'network.name_servers."{key}"' for key in ("ns1.example.com", "192.0.2.53", "192.0.2.54")),
    ]
    assert '"127.0.0.1#53" is not an IP address with an optional port' in found[2]
