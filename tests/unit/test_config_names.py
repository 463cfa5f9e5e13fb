"""Names that no public CA signs: each is a mistake with its path, its value and the way out; a private CA may."""

from __future__ import annotations

from pathlib import Path

import pytest

from certd.cli.entry import main
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.config.names import names_refused
from certd.config.settings import Settings
from certd.dns.public_suffix import is_registry_suffix

FILE = """
issuer.letsencrypt.terms_agreed = true

[dns.corp]
provider = "rfc2136"
server = "192.0.2.53"
tsig = "file:/etc/certd/tsig.key"

[[link]]
name = "link"
domain = [{names}]
proxy = "nginx"
"""
ONE = 'link "link".domain: '

CASES: dict[str, tuple[tuple[str, ...], str]] = {
    "redundant": (
        ("*.example.com", "link.example.com"),
        '"link.example.com" is covered by "*.example.com" beside it, which letsencrypt refuses '
        '(leave "link.example.com" out: the wildcard serves it)',
    ),
    "an underscore": (
        ("my_link.example.com",),
        '"my_link.example.com" has an underscore, which letsencrypt refuses '
        '(choose a name such as "my-link.example.com", or a CA of your own)',
    ),
    "a public suffix": (
        ("co.uk",),
        '"co.uk" is a public suffix, under which others have names, which letsencrypt refuses '
        '(write your own name below it, such as "link.yours.co.uk")',
    ),
    "a wildcard over one": (("*.co.uk",), '"*.co.uk" is a public suffix'),
    "a rule with a wildcard": (("foo.ck",), '"foo.ck" is a public suffix'),
    "reserved for tests": (("link.example.test",), 'ends in the reserved ".test"'),
    "a name of the house": (("link.corp.internal",), 'ends in the reserved ".internal"'),
    "multicast DNS": (("link.local",), 'ends in the reserved ".local"'),
    "this machine": (("link.localhost",), 'ends in the reserved ".localhost"'),
    "the home net": (("link.home.arpa",), 'ends in the reserved ".home.arpa"'),
    "an onion": (("abc.onion",), 'ends in the reserved ".onion"'),
    "like an address": (("link.10.1",), '"link.10.1" ends like an address'),
    "too many": (
        tuple(f"n{number}.example.com" for number in range(101)),
        "has 101 names; letsencrypt signs 100 at most in one certificate (divide the names among several links)",
    ),
}

FINE: dict[str, tuple[str, ...]] = {
    "a wildcard with its apex": ("*.example.com", "example.com"),
    "a name two levels below a wildcard": ("*.example.com", "a.link.example.com"),
    "a hundred": tuple(f"n{number}.example.com" for number in range(100)),
    "a company's own suffix": ("github.io",),
    "below a public suffix": ("example.co.uk",),
    "an exception of the list": ("www.ck",),
    "a name that holds a reserved word": ("test.example.com", "localtest.com"),
    "IDN": ("xn--bcher-kva.example.com",),
}


def read(folder: Path, names: tuple[str, ...], text: str = FILE) -> Settings:
    path = folder / "certd.toml"
    path.write_text(text.replace("{names}", ", ".join(f'"{name}"' for name in names)))
    return load(path, known_choices(), {})


@pytest.mark.parametrize("name", CASES)
def test_refused(tmp_path: Path, name: str) -> None:
    """The sentence names the path, the value and the way out."""
    names, expected = CASES[name]
    (finding,) = names_refused(read(tmp_path, names))
    assert str(finding).startswith(ONE)
    assert expected in str(finding)


@pytest.mark.parametrize("name", FINE)
def test_taken(tmp_path: Path, name: str) -> None:
    """No CA minds these."""
    assert names_refused(read(tmp_path, FINE[name])) == ()


@pytest.mark.parametrize("issuer", ["letsencrypt", "letsencrypt-staging", "google", "zerossl"])
def test_each_built_in_ca_is_public(tmp_path: Path, issuer: str) -> None:
    """And says so by its name."""
    text = FILE.replace("letsencrypt", issuer).replace("[[link]]", f'[[link]]\nissuer = "{issuer}"')
    (finding,) = names_refused(read(tmp_path, ("link.internal",), text))
    assert f"which {issuer} refuses" in str(finding)


PRIVATE = {
    "a directory of its own": 'issuer.letsencrypt.directory = "https://ca.internal/acme/directory"',
    "a trust anchor of its own": 'issuer.letsencrypt.ca_file = "ca.pem"',
    "a node that only deploys": "certd.issue = false",
}


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_ca_may(tmp_path: Path, name: str) -> None:
    """Its rules are its own."""
    (tmp_path / "ca.pem").write_text("")
    text = PRIVATE[name] + FILE
    for names, _ in CASES.values():
        assert names_refused(read(tmp_path, names, text)) == ()


def test_a_profile_that_takes_fewer_names(tmp_path: Path) -> None:
    """Let's Encrypt's shorter profiles take 25."""
    text = FILE.replace("terms_agreed = true", 'terms_agreed = true\nissuer.letsencrypt.profile = "shortlived"')
    names = tuple(f"n{number}.example.com" for number in range(26))
    (finding,) = names_refused(read(tmp_path, names, text))
    assert "signs 25 at most in one certificate of profile shortlived" in str(finding)


def test_config_check_says_all_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and every mistake with its way out; a good file is fine."""
    key = tmp_path / "tsig.key"
    key.write_text("key corp { algorithm hmac-sha256; secret AAAA; };\n")
    key.chmod(0o600)
    text = FILE.replace("/etc/certd/tsig.key", str(key))
    read(tmp_path, ("*.example.com", "link.example.com", "a_b.example.org"), text)
    command = ["--config", str(tmp_path / "certd.toml"), "config", "check"]
    with pytest.raises(SystemExit) as ended:
        main(command)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "the configuration has 2 mistakes" in said
    assert 'leave "link.example.com" out' in said
    assert "has an underscore" in said
    read(tmp_path, ("*.example.com",), text)
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert not ended.value.code


def test_suffixes_of_registries_alone() -> None:
    """Companies' suffixes stand in the same list."""
    assert is_registry_suffix("co.uk")
    assert is_registry_suffix("com")
    assert not is_registry_suffix("github.io")
    assert not is_registry_suffix("example.co.uk")
