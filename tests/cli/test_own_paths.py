"""What ``certd config check`` says of files that a proxy of one's own reads."""

from __future__ import annotations

from pathlib import Path

from certd.cli.config import odd_own_paths
from certd.config.choices import known_choices
from certd.config.loader import load
from tests.cli.test_transcripts import GOOD, certd


def configured(folder: Path) -> Path:
    """A configuration with two files of one's own."""
    paths = f'paths = {{ fullchain = "{folder}/served/chain.pem", key = "{folder}/served/{{link}}.key" }}'
    text = GOOD.format(folder=folder).replace('proxy = "nginx"', 'proxy = "app"')
    (folder / "served").mkdir()
    (folder / "tsig.key").write_text("certd:hmac-sha256:c2VjcmV0\n")
    (folder / "tsig.key").chmod(0o600)
    (folder / "certd.toml").write_text(f'{text}\n[proxy.app]\nkind = "files"\nendpoints = ["127.0.0.1:1"]\n{paths}\n')
    return folder / "certd.toml"


def test_a_symbolic_link_is_named(short_path: Path) -> None:
    """certd would replace the link, and whoever reads the file behind it goes on reading the old certificate."""
    configured(short_path)
    assert "symbolic link" not in certd(short_path, "config", "check").stderr
    (short_path / "elsewhere.pem").write_text("")
    (short_path / "served" / "chain.pem").symlink_to(short_path / "elsewhere.pem")
    done = certd(short_path, "config", "check")
    assert done.returncode == 0, done.stderr
    assert f"proxy.app.paths.fullchain: {short_path}/served/chain.pem is a symbolic link" in done.stderr
    assert f"name {short_path}/elsewhere.pem" in done.stderr


def test_a_file_that_is_mounted_by_itself_is_named(short_path: Path) -> None:
    """A rename over it fails (EBUSY). The kernel writes a blank in a path as an escape."""
    folder = short_path / "with blank"
    folder.mkdir()
    settings = load(configured(folder), known_choices())
    mounts = short_path / "mountinfo"
    mounts.write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    assert odd_own_paths(settings, mounts) == []
    where = f"{folder}/served/link.example.com.key".replace(" ", "\\040")
    mounts.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 8:1 /x {where} rw - ext4 /dev/sda1 rw\n")
    (found,) = odd_own_paths(settings, mounts)
    assert found.path == "proxy.app.paths.key"
    assert "is mounted by itself, so certd cannot replace it" in found.message
    assert odd_own_paths(settings, short_path / "missing") == []
