"""A good set-up for the doctor: Pebble, BIND, nginx and a certificate that is served; tests break one thing of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from certd.app import App
from certd.config.choices import known_choices
from certd.config.esp_presets import PRESETS
from certd.config.loader import load
from certd.diagnosis.checklist import CHECKS, examine
from certd.diagnosis.findings import Grade, Result
from certd.diagnosis.subject import Subject
from certd.doctor import bare_subject, subjects_of
from certd.state import stores_of
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal
from tests.lab.certificates import make_ca
from tests.lab.clicker import click, plain_click
from tests.lab.journey import MAILER, PROXY, Journey
from tests.lab.scene import DOMAIN

TLS_PLACE = f"{PROXY}:443"
ALARMS = '\n[alarms]\ncommand = ["/bin/true"]\n'


class Ward:
    """The good set-up, and patients from it."""

    def __init__(self, folder: Path) -> None:
        self.journey = Journey(folder, extra=ALARMS)
        self.journey.start()
        self.scene = self.journey.scene
        text = self.scene.config.read_text()
        self.scene.config.write_text(text.replace("[esp.stand-in]\n", '[esp.stand-in]\nkind = "sendgrid"\n', 1))
        self.scene.nginx.start()
        self.before = self.scene.tried("check").stdout
        self.scene.run("once")
        self.journey.point_here()
        self.site = self.scene.nginx.folder / "sites" / f"{DOMAIN}.conf"
        self.good_site = self.site.read_text()
        self.root = make_ca("Other Root")
        settings = load(self.scene.config, known_choices())
        self.app = App(settings, stores_of(settings), SystemClock(), LoggingJournal())

    def subject(self, **more: Any) -> Subject:
        """The link as it stands now."""
        link = self.app.settings.links[0]
        (made,) = subjects_of(self.app, self.app.settings, link, self.app.clock, **more)
        return made

    def bare(self, host: str = DOMAIN) -> Subject:
        """The same host without a configuration."""
        esp = replace(PRESETS["sendgrid"], upstream=self.scene.esp.url, hosts=(MAILER,))
        places = dict(self.app.settings.addresses)
        return bare_subject(
            host,
            esp,
            SystemClock(),
            resolvers=(f"127.0.0.1:{self.journey.bind.port}",),
            addresses=places,
            ca_file=str(self.scene.pebble.roots),
        )

    def at(self, place: str, **more: Any) -> Subject:
        """A patient whose public address answers at another place."""
        made = self.subject(**more)
        made.desired = replace(made.desired, elsewhere={**made.desired.elsewhere, TLS_PLACE: place})
        return made

    def with_site(self, change: Callable[[str], str]) -> None:
        """Another configuration of nginx."""
        self.site.write_text(change(self.good_site))
        code, words = self.scene.nginx.check()
        assert code == 0, words
        self.scene.nginx.reload()

    def put_right(self) -> None:
        """Everything as it was."""
        if self.site.read_text() != self.good_site:
            self.site.write_text(self.good_site)
            self.scene.nginx.reload()
        self.scene.esp.headers, self.scene.esp.status = {}, 302
        deadline = time.monotonic() + 20
        while click(self.scene.tls, DOMAIN, self.scene.roots).trouble or plain_click(self.scene.plain, DOMAIN).trouble:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def result(subject: Subject, code: str) -> Result:
    """What one check says."""
    (finding,) = examine(subject, [check for check in CHECKS if check.code == code], seconds=30)
    return finding.result


def says(subject: Subject | Callable[[], Subject], code: str, grade: Grade, words: str, hint: str = "") -> None:
    """A check has this grade, for this reason; what takes effect in a moment is waited for."""
    make = subject if callable(subject) else lambda: subject
    deadline = time.monotonic() + 20
    while True:
        found = result(make(), code)
        if found.grade is grade or not callable(subject) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert (found.grade, words in found.words) == (grade, True), found
    if grade in {Grade.WARN, Grade.FAIL}:
        assert found.hint
    assert hint in found.hint, found
