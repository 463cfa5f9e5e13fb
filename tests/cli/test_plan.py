"""``certd plan`` where many links are new."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_transcripts import GOOD, certd
from tests.lab import foreign


def test_many_first_certificates(short_path: Path) -> None:
    """The wait that the CA's limits make is said beforehand, and what would make it shorter."""
    (short_path / "certd.toml").write_text(
        'links_from = ["domains.txt"]\n' + GOOD.format(folder=short_path) + ('\n[defaults]\nproxy = "nginx"\n')
    )
    names = [f"link.brand{number}.com" for number in range(330)] + [f"l{n}.example.co.uk" for n in range(60)]
    (short_path / "domains.txt").write_text("\n".join(names))
    said = certd(short_path, "plan").stdout
    assert "link.brand7.com: begin, as soon as certd runs: nothing issued yet" in said
    assert (
        "391 first certificates: letsencrypt takes 300 orders in 3 hours, so the last one is ordered in about" in said
    )
    assert "60 first certificates under example.co.uk: letsencrypt signs 50 in 7 days" in said
    assert 'one link with the domain "*.example.co.uk" is one certificate for all of them' in said
    assert "under brand7.com" not in said


def test_a_drill_of_mass_revocation(short_path: Path) -> None:
    """How long it takes, for what it waits, and what helps; an issuer that there is not is a mistake."""
    made = foreign.certbot(short_path / "letsencrypt", "link.example.com", {"authenticator": "dns-route53"})
    (short_path / "root.pem").write_text(made.root_pem)
    text = GOOD.replace("terms_agreed = true\n", 'terms_agreed = true\nroots = "{folder}/root.pem"\n')
    (short_path / "certd.toml").write_text(text.format(folder=short_path))
    drill = ("plan", "--mass-revocation", "letsencrypt")
    assert "certd has not run here" in certd(short_path, *drill).stderr
    assert "adopted" in certd(short_path, "import", "certbot", str(made.folder)).stdout
    said = certd(short_path, *drill).stdout
    assert "1 link of 1 would need another certificate. letsencrypt takes 1 order at once" in said
    assert "1 link would wait for letsencrypt alone: give a second issuer" in said
    found = json.loads(certd(short_path, *drill, "--json").stdout)["mass_revocation"]
    assert (found["issuer"], found["links"], found["at_once"]) == ("letsencrypt", 1, 1)
    other = certd(short_path, "plan", "--mass-revocation", "letsencrypt-staging").stdout
    assert "no link here has a certificate of letsencrypt-staging" in other
    wrong = certd(short_path, "plan", "--mass-revocation", "nobody")
    assert wrong.returncode == 2
    assert "nobody: there is no such issuer" in wrong.stderr
