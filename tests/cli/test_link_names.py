"""A link on the command line is found as the configuration file may write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_transcripts import GOOD, certd

IDN, PLAIN = "Bücher.Example.COM", "xn--bcher-kva.example.com"
COMMANDS = [
    ("status", "{}"),
    ("plan", "{}"),
    ("proxy-config", "{}"),
    ("history", "{}"),
    ("hold", "{}", "--until", "2h"),
    ("renew", "{}", "--wait", "1s"),
    ("revoke", "{}", "--yes"),
    ("dns", "test", "{}", "--wait", "1s"),
    ("rehearse", "{}", "--wait", "1s"),
    ("forget", "{}", "--yes"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_name_in_capitals_or_its_own_script(short_path: Path, command: tuple[str, ...]) -> None:
    """Every command that takes a link says the same of it, however its name is written."""
    text = GOOD.format(folder=short_path)
    (short_path / "certd.toml").write_text(f'{text}\n[[link]]\ndomain = "{IDN}"\nproxy = "nginx"\n')
    certd(short_path, "publish")

    def said(name: str) -> str:
        done = certd(short_path, *(word.format(name) for word in command))
        return done.stdout + done.stderr

    assert "no such link" in said("other.example.com") or command[0] in {"history", "forget"}
    for name in (IDN, PLAIN.upper()):
        words = said(name)
        assert "no such link" not in words
        assert "is no orphan" not in words
