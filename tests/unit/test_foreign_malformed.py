"""Other clients' folders with damaged files: each is one problem in the list, and the rest is taken over."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certd.cli.foreign import proxy_names
from certd.foreign.acme_sh import read_acme_sh
from certd.foreign.caddy import read_caddy
from certd.foreign.certbot import read_certbot
from certd.foreign.lego import read_lego
from certd.foreign.model import ForeignAccount, ForeignLineage, ProxyNames, Tree
from certd.foreign.translate import comment, toml, translate
from certd.model import Secret
from tests.lab import foreign
from tests.lab.certificates import make_ca, make_leaf

GOOD, BAD = "good.example.com", "bad.example.com"
NAMELESS = make_leaf(make_ca("Root"))
DEEP = "[" * 100_000

Make = Callable[[Path, str], foreign.Made]


def certbot(folder: Path, domain: str) -> foreign.Made:
    """As the others are made."""
    return foreign.certbot(folder, domain, {"authenticator": "dns-route53"})


READERS: dict[str, tuple[Callable[[Path, ProxyNames], Tree], Make]] = {
    "certbot": (read_certbot, certbot),
    "lego": (read_lego, foreign.lego),
    "acme-sh": (read_acme_sh, foreign.acme_sh),
    "caddy": (read_caddy, foreign.caddy),
}


def both(folder: Path, name: str) -> Path:
    """A folder with a good lineage, and one to be damaged."""
    _, make = READERS[name]
    made = make(folder / "a", GOOD)
    other = make(folder / "other" / "a", BAD)
    for path in sorted(other.folder.rglob("*")):
        if path.is_file() and BAD in str(path.relative_to(other.folder)):
            target = made.folder / path.relative_to(other.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            # A renewal configuration names where its files lie.
            target.write_bytes(path.read_bytes().replace(bytes(other.folder), bytes(made.folder)))
    return made.folder


# Client, file of the lineage or account to damage, what stands in it, how many lineages and accounts are left.
DAMAGE: dict[str, tuple[str, str, str, int, int]] = {
    "certbot's chain without names": ("certbot", f"live/{BAD}/fullchain.pem", NAMELESS.pem, 1, 1),
    "certbot's server": (
        "certbot",
        f"renewal/{BAD}.conf",
        "[renewalparams]\nserver = //[\nauthenticator = dns-route53\n",
        1,
        1,
    ),
    "certbot's account without a curve": (
        "certbot",
        "accounts/**/private_key.json",
        json.dumps({"kty": "EC", "x": "AA", "y": "AA", "d": "AA"}),
        2,
        0,
    ),
    "certbot's deep account": ("certbot", "accounts/**/private_key.json", DEEP, 2, 0),
    "certbot's deep registration": ("certbot", "accounts/**/regr.json", DEEP, 2, 0),
    "lego's chain without names": ("lego", f"certificates/{BAD}.crt", NAMELESS.pem, 1, 1),
    "lego's deep file": ("lego", f"certificates/{BAD}.json", DEEP, 1, 1),
    "lego's URL": ("lego", f"certificates/{BAD}.json", '{"certUrl": "https://["}', 1, 1),
    "lego's account": ("lego", "accounts/**/account.json", '{"registration": {"uri": "//["}}', 2, 0),
    "lego's deep account": ("lego", "accounts/**/account.json", DEEP, 2, 0),
    "acme.sh's chain without names": ("acme-sh", f"{BAD}_ecc/fullchain.cer", NAMELESS.pem, 1, 1),
    "acme.sh's base64": (
        "acme-sh",
        f"{BAD}_ecc/{BAD}.conf",
        "Le_ReloadCmd='__ACME_BASE64__START_ä__ACME_BASE64__END_'\n",
        1,
        1,
    ),
    "acme.sh's server": ("acme-sh", f"{BAD}_ecc/{BAD}.conf", "Le_API='https://['\n", 1, 1),
    "Caddy's deep file": ("caddy", f"certificates/*/{BAD}/{BAD}.json", DEEP, 1, 1),
    "Caddy's CA": ("caddy", f"certificates/*/{BAD}/{BAD}.json", '{"issuer_data": {"ca": "//["}}', 1, 1),
    "Caddy's URL": ("caddy", f"certificates/*/{BAD}/{BAD}.json", '{"issuer_data": {"url": "//["}}', 1, 1),
    "Caddy's deep account": ("caddy", "acme/*/users/*/*.json", DEEP, 2, 0),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_one_damaged_file_is_one_problem(tmp_path: Path, name: str) -> None:
    """The others go on, and what is left is translated."""
    client, pattern, text, lineages, accounts = DAMAGE[name]
    folder = both(tmp_path, client)
    (path,) = folder.glob(pattern)
    path.unlink()
    path.write_text(text)
    tree = READERS[client][0](folder, proxy_names())
    assert (len(tree.lineages), len(tree.accounts), len(tree.problems)) == (lineages, accounts, 1), tree.problems
    assert len(tree.problems[0]) < 500
    assert len(translate(tree, {}, whole=True).links) == lineages


def lineage(**more: object) -> ForeignLineage:
    """One that is whole."""
    leaf = make_leaf(make_ca("Root"), GOOD)
    made = ForeignLineage(name=GOOD, domains=(GOOD,), chain_pem=leaf.pem, key=leaf.key)
    return replace(made, **more)  # type: ignore[arg-type]


def tree(one: ForeignLineage, *accounts: ForeignAccount) -> Tree:
    """A folder with it."""
    return Tree(client="x", folder=Path("/x\n[certd]"), lineages=(one,), accounts=accounts, problems=(), switch_off="")


@pytest.mark.parametrize(
    "directory", ["https://[2001:db8::1]:14000/dir", "https://ca.example/\U0001f600", "https://ca_x.example/dir\x7f"]
)
def test_a_ca_with_an_odd_address(directory: str) -> None:
    """Its issuer's name is a bare key, and its directory is what it was."""
    body = tomllib.loads(translate(tree(lineage(directory=directory)), {}, whole=True).text)
    ((name, issuer),) = body["issuer"].items()
    assert issuer["directory"] == directory
    assert body["link"][0]["issuer"] == name
    assert all(letter.isalnum() or letter == "-" for letter in name)


def test_nothing_from_outside_begins_a_line() -> None:
    """An account's address, a note, a hook and the folder's own name are comments and stay comments."""
    evil = 'x\n[certd]\nstate = "/evil"\r[alarms]\u2028[proxy.evil]'
    account = ForeignAccount(directory="https://ca.example/dir", url=evil, key=Secret(""))
    one = lineage(directory="https://ca.example/dir", notes=(evil,), reload=[evil], proxy="nginx")
    text = translate(tree(one, account), {}, whole=True).text
    body = tomllib.loads(text)
    assert body.keys() == {"issuer", "proxy", "link"}
    assert body["proxy"] == {"nginx": {"reload": [evil]}}


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(), max_size=20), more=st.lists(st.text(max_size=5), max_size=3))
def test_any_text_is_written_as_toml(text: str, more: list[str]) -> None:
    """Read back it is what it was, in a comment it is nothing; halves of characters are replaced."""
    whole = text.encode(errors="replace").decode()
    body = tomllib.loads(f"a = {toml(text)} {comment(text)}\nb = {toml(more)}\n")
    assert body == {"a": whole, "b": more}
