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
from certd.foreign.caddy import directory_of, read_caddy
from certd.foreign.certbot import read_certbot, renewal_parameters
from certd.foreign.lego import read_lego
from certd.foreign.model import ForeignLineage, Tree
from certd.foreign.translate import issuer_name, translate
from tests.cli.test_transcripts import certd
from tests.lab import foreign
from tests.lab.certificates import DAY, NOW, make_ca, make_leaf
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
    """Of that section, and what stands above it; quotes and comments are ConfigObj's."""
    text = 'a = 1\n[renewalparams]\n# b = 2\nc = "x, y"\nd = p=q\n[[webroot_map]]\ne = 5\n'
    assert renewal_parameters(text) == ({"c": "x, y", "d": "p=q"}, {"a": "1"})


def lineage(name: str, *domains: str, days: int = 60) -> ForeignLineage:
    """A certificate for these names that ends in so many days."""
    leaf = make_leaf(make_ca("Root", start=NOW - 400 * DAY), *domains, start=NOW - 90 * DAY, life=(90 + days) * DAY)
    return ForeignLineage(name=name, domains=domains, chain_pem=leaf.pem, key=leaf.key)


def tree_of(*lineages: ForeignLineage) -> Tree:
    """A folder with them."""
    return Tree(client="x", folder=Path("/x"), lineages=lineages, accounts=(), problems=(), switch_off="")


def test_a_good_certificate_goes_before_one_with_more_names() -> None:
    """What clients can use counts first; the choice and what it leaves without a link stand in the file."""
    old = lineage("old", DOMAIN, "click.example.com", days=-1)
    new = lineage("new", DOMAIN)
    wide = lineage("wide", "a.example.com", "b.example.com", days=10)
    narrow = lineage("narrow", "a.example.com", days=80)
    done = translate(tree_of(old, new, wide, narrow), {}, whole=True)
    assert [link.name for link in done.links] == ["new", "wide"]
    assert any(loss.startswith("old is left out: it ended at ") for loss in done.losses)
    assert any(f"{DOMAIN} is in new. No link has click.example.com now" in loss for loss in done.losses)
    assert "narrow is left out: a.example.com is in wide" in done.losses
    assert all(f"# {loss}" in done.text for loss in done.losses)


def test_what_certbot_was_told_and_certd_does_not_do(short_path: Path) -> None:
    """Paths and profiles are taken over; hooks that are not are listed, with exit code 3."""
    made = rfc2136(
        short_path,
        required_profile="tlsserver",
        pre_hook="systemctl stop nginx",
        renew_hook="/usr/local/bin/publish --all",
    )
    post = made.folder / "renewal-hooks" / "post" / "tell"
    post.parent.mkdir()
    post.write_text("#!/bin/sh\n")
    post.chmod(0o755)
    elsewhere = short_path / "elsewhere"
    (made.folder / "live" / DOMAIN).rename(elsewhere)
    for name in ("fullchain", "privkey"):
        (elsewhere / f"{name}.pem").unlink()
        (elsewhere / f"{name}.pem").symlink_to(made.folder / "archive" / DOMAIN / f"{name}1.pem")
    path = made.folder / "renewal" / f"{DOMAIN}.conf"
    lines = path.read_text().splitlines()[1:]
    path.write_text("\n".join([f"fullchain = {elsewhere}/fullchain.pem", f"privkey = {elsewhere}/privkey.pem", *lines]))
    done = certd(short_path, "import", "certbot", str(made.folder))
    assert done.returncode == 3, done.stdout + done.stderr
    body = tomllib.loads((short_path / "certd.toml").read_text())
    assert body["issuer"]["letsencrypt"]["profile"] == "tlsserver"
    assert "directory" not in body["issuer"]["letsencrypt"]
    assert body["proxy"]["nginx"]["reload"] == ["/usr/local/bin/publish", "--all"]
    for words in (
        "it required the profile tlsserver",
        "its pre-hook is not taken over: systemctl stop nginx",
        "its post-hook is not taken over: tell",
        "its deploy hook has arguments",
    ):
        assert f"certd: warning: {DOMAIN}: {words}" in done.stderr


def test_an_address_that_has_ended_becomes_its_successor(short_path: Path) -> None:
    """ACMEv1 of Let's Encrypt answers nobody; its account is not the other's."""
    made = rfc2136(short_path, server="https://acme-v01.api.letsencrypt.org/directory")
    done = certd(short_path, "import", "certbot", str(made.folder))
    assert "its CA address https://acme-v01.api.letsencrypt.org/directory has ended" in done.stderr
    (lineage,) = read_certbot(made.folder, proxy_names()).lineages
    assert lineage.directory == "https://acme-v02.api.letsencrypt.org/directory"
    assert tomllib.loads((short_path / "certd.toml").read_text())["issuer"] == {"letsencrypt": {"terms_agreed": False}}


def test_the_account_of_lego_5(tmp_path: Path) -> None:
    """Its key lies beside account.json, which names the directory; an old key in keys/ is not paired with it."""
    made = foreign.lego(tmp_path / "theirs", DOMAIN)
    (path,) = made.folder.rglob("account.json")
    url, directory = "https://ca.example/acct/9", "https://ca.example/acme/dir"
    body = {"id": "me", "email": "me@example.com", "server": directory, "registration": {"accountURL": url}}
    path.write_text(json.dumps(body))
    tree = read_lego(made.folder, proxy_names())
    assert tree.accounts == ()
    assert "has no key" in tree.problems[0]
    key = foreign.account_pem()
    (path.parent / "me.key").write_text(key)
    (account,) = read_lego(made.folder, proxy_names()).accounts
    assert (account.directory, account.url, account.key.reveal()) == (directory, url, key)


def test_what_caddy_signs_itself_becomes_no_link(short_path: Path) -> None:
    """`tls internal` is no wish for a public certificate."""
    made = foreign.caddy(short_path / "theirs", DOMAIN)
    (folder,) = (made.folder / "certificates").glob("*")
    (folder.parent / "local" / "intern.example.com").mkdir(parents=True)
    for end in ("crt", "key", "json"):
        source = folder / DOMAIN / f"{DOMAIN}.{end}"
        (folder.parent / "local" / "intern.example.com" / f"intern.example.com.{end}").write_bytes(source.read_bytes())
    tree = read_caddy(made.folder, proxy_names())
    assert [one.name for one in tree.lineages] == [DOMAIN]
    assert "intern.example.com: is not taken over: Caddy signs it itself" in tree.problems[0]


def test_a_wildcard_that_covers_a_link_is_named(short_path: Path) -> None:
    """It is not adopted, and certd says why and what to write."""
    made = foreign.certbot(short_path / "letsencrypt", "*.example.com", {"authenticator": "dns-route53"})
    path = short_path / "certd.toml"
    (short_path / "roots.pem").write_text(made.root_pem)
    path.write_text(
        f'[certd]\nstate = "{short_path}/state"\n[issuer.letsencrypt]\nterms_agreed = true\nroots = "roots.pem"\n'
        f'[dns.own]\nprovider = "route53"\n[[link]]\ndomain = "{DOMAIN}"\nproxy = "nginx"\n'
    )
    done = certd(short_path, "import", "certbot", str(made.folder))
    assert done.returncode == 3
    assert f"{DOMAIN}: not adopted: *.example.com: *.example.com covers it and does not name it" in done.stderr


def test_what_must_not_be_served_is_not_adopted(short_path: Path) -> None:
    """A certificate that leads to no known root: said, left where it is, and the account is taken over all the same."""
    made = rfc2136(short_path)
    certd(short_path, "import", "certbot", str(made.folder))
    trusting(short_path, made)
    path = short_path / "certd.toml"
    path.write_text(path.read_text().replace('roots = "roots.pem"\n', ""))
    done = certd(short_path, "import", "certbot", str(made.folder))
    assert f"certd: warning: {DOMAIN}: not adopted: {DOMAIN}: " in done.stderr
    assert "leads to none of the expected roots; where its CA is a private one" in done.stderr
    assert done.returncode == 3
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
