"""``certd backup`` under a passphrase, and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_transcripts import GOOD, certd
from tests.lab.bought import buy

LINK = "link.example.com"
PHRASE = "correct horse battery staple"


@pytest.fixture
def folder(short_path: Path) -> Path:
    """A state with a certificate, and a passphrase's file."""
    bought = buy(short_path / "bought", LINK, days=60)
    (short_path / "root.pem").write_text(bought.root_pem)
    text = GOOD.replace("terms_agreed = true\n", 'terms_agreed = true\nroots = "{folder}/root.pem"\n')
    (short_path / "certd.toml").write_text(text.format(folder=short_path))
    (short_path / "tsig.key").write_text("certd:hmac-sha256:c2VjcmV0\n")
    (short_path / "phrase").write_text(PHRASE + "\n")
    done = certd(short_path, "import", "files", LINK, str(bought.chain), str(bought.key))
    assert done.returncode == 0, done.stderr
    return short_path


def certificate(folder: Path) -> str:
    status = json.loads(certd(folder, "status", "--json").stdout)["status"]
    return str(status["links"][0]["certificate"]["generation"])


def test_an_encrypted_backup_goes_back(folder: Path) -> None:
    """Nothing of the store stands in it, and what is restored is what was there."""
    before = certificate(folder)
    file = folder / "certd.backup"
    done = certd(folder, "backup", str(file), "--passphrase", f"file:{folder}/phrase")
    assert done.returncode == 0, done.stderr
    assert "encrypted" in done.stdout
    assert "is not encrypted" not in done.stderr
    content = file.read_bytes()
    assert b"SQLite format" not in content
    assert LINK.encode() not in content
    assert PHRASE not in done.stdout + done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    (folder / "state").rename(folder / "lost")
    back = certd(folder, "restore", str(file), "--passphrase", f"file:{folder}/phrase")
    assert back.returncode == 0, back.stderr
    assert certificate(folder) == before
    plain = folder / "plain.tar"
    loud = certd(folder, "backup", str(plain))
    assert loud.returncode == 0
    assert f"certd: warning: {plain} is not encrypted: it opens every private key to its reader" in loud.stderr


def test_what_does_not_open_changes_nothing(folder: Path) -> None:
    """No passphrase, a wrong one, one octet changed, cut off: words, and the store that is there stays."""
    file = folder / "certd.backup"
    assert certd(folder, "backup", str(file), "--passphrase", f"file:{folder}/phrase").returncode == 0
    content = file.read_bytes()
    (folder / "wrong").write_text("another passphrase")
    before = {path: path.read_bytes() for path in (folder / "state" / "private").iterdir() if path.is_file()}

    def refused(*more: str) -> str:
        done = certd(folder, "restore", str(file), "--replace", *more)
        assert done.returncode in {1, 2}
        assert "Traceback" not in done.stderr
        return done.stderr

    assert f"{file} is encrypted" in refused()
    assert "the passphrase is wrong, or the file is damaged" in refused("--passphrase", f"file:{folder}/wrong")
    right = ("--passphrase", f"file:{folder}/phrase")
    for at in (16, 40, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert "the passphrase is wrong, or the file is damaged" in refused(*right)
    for length in (15, 20, 43, len(content) - 1):
        file.write_bytes(content[:length])
        assert "the passphrase is wrong, or the file is damaged" in refused(*right)
    after = {path: path.read_bytes() for path in (folder / "state" / "private").iterdir() if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (PHRASE, "must be a reference, never the passphrase itself"),
        ("file:missing", "missing"),
        ("file:short", "fewer than 12 letters"),
    ],
)
def test_a_passphrase_that_is_none(folder: Path, reference: str, words: str) -> None:
    """Said before a file is made, or without leaving one; never repeated."""
    (folder / "short").write_text("letmein\n")
    file = folder / "certd.backup"
    done = certd(folder, "backup", str(file), "--passphrase", reference)
    assert done.returncode in {1, 2}
    assert words in done.stderr
    assert PHRASE not in done.stderr
    assert "letmein" not in done.stderr
    assert not file.exists()
