"""Accounts are made when the configuration is loaded, and one that a CA ended is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from certd.errors import AcmeProblem
from certd.planning.acme_errors import refusal_for
from tests.integration.test_fallback import Wait
from tests.lab.acme_client import MemoryAccounts, authority
from tests.lab.pebble import Pebble
from tests.lab.scene import Scene

SECRET = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


@pytest.mark.lab("pebble", "nginx")
def test_a_fallback_has_its_account_before_it_is_needed(short_path: Path, eventually: Wait) -> None:
    """A second CA that wants a binding: its account is made though no order goes there; with a wrong binding it is an
    alarm with the way out, nothing waits for it, and another configuration is tried at once.
    """
    with (
        Scene(short_path / "scene") as scene,
        Pebble(short_path / "second", dns="127.0.0.1:9", eab={"kid-1": SECRET}) as other,
    ):
        (scene.folder / "eab").write_text(SECRET)
        table = (
            f'[issuer.second]\nterms_agreed = true\ndirectory = "{other.directory}"\nca_file = "{other.ca_file}"\n'
            f'roots = "{other.roots}"\neab = {{ kid = "kid-0", hmac = "file:eab" }}\n\n'
        )
        text = scene.config.read_text().replace("[dns.own]", table + "[dns.own]")
        scene.config.write_text(text.replace('issuer = "pebble"', 'issuer = ["pebble", "second"]'))
        scene.nginx.start()
        scene.start_certd()
        eventually(lambda: "no account  issuer=second" in scene.certd_log(), 60)
        eventually(lambda: "served  link=" in scene.certd_log(), 60)
        eventually(lambda: "cause=account:second" in scene.certd_log(), 60)
        scene.config.write_text(scene.config.read_text().replace("kid-0", "kid-1"))
        scene.run("reload")
        eventually(lambda: "account  issuer=second  url=" in scene.certd_log(), 60)


@pytest.mark.lab("pebble")
def test_an_account_that_the_ca_ended(tmp_path: Path) -> None:
    """Its refusal is told from others; with another key the same adapter orders again."""
    with Pebble(tmp_path, dns="127.0.0.1:9") as made:
        accounts = MemoryAccounts()
        ca = authority(made.directory, ca_file=str(made.ca_file), accounts=accounts)
        url = ca.account()
        ca.session.post(url, b'{"status": "deactivated"}', ca.registration.signer())
        with pytest.raises(AcmeProblem) as refused:
            ca.new_order(["link.example.test"])
        assert refusal_for(refused.value).kind == "accountDeactivated"
        ca.replace_account(url)
        assert ca.new_order(["link.example.test"]).url
        assert ca.account() != url


@pytest.mark.lab("pebble")
def test_an_account_that_ended_is_replaced_once(tmp_path: Path) -> None:
    """Of all who are refused at the same time, in this process and on another node, one registers: Let's Encrypt takes
    ten new accounts in three hours, and an order belongs to the account that made it.
    """
    with Pebble(tmp_path, dns="127.0.0.1:9") as made:
        accounts = MemoryAccounts()
        ca, other = (authority(made.directory, ca_file=str(made.ca_file), accounts=accounts) for _ in range(2))
        url = ca.account()
        assert other.account() == url
        ca.session.post(url, b'{"status": "deactivated"}', ca.registration.signer())
        ca.replace_account(url)
        order = ca.new_order(["link.example.test"])
        for each in (ca, other):
            each.replace_account(url)
            assert each.account() == ca.account() != url
        assert other.read_order(order.url).status == "pending"
