"""Another client's folder becomes a configuration, accounts and certificates; nothing in it is changed."""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certd.cli.foreign import proxy_names
from certd.foreign.caddy import directory_of
from certd.foreign.certbot import read_certbot, renewal_parameters
from certd.foreign.translate import issuer_name
from tests.cli.test_transcripts import certd
from tests.lab import foreign
from tests.lab.foreign import ACCOUNT, Made, digest

DOMAIN = "link.example.com"
RFC2136 = """
dns_rfc2136_server = 192.0.2.53
dns_rfc2136_port = 5353
dns_rfc2136_name = certbot.
dns_rfc2136_secret = c2VjcmV0LXNlY3JldA==
dns_rfc2136_algorithm = HMAC-SHA512
"""


def rfc2136(folder: Path, **more: str) -> Made:
    """certbot with dynamic updates; the credentials lie where they are."""
    credentials = folder / "rfc2136.ini"
    credentials.write_text(RFC2136)
    said = {"authenticator": "dns-rfc2136", "dns_rfc2136_credentials": str(credentials), "installer": "nginx"}
    return foreign.certbot(folder / "letsencrypt", DOMAIN, said | more)


def trusting(folder: Path, made: Made) -> None:
    """The certificates of these folders are not Let's Encrypt's; and the state lies in the folder."""
    (folder / "roots.pem").write_text(made.root_pem)
    path = folder / "certd.toml"
    text = path.read_text().replace("[issuer.letsencrypt]", '[issuer.letsencrypt]\nroots = "roots.pem"')
    path.write_text(f'[certd]\nstate = "{folder}/state"\nnode = "lab"\nlisten = ""\n\n{text}')


def adopted(folder: Path) -> list[tuple[str, str]]:
    """What the history has."""
    rows = json.loads(certd(folder, "history", "--json").stdout)["history"]
    return [(row["what"], row["issuer"]) for row in rows]


def test_certbot_becomes_a_configuration(short_path: Path) -> None:
    """It passes the check, holds no secret, and says where each came from; the folder is as it was."""
    made = rfc2136(short_path, reuse_key="True")
    before = digest(made.folder)
    done = certd(short_path, "import", "certbot", str(made.folder))
    text = (short_path / "certd.toml").read_text()
    body = tomllib.loads(text)
    assert body["dns"]["corp"] == {"provider": "rfc2136", "server": "192.0.2.53:5353", "tsig": "file:tsig.key"}
    assert body["link"] == [{"domain": DOMAIN, "proxy": "nginx", "reuse_key": True}]
    assert body["issuer"]["letsencrypt"] == {"terms_agreed": True}
    assert "c2VjcmV0" not in text + done.stdout + done.stderr
    key = short_path / "tsig.key"
    assert "algorithm hmac-sha512;" in key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert certd(short_path, "config", "check").returncode == 0
    assert digest(made.folder) == before
    assert "certbot.timer" in done.stderr


def test_certbot_is_adopted(short_path: Path) -> None:
    """Certificate and account: with the CA's own name, so that its allowance counts it; said twice it is done once."""
    made = rfc2136(short_path)
    certd(short_path, "import", "certbot", str(made.folder))
    trusting(short_path, made)
    first = certd(short_path, "import", "certbot", str(made.folder))
    assert first.returncode == 0, first.stderr
    assert f"{DOMAIN}: adopted, valid until" in first.stdout
    assert f"account {ACCOUNT}: taken over" in first.stdout
    again = certd(short_path, "import", "certbot", str(made.folder))
    assert "nothing to do" in again.stdout
    assert adopted(short_path) == [("adopted", "letsencrypt")]
    shown = json.loads(certd(short_path, "account", "show", "--offline", "--json").stdout)["account"]
    assert [(row["issuer"], row["url"], row["key_kind"]) for row in shown] == [("letsencrypt", ACCOUNT, "RSA")]
    plan = certd(short_path, "plan").stdout
    assert "begin" not in plan
    assert "wait" in plan or "refresh" in plan


@pytest.mark.parametrize(
    ("make", "client", "expected"),
    [
        (foreign.lego, "lego", {"domain": DOMAIN, "proxy": "nginx"}),
        (foreign.acme_sh, "acme-sh", {"domain": DOMAIN, "proxy": "nginx"}),
        (foreign.caddy, "caddy", {"domain": DOMAIN, "proxy": "caddy"}),
    ],
)
def test_other_clients(
    short_path: Path, make: Callable[[Path, str], Made], client: str, expected: dict[str, str]
) -> None:
    """Each one's certificate and account; what it keeps to itself (its DNS provider) is left to be filled in."""
    made = make(short_path / "theirs", DOMAIN)
    before = digest(made.folder)
    done = certd(short_path, "import", client, str(made.folder))
    path = short_path / "certd.toml"
    body = tomllib.loads(path.read_text())
    assert body["link"] == [expected]
    assert "s3cret" not in path.read_text() + done.stdout + done.stderr
    if client == "acme-sh":
        assert (short_path / "cloudflare.token").read_text() == "s3cret-token\n"
    else:
        assert done.returncode == 2
        assert "the link has no DNS entry" in done.stderr
        path.write_text(path.read_text() + '\n[dns.own]\nprovider = "route53"\n')
    trusting(short_path, made)
    second = certd(short_path, "import", client, str(made.folder))
    assert second.returncode == 0, second.stderr
    assert f"{DOMAIN}: adopted, valid until" in second.stdout
    assert f"account {ACCOUNT}: taken over" in second.stdout
    assert adopted(short_path) == [("adopted", "letsencrypt")]
    assert digest(made.folder) == before


def test_into_a_configuration_that_is_there(short_path: Path) -> None:
    """It is not touched: what it lacks is printed, and certd says so with exit code 3."""
    made = rfc2136(short_path)
    path = short_path / "certd.toml"
    path.write_text(
        f'[certd]\nstate = "{short_path}/state"\n[issuer.letsencrypt]\nterms_agreed = true\n'
        '[dns.other]\nprovider = "route53"\n[[link]]\ndomain = "click.example.com"\nproxy = "nginx"\n'
    )
    before = path.read_text()
    done = certd(short_path, "import", "certbot", str(made.folder))
    assert done.returncode == 3, done.stderr
    assert path.read_text() == before
    assert tomllib.loads(done.stdout[: done.stdout.index("account ")])["link"][0]["domain"] == DOMAIN
    assert "these links are in no configuration yet" in done.stderr


def test_what_is_no_such_folder(short_path: Path) -> None:
    """Named, and nothing is written."""
    for client in ("certbot", "lego", "acme-sh", "caddy"):
        done = certd(short_path, "import", client, str(short_path))
        assert done.returncode == 1
        assert f"{short_path}: is no " in done.stderr
    assert not (short_path / "certd.toml").exists()


def test_a_damaged_lineage_costs_only_itself(short_path: Path) -> None:
    """The rest is taken over, and it is said which one was not."""
    made = rfc2136(short_path)
    (made.folder / "renewal" / "old.example.com.conf").write_text("[renewalparams]\nserver = x\n")
    done = certd(short_path, "import", "certbot", str(made.folder))
    assert done.returncode == 3
    assert "certd: warning: old.example.com: " in done.stderr
    assert tomllib.loads((short_path / "certd.toml").read_text())["link"][0]["domain"] == DOMAIN


def test_hooks(short_path: Path) -> None:
    """Programs are called as they were; what only a shell understands is a note for a human."""
    said = {
        "authenticator": "manual",
        "manual_auth_hook": "/usr/bin/publish --zone x",
        "manual_cleanup_hook": "/bin/clean",
        "renew_hook": "systemctl reload haproxy && echo done",
    }
    (lineage,) = read_certbot(foreign.certbot(short_path / "letsencrypt", DOMAIN, said).folder, proxy_names()).lineages
    assert lineage.dns is not None
    assert lineage.dns.members["auth"] == ["/usr/bin/publish", "--zone", "x"]
    assert lineage.reload == ""
    assert lineage.proxy == "haproxy"
    assert "a shell's" in lineage.notes[0]


def test_renewal_parameters() -> None:
    """Only that section; quotes and comments are ConfigObj's."""
    text = 'a = 1\n[renewalparams]\n# b = 2\nc = "x, y"\nd = p=q\n[[webroot_map]]\ne = 5\n'
    assert renewal_parameters(text) == {"c": "x, y", "d": "p=q"}


def test_what_must_not_be_served_is_not_adopted(short_path: Path) -> None:
    """A certificate that leads to no known root: said, left where it is, and the account is taken over all the same."""
    made = rfc2136(short_path)
    certd(short_path, "import", "certbot", str(made.folder))
    trusting(short_path, made)
    path = short_path / "certd.toml"
    path.write_text(path.read_text().replace('roots = "roots.pem"\n', ""))
    done = certd(short_path, "import", "certbot", str(made.folder))
    assert f"certd: warning: {DOMAIN}: not adopted: {DOMAIN}: " in done.stderr
    assert "leads to none of the expected roots" in done.stderr
    assert f"account {ACCOUNT}: taken over" in done.stdout
    assert adopted(short_path) == []


SAID_BY_CADDY: dict[str, tuple[str, dict[str, Any], str]] = {
    "Caddy 2.10": ("x", {"issuer_data": {"ca": "https://a.test/dir", "url": "https://b.test/1"}}, "https://a.test/dir"),
    "Caddy 2.6": (
        "acme.zerossl.com-v2-dv90",
        {"issuer_data": {"url": "https://acme.zerossl.com/v2/DV90/cert/1"}},
        "https://acme.zerossl.com/v2/dv90",
    ),
    "a port": (
        "localhost-14000-dir",
        {"issuer_data": {"url": "https://localhost:14000/certZ/1"}},
        "https://localhost:14000/dir",
    ),
    "its own CA": ("local", {"sans": ["a.test"]}, ""),
    "another host": ("a.test-dir", {"issuer_data": {"url": "https://b.test/1"}}, ""),
}


@pytest.mark.parametrize("case", SAID_BY_CADDY)
def test_the_directory_that_caddy_means(case: str) -> None:
    """Said, or read from the name of the CA's folder; a CA that certd knows keeps its name without capitals, too."""
    authority, said, expected = SAID_BY_CADDY[case]
    assert directory_of(authority, said) == expected
    if "zerossl" in authority:
        assert issuer_name(expected, {"zerossl": "https://acme.zerossl.com/v2/DV90"}) == "zerossl"
