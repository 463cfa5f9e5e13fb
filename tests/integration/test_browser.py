"""What a reader sees: a tracked link of a mail, opened in a real Chromium through the real proxy."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from certd.model import Secret
from tests.lab.certd import ROOT
from tests.lab.certificates import DAY, NOW, Leaf
from tests.lab.driving import Browser
from tests.lab.scene import DOMAIN, Scene
from tests.lab.tls_server import TlsServer

pytestmark = pytest.mark.lab("pebble", "nginx", "chromium", "certutil")

SHOTS = ROOT / ".lab" / "screenshots"
SHOP = "shop.example.test"

MAIL = f"""<!doctype html><meta charset="utf-8"><title>Your order</title>
<body style="font: 16px sans-serif; margin: 3em">
<h1>Your parcel is on its way</h1>
<p>Dear customer, <a id="link" href="https://{DOMAIN}/ls/click?upn=a%2Bb~~c%2F%2f">follow your parcel here</a>.</p>
"""
LANDED = """<!doctype html><meta charset="utf-8"><title>Follow your parcel</title>
<body style="font: 16px sans-serif; margin: 3em"><h1>Your parcel is in Leipzig</h1><p>The click came through.</p>
"""
WARNING = "NET::ERR_CERT_DATE_INVALID"


def leaf_of(made: trustme.LeafCert) -> Leaf:
    """Browsers are stricter than the lab's own certificates."""
    return Leaf(made.cert_chain_pems[0].bytes().decode(), Secret(made.private_key_pem.bytes().decode()))


def test_a_link_of_a_mail_and_the_warning(scene: Scene, short_path: Path) -> None:
    """With the certificate that certd keeps the reader lands where the link leads, without a warning; with one that
    expired the reader sees the warning, and the e-mail service no click.
    """
    ca = trustme.CA()
    root = ca.cert_pem.bytes().decode()
    mail = short_path / "mail.html"
    mail.write_text(MAIL)
    scene.nginx.start()
    scene.run("once")
    with TlsServer((leaf_of(ca.issue_cert(SHOP)), []), body=LANDED.encode()) as shop:
        hosts = {f"{DOMAIN}:443": f"127.0.0.1:{scene.tls}", f"{SHOP}:443": shop.place}
        with Browser([scene.roots, root], hosts) as browser:
            browser.open(f"file://{mail}")
            browser.until("document.title", "Your order")
            browser.says("document.getElementById('link').click()")
            text = browser.until("location.href + ' ' + document.body.innerText", "The click came through")
            assert text.startswith(f"https://{SHOP}/landing")
            browser.screenshot(SHOTS / "landed.png")
            assert scene.esp.seen[-1].path == "/ls/click?upn=a%2Bb~~c%2F%2f"
            assert scene.esp.seen[-1].host == DOMAIN
        clicks = scene.esp.clicks

        expired = leaf_of(ca.issue_cert(DOMAIN, not_before=NOW - 91 * DAY, not_after=NOW - DAY))
        (short_path / "expired.pem").write_text(expired.pem + expired.key.reveal())
        site = scene.nginx.folder / "sites" / f"{DOMAIN}.conf"
        lines = [
            f"    ssl_certificate {short_path}/expired.pem;\n    ssl_certificate_key {short_path}/expired.pem;"
            if "include" in line and "proxies/nginx" in line
            else line
            for line in site.read_text().splitlines()
        ]
        site.write_text("\n".join(lines))
        scene.nginx.stop()
        scene.nginx.start()
        with Browser([scene.roots, root], hosts) as browser:
            browser.open(f"file://{mail}")
            browser.until("document.title", "Your order")
            browser.says("document.getElementById('link').click()")
            browser.until("document.body.innerText", WARNING)
            browser.screenshot(SHOTS / "warning.png")
        assert scene.esp.clicks == clicks
    for name in ("landed.png", "warning.png"):
        assert (SHOTS / name).read_bytes().startswith(b"\x89PNG")
