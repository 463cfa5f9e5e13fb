"""Where a command by hand finds what systemd passes to the service, and what it says where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from certd.config.credentials import credential_file, credentials_in, way_out
from certd.config.settings import AlarmSettings
from certd.errors import CredentialMissing
from certd.model.address import Address


def found(folder: Path, **environment: str) -> Path:
    """Where NAME lies, in a world of which ``run`` and ``systemd`` are folders."""
    return credential_file("NAME", environment, of_the_service=folder / "run", systemd=folder / "systemd")


def test_what_was_passed_counts_first(tmp_path: Path) -> None:
    """The service itself, and what systemd-run starts."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "NAME").write_text("the service's")
    assert found(tmp_path, CREDENTIALS_DIRECTORY="/run/own") == Path("/run/own/NAME")


def test_a_command_takes_those_of_the_running_service(tmp_path: Path) -> None:
    """Whoever may read them there needs nothing else."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "NAME").write_text("the service's")
    assert found(tmp_path) == tmp_path / "run" / "NAME"


def test_a_name_is_no_path(tmp_path: Path) -> None:
    """It stays in the folder."""
    (tmp_path / "run").mkdir()
    (tmp_path / "outside").write_text("")
    with pytest.raises(CredentialMissing):
        credential_file("../outside", {}, of_the_service=tmp_path / "run", systemd=tmp_path)


@pytest.mark.parametrize(
    ("there", "words", "hint", "is_by_hand"),
    [
        ("run systemd", "certd.service was started without it", "LoadCredential=NAME:/path", False),
        ("systemd", "does not run", "systemctl start certd.service, or pass it by hand: sudo systemd-run", True),
        ("", "only systemd passes credentials", '"file:/path" or "env:NAME"', False),
    ],
    ids=["not given", "stopped", "no systemd"],
)
def test_the_error_names_the_way_out(tmp_path: Path, there: str, words: str, hint: str, is_by_hand: bool) -> None:
    """Another one in each case."""
    for name in there.split():
        (tmp_path / name).mkdir()
    with pytest.raises(CredentialMissing, match="credential:NAME: ") as missing:
        found(tmp_path)
    assert words in str(missing.value)
    assert hint in missing.value.hint
    assert missing.value.is_by_hand is is_by_hand


def test_the_command_has_all_of_them() -> None:
    """Every credential of the configuration, wherever it stands, once, and the words of the command as they were."""
    alerts = AlarmSettings(webhook=Address("credential:b"), smtp_password="credential:a", command=("credential:c", "x"))
    names = credentials_in([{"seal": ("credential:a", "file:credential:x")}, alerts, 5, None])
    assert names == ("a", "b", "c")
    assert way_out(names, "certd once --wait 5m").endswith(
        "--uid=certd -p LoadCredential=a -p LoadCredential=b -p LoadCredential=c certd once --wait 5m"
    )
