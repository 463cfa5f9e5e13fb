"""What a forced renewal costs of the CA's allowance is said before it is done, and the reserve is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certd.app import App
from certd.cli.renew import confirm_cost, confirm_count
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.control.handler import ControlHandler
from certd.control.protocol import Question, Verb
from certd.errors import UsageError
from certd.model import Secret
from certd.pki.chain import read_certificate
from certd.state import prepare_state, stores_of
from certd.status.follow import Cost, costs
from certd.system.clock import SystemClock
from certd.system.journal import LoggingJournal
from tests.cli.test_transcripts import GOOD, certd
from tests.lab.bought import buy

LINK = "link.example.com"


def app_with(folder: Path, certificates: int) -> App:
    """A store that had so many certificates of Let's Encrypt in the last hour."""
    (folder / "certd.toml").write_text(GOOD.format(folder=folder))
    settings = load(folder / "certd.toml", known_choices())
    prepare_state(settings)
    app = App(settings, stores_of(settings), SystemClock(), LoggingJournal())
    app.stores.specs.set([link.spec for link in settings.links])
    for number in range(certificates):
        bought = buy(folder / f"bought{number}", LINK, days=60 + number)
        now = datetime.now(UTC)
        read = read_certificate(
            bought.chain.read_text(), Secret(bought.key.read_text()), link=LINK, issuer="letsencrypt", issued_at=now
        )
        app.stores.lineages.adopt(replace(read, ari_id=""))
    return app


def test_it_is_said(short_path: Path) -> None:
    """How many are left; the last one is the reserve; with none left it says until when it waits."""
    (two,) = costs(app_with(short_path, 2), app_with(short_path, 0).settings.links).values()
    assert "the CA allows 5 certificates for exactly these names in 7 days; 3 left" in two.words
    assert not two.takes_reserve


@pytest.mark.parametrize(("spent", "words"), [(4, "it takes what is kept"), (5, "none is left: it waits until")])
def test_the_reserve_is_asked_for(short_path: Path, spent: int, words: str) -> None:
    """Nobody who does not answer spends it: neither at the command line nor over the socket."""
    app = app_with(short_path, spent)
    (cost,) = costs(app, app.settings.links).values()
    assert words in cost.words
    assert cost.takes_reserve
    answering = ControlHandler(app=lambda: app, reload=lambda: app.settings, kick=lambda: None)
    question = Question(verb=Verb.RENEW, links=(LINK,), force=True, by="uid 1")
    refused = answering.answer(question)
    assert not refused.fine
    assert "emergency reserve" in refused.words
    assert app.stores.lineages.facts(LINK).request is None
    app.stores.close()
    done = certd(short_path, "renew", LINK, "--force")
    assert done.returncode == 2
    assert words in done.stderr
    assert "certd: error: nobody is there to be asked: Spend the reserve of link.example.com?" in done.stderr
    assert "certd: hint: --yes answers it; nothing was changed" in done.stderr
    app = app_with(short_path, 0)
    assert app.stores.lineages.facts(LINK).request is None
    agreeing = ControlHandler(app=lambda: app, reload=lambda: app.settings, kick=lambda: None)
    assert agreeing.answer(replace(question, reserve=True)).fine
    request = app.stores.lineages.facts(LINK).request
    assert request is not None
    assert request.by == "uid 1"
    app.stores.close()


def test_agreed_beforehand() -> None:
    """With --yes nobody is asked; without a reserve nobody is, either."""
    assert confirm_cost({LINK: Cost(words="x", takes_reserve=True)}, yes=True)
    assert confirm_cost({LINK: Cost(words="x")}, yes=False)


def test_the_count_with_nobody_to_type_it(short_path: Path) -> None:
    """Refused, with the way out and the count, and nothing is asked for."""
    app = app_with(short_path, 1)
    done = certd(short_path, "renew", "--all", "--force")
    assert done.returncode == 2
    assert "certd: error: nobody is there to type the count: this replaces every certificate" in done.stderr
    assert "certd: hint: --count 1 says it; nothing was changed" in done.stderr
    assert app.stores.lineages.facts(LINK).request is None
    app.stores.close()


def test_the_count(short_path: Path) -> None:
    """A wrong one is refused."""
    confirm_count(3, 3)
    with pytest.raises(UsageError, match="there are 3 links, not 2"):
        confirm_count(3, 2)
