"""``paths``: owner, mode, both halves or none, and nothing of the operator's overwritten by a placeholder."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certd.errors import TargetError
from certd.model import Certificate
from certd.model.paths import OwnPath
from certd.pki.chain import read_certificate
from certd.pki.placeholder import is_placeholder
from certd.targets.files_target import FilesTarget
from certd.targets.layout import Layout
from certd.targets.registry import KINDS
from certd.targets.reloads import Nothing
from tests.lab.certificates import NOW, make_ca, make_leaf

LINK = "link.example.com"
ROOT = make_ca("root")


def issued(days: int = 90) -> Certificate:
    """A new pair."""
    leaf = make_leaf(ROOT, LINK, life=timedelta(days=days))
    return read_certificate(leaf.pem + ROOT.pem, leaf.key, link=LINK, issuer="test", issued_at=NOW)


def target(folder: Path, **paths: OwnPath) -> FilesTarget:
    """A proxy with paths of its own."""
    return FilesTarget(
        name="app",
        endpoints=(),
        layout=Layout(folder / "public"),
        pointer=KINDS["files"].pointer,
        reloading=Nothing(),
        paths=paths,
    )


def test_owner_group_and_mode(tmp_path: Path) -> None:
    """As said, from the first moment on; what somebody changed is put right with the next deployment."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    key = tmp_path / f"{LINK}.key"
    proxy = target(
        tmp_path,
        fullchain=OwnPath(path=f"{tmp_path}/{{link}}.pem", mode=0o644),
        key=OwnPath(path=f"{tmp_path}/{{link}}.key", owner="nobody", group="65534", mode=0o400),
    )
    generation = proxy.install(issued())
    for _ in range(2):
        proxy.point(LINK, generation)
        status = key.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (65534, 65534, 0o400)
        assert stat.S_IMODE((tmp_path / f"{LINK}.pem").stat().st_mode) == 0o644
        key.chmod(0o644)


def test_nobody_of_that_name(tmp_path: Path) -> None:
    """Said, and nothing is written."""
    proxy = target(tmp_path, key=OwnPath(path=f"{tmp_path}/k", owner="no-such-user"))
    generation = proxy.install(issued())
    with pytest.raises(TargetError, match='no user "no-such-user"'):
        proxy.point(LINK, generation)
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize("broken", ["missing folder", "a folder in its place"])
def test_both_halves_or_none(tmp_path: Path, broken: str) -> None:
    """Where the second cannot be written the first stays the old one: never a pair that does not match."""
    chain, key = tmp_path / "chain.pem", tmp_path / "keys" / "key.pem"
    key.parent.mkdir()
    proxy = target(tmp_path, fullchain=OwnPath(path=str(chain)), key=OwnPath(path=str(key)))
    first = proxy.install(issued())
    proxy.point(LINK, first)
    old = chain.read_bytes()
    key.unlink()
    if broken == "missing folder":
        key.parent.rmdir()
    else:
        key.mkdir()
    second = proxy.install(issued(80))
    with pytest.raises(TargetError, match=r"key\.pem: cannot be written"):
        proxy.point(LINK, second)
    assert chain.read_bytes() == old
    pointed = proxy.pointed(LINK)
    assert pointed is not None
    assert pointed.name == first.name
    assert not [*tmp_path.glob(".*"), *tmp_path.glob("keys/.*")]


def test_a_placeholder_takes_nobodys_place(tmp_path: Path) -> None:
    """An existing pair of the operator's is what clients get today: it stays until a real one is here."""
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    theirs = issued()
    chain.write_text(theirs.chain_pem)
    key.write_text("their key")
    proxy = target(tmp_path, fullchain=OwnPath(path=str(chain)), key=OwnPath(path=str(key)))
    proxy.point(LINK, proxy.install_placeholder(LINK, [LINK], datetime.now(UTC)))
    assert chain.read_text() == theirs.chain_pem
    assert key.read_text() == "their key"
    real = issued(80)
    proxy.point(LINK, proxy.install(real))
    assert chain.read_text() == real.chain_pem


def test_the_program_can_start_before_the_first_certificate(tmp_path: Path) -> None:
    """Where nothing lies a placeholder does, and a placeholder's place is taken by a newer one."""
    chain = tmp_path / "chain.pem"
    proxy = target(tmp_path, fullchain=OwnPath(path=str(chain)), key=OwnPath(path=f"{tmp_path}/k"))
    for names in ([LINK], [LINK, "other.example.com"]):
        proxy.point(LINK, proxy.install_placeholder(LINK, names, datetime.now(UTC)))
        assert is_placeholder(chain.read_text())
        assert (tmp_path / "k").read_text().startswith("-----BEGIN")
