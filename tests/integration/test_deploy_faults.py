"""The deploy faults on real proxies: each is said in words, breaks nothing that worked, and heals when it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.certificates import DAY, NOW, make_ca, make_leaf
from tests.lab.fault_table import possible, try_all
from tests.lab.gallery import Gallery


def spread() -> dict[str, str]:
    """Every fault once, on the kinds in turn; ``make soak`` tries each on every kind."""
    return {name: fault.kinds[number % len(fault.kinds)] for number, (name, fault) in enumerate(possible().items())}


@pytest.mark.timeout(400)
@pytest.mark.lab("nginx", "haproxy", "caddy", "apache2")
def test_every_fault_on_a_proxy(short_path: Path) -> None:
    """All side by side, each on a proxy of its own."""
    noted = try_all(short_path, spread())
    print("\n".join(f"{seconds:6.1f} s  {name}" for name, seconds in noted.items()))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.lab("nginx")
def test_what_the_gate_refuses(short_path: Path) -> None:
    """A pair that must not reach a proxy is refused in words, and what is served stays."""
    with Gallery(short_path, {"one": "nginx"}) as gallery:
        stage = gallery.stages["one"]
        fingerprints = gallery.adopt(days=60)
        assert not gallery.eventually(lambda name, known: known.served == fingerprints[name], ["one"])
        before = stage.shown(gallery.authority.pem)
        good, other = (make_leaf(gallery.authority, stage.link) for _ in range(2))
        chain = good.pem + gallery.authority.pem
        cases = {
            "a key of another": (chain, other.key.reveal(), "does not match the leaf"),
            "truncated": (chain[:500], good.key.reveal(), ""),
            "in the wrong order": (gallery.authority.pem + good.pem, good.key.reveal(), ""),
            "expired": (
                make_leaf(gallery.authority, stage.link, start=NOW - 90 * DAY, life=80 * DAY).pem,
                good.key.reveal(),
                "",
            ),
            "of a stranger's root": (make_leaf(make_ca("other"), stage.link).pem, good.key.reveal(), ""),
        }
        for name, (pem, key, words) in cases.items():
            files = write(short_path / "c.pem", pem), write(short_path / "k.pem", key)
            done = gallery.command("import", "files", stage.link, *map(str, files))
            assert done.returncode == 1, name
            assert words in done.stderr, name
            assert "certd: error:" in done.stderr, name
        assert stage.shown(gallery.authority.pem) == before
