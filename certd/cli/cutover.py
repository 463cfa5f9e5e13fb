"""``certd cutover``."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import click

from certd.cli.application import app_of
from certd.cli.context import choose_links, settings_of
from certd.cli.output import show_json
from certd.cli.params import LINK
from certd.config.domain_name import as_domain
from certd.config.types import duration
from certd.cutover import gather_evidence
from certd.errors import UsageError
from certd.planning.cutover import Evidence, Progress, Step, is_over, mail, noted, steps
from certd.timefmt import stamp

MARKS = {Progress.DONE: "done", Progress.NOW: "NOW ", Progress.LATER: "    "}
LOOK_SECONDS = 3.0


@click.command()
@click.argument("link", type=LINK)
@click.option("--watch", is_flag=True, help="Keep looking, and show each step when it is done.")
@click.option("--for", "patience", metavar="TIME", default="24h", help="How long to watch. [default: 24h]")
@click.option("--json", "as_json", is_flag=True, help="Print a versioned JSON document.")
@click.pass_context
def cutover(context: click.Context, link: str, watch: bool, patience: str, as_json: bool) -> int:
    """Guide you through moving LINK's CNAME from the e-mail service to your proxy.

    certd changes nothing. It looks, says what to do next, and writes the mail to the e-mail service's support. It
    remembers what it saw: you can stop and continue later.

    Exit code 0: every step is done. 3: there is something to do, or to wait for.

    \b
    Examples:
      certd cutover link.example.com
      certd cutover link.example.com --watch --for 4h
    """
    settings = settings_of(context)
    (wanted,) = choose_links(settings, (link,))
    try:
        end = time.monotonic() + duration(patience).total_seconds()
    except ValueError as error:
        raise UsageError(f"--for: {error}") from error
    app = app_of(settings, sealed=True)
    if app is None:
        raise UsageError("certd has not run here yet", hint="`certd once` obtains the certificate first")
    specs = app.click_settings(wanted)
    desired = next((each for each in specs if each.host == as_domain(link)), specs[0] if specs else None)
    if desired is None:
        raise UsageError(f"{wanted.name} has only a wildcard", hint="name one of its hosts as a domain of the link")
    facts = app.stores.lineages.facts(wanted.name)
    issuer = facts.current.issuer if facts.current is not None else ""
    before: dict[str, tuple[Progress, str]] = {}
    while True:
        now = app.clock.now()
        evidence = gather_evidence(app.clicks.way, app.clicks.names, desired, settings.public_resolvers)
        notes = noted(app.stores.clicks.notes(desired.host), evidence, now)
        app.stores.clicks.note(notes)
        made = steps(evidence, notes, now)
        text = mail(evidence, notes, issuer) if is_over(made) else ""
        if as_json:
            show_json("cutover", _data(evidence, made, text))
        else:
            _show(made, before)
            if text:
                click.echo(f"\nEvery step is done. Now send this:\n\n{text}")
        if text or not watch or time.monotonic() > end:
            return 0 if text else 3
        left = [(step.until - now) for step in made if step.progress is Progress.NOW and step.until is not None]
        time.sleep(min([LOOK_SECONDS, *(max(wait, timedelta(seconds=0.5)).total_seconds() for wait in left)]))


def _show(made: tuple[Step, ...], before: dict[str, tuple[Progress, str]]) -> None:
    """Every step at first; later what has changed."""
    for number, step in enumerate(made, start=1):
        now = (step.progress, step.words)
        if before.get(step.title) == now:
            continue
        before[step.title] = now
        click.echo(f"{MARKS[step.progress]} {number}. {step.title}")
        if step.words and step.progress is not Progress.LATER:
            click.echo(f"        {step.words}")
        if step.progress is Progress.NOW or (
            step.progress is Progress.DONE and step.do and step.do[0].startswith("curl")
        ):
            for line in step.do:
                click.echo(f"        > {line}")


def _data(evidence: Evidence, made: tuple[Step, ...], text: str) -> dict[str, Any]:
    return {
        "host": evidence.host,
        "over": bool(text),
        "mail": text or None,
        "steps": [
            {
                "title": step.title,
                "progress": step.progress.value,
                "words": step.words,
                "do": list(step.do),
                "until": stamp(step.until),
            }
            for step in made
        ],
        "voices": [
            {
                "speaker": voice.pointing.speaker,
                "direction": voice.direction.value,
                "aliases": list(voice.pointing.aliases),
                "addresses": list(voice.pointing.addresses),
                "ttl": voice.pointing.ttl,
                "trouble": voice.pointing.trouble or None,
            }
            for voice in (*evidence.authoritative, *evidence.public)
        ],
    }
