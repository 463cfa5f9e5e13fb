"""Numbers and addresses in a stranger's headers that are none: a check says so, or passes them over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from certd.clicks.model import ClickSettings, Pointing, Response
from certd.config.esp_presets import PRESETS
from certd.diagnosis.checklist import CHECKS, examine

ODD = {
    "location": "https://[",
    "content-length": "²",
    "cache-control": "public, max-age=" + "9" * 5000,
    "content-type": "application/json",
    "server": "\x00",
    "age": "x",
}


class Odd:
    """A patient whose every answer is odd."""

    chart: Any = SimpleNamespace(associations={"apple": "/a", "android": "/b"})
    sample = "https://link.example.com/x"

    def __init__(self, status: int, desired: ClickSettings) -> None:
        self._answer = Response(status=status, headers=ODD, body="{}")
        self.desired = desired

    def addresses(self) -> list[tuple[str, bool]]:
        return [("192.0.2.1:443", False)]

    def is_at_service(self) -> bool:
        return False

    def seen(self) -> Pointing:
        return Pointing(speaker="s", addresses=("192.0.2.1",))

    def through(self, *_: object, **__: object) -> Response:
        return self._answer

    direct = through


@pytest.mark.parametrize("status", [200, 301, 302, 500])
def test_no_check_of_http_stumbles(status: int) -> None:
    """Each is done in time: one whose thread ended by an error would be called slow."""
    desired = ClickSettings(link="l", host="link.example.com", issuer="", esp=PRESETS["sendgrid"], services=())
    checks = [check for check in CHECKS if check.code.startswith("D")]
    subject: Any = Odd(status, desired)
    for finding in examine(subject, checks, seconds=5):
        assert "not done within" not in finding.result.words, finding
