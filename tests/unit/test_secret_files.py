"""A secret file that the service cannot read: said with path, owner, mode, user and the commands that help."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from certd.config import secret_files
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.config.secret_files import judge_secrets, references_in
from certd.config.settings import Settings
from certd.config.types import secret
from certd.errors import SecretUnreadable
from certd.system.rights import as_user
from tests.cli.test_transcripts import GOOD, certd

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user")


@pytest.fixture
def settings(short_path: Path) -> Settings:
    """A state folder of nobody's, and a secret file that only root may read."""
    short_path.chmod(0o755)
    (short_path / "certd.toml").write_text(GOOD.format(folder=short_path))
    key = short_path / "tsig.key"
    key.write_text("k:hmac-sha256:c2VjcmV0")
    key.chmod(0o600)
    (short_path / "state").mkdir()
    if os.geteuid() == 0:
        os.chown(short_path / "state", NOBODY, NOBODY)
    return load(short_path / "certd.toml", known_choices())


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """The whole path, who runs, and what to run."""
    with pytest.raises(SecretUnreadable) as failure:
        secret("file:tsig.key", folder=tmp_path)
    me = secret_files.user_name(os.geteuid())
    path = tmp_path / "tsig.key"
    assert str(failure.value) == f"file:tsig.key: cannot be read: {path} does not exist (certd runs as {me})"
    assert failure.value.hint == f"write the secret into {path}, then: chown {me} {path} && chmod 0600 {path}"


def test_what_is_in_a_secret_is_never_said(tmp_path: Path) -> None:
    """Nor where it is no text."""
    (tmp_path / "binary").write_bytes(b"s3cret\xff")
    with pytest.raises(SecretUnreadable) as failure:
        secret("file:binary", folder=tmp_path)
    assert "s3cret" not in f"{failure.value} {failure.value.hint}"


@needs_root
def test_a_file_of_another_user(settings: Settings) -> None:
    """Owner and mode of the file, or of the folder that is closed."""
    folder = settings.path.parent
    with as_user(NOBODY, NOBODY), pytest.raises(SecretUnreadable) as failure:
        secret("file:tsig.key", folder=folder)
    path, name = folder / "tsig.key", secret_files.user_name(NOBODY)
    assert f"certd runs as {name}, and may not read {path} (owner root:root, mode 0600)" in str(failure.value)
    assert failure.value.hint == f"chown {name} {path} && chmod 0600 {path}"
    folder.chmod(0o700)
    with as_user(NOBODY, NOBODY), pytest.raises(SecretUnreadable) as failure:
        secret("file:tsig.key", folder=folder)
    assert f"may not enter {folder} (owner root:root, mode 0700)" in str(failure.value)
    assert f"chgrp {secret_files.group_name(NOBODY)} {folder} && chmod g+x {folder}" in failure.value.hint
    assert (os.geteuid(), os.getegid()) == (0, 0)


@needs_root
def test_config_check_reads_as_the_service_does(settings: Settings) -> None:
    """Root sees what the service's user sees; the commands that it prints help."""
    folder = settings.path.parent
    found = judge_secrets(settings)
    assert [finding.path for finding in found.wrong] == ["dns.corp.tsig"]
    said = certd(folder, "config", "check")
    assert said.returncode == 2
    assert "dns.corp.tsig: file:tsig.key: cannot be read: certd runs as " in said.stderr
    assert os.system(found.wrong[0].hint) == 0  # noqa: S605 (it is what a person is told to run)
    fine = certd(folder, "config", "check")
    assert (fine.returncode, fine.stderr) == (0, "")
    assert f"secrets: {found.user} can read 1 of 1\n" in fine.stdout
    (folder / "tsig.key").unlink()
    assert "does not exist" in certd(folder, "config", "check").stderr


@needs_root
def test_a_file_that_every_user_may_read_is_a_warning(settings: Settings) -> None:
    """With the commands that close it."""
    folder = settings.path.parent
    key = folder / "tsig.key"
    key.chmod(0o644)
    said = certd(folder, "config", "check")
    assert said.returncode == 0
    assert f"certd: warning: dns.corp.tsig: file:tsig.key: every user of this machine may read {key}" in said.stderr
    (finding,) = judge_secrets(settings).open
    assert os.system(finding.hint) == 0  # noqa: S605
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert certd(folder, "config", "check").stderr == ""


def test_whoever_cannot_judge_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user than root and the service's; and what only the service is given."""
    (settings.path.parent / "tsig.key").unlink()
    monkeypatch.setattr(secret_files, "service_user", lambda settings: (NOBODY, NOBODY))
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    found = judge_secrets(settings)
    assert (found.wrong, [finding.path for finding in found.unknown]) == ((), ["dns.corp.tsig"])


def test_every_reference_of_a_configuration_is_found(short_path: Path) -> None:
    """By its key path."""
    text = GOOD.format(folder=short_path).replace(
        "terms_agreed = true", 'terms_agreed = true\neab = { kid = "k", hmac = "file:eab" }'
    )
    text = text.replace('/state"', '/state"\nlisten_password = "env:PASSWORD"\nmetrics_password = "env:SCRAPE"')
    (short_path / "certd.toml").write_text(text + '\n[alarms]\nwebhook = "credential:hook"\n')
    assert references_in(load(short_path / "certd.toml", known_choices())) == {
        "certd.listen_password": "env:PASSWORD",
        "certd.metrics_password": "env:SCRAPE",
        "alarms.webhook": "credential:hook",
        "issuer.letsencrypt.eab.hmac": "file:eab",
        "dns.corp.tsig": "file:tsig.key",
    }
