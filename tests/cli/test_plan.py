"""``certd plan`` where many links are new."""

from __future__ import annotations

from pathlib import Path

from tests.cli.test_transcripts import GOOD, certd


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
