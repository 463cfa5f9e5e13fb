"""``certd check``, alias ``doctor``."""

from __future__ import annotations

import contextlib
import difflib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from certd.app import App
from certd.cli.application import app_of
from certd.cli.context import choose_links, path_of, settings_of
from certd.cli.dns import missing_delegation
from certd.cli.nagios import answer, guard
from certd.cli.output import is_terminal, show_json
from certd.config.domain_name import domain
from certd.config.esp_presets import PRESETS
from certd.config.network import DNS_PORT
from certd.config.settings import LinkSettings, Settings
from certd.diagnosis.checklist import examine
from certd.diagnosis.findings import Finding, Grade
from certd.diagnosis.subject import Subject
from certd.dns.addresses import ip_and_port
from certd.doctor import bare_subject, subjects_of
from certd.errors import CertdError, CredentialMissing, UsageError
from certd.model import Esp
from certd.system.clock import SystemClock
from certd.timefmt import counted

MARKS = {Grade.PASS: "ok", Grade.WARN: "WARN", Grade.FAIL: "FAIL", Grade.SKIP: "-"}
COLOURS = {Grade.PASS: "green", Grade.WARN: "yellow", Grade.FAIL: "red", Grade.SKIP: None}
# As monitoring plugins answer.
NAGIOS = {Grade.PASS: 0, Grade.WARN: 1, Grade.FAIL: 2}
AT_ONCE = 4


@click.command()
@click.argument("names", nargs=-1, metavar="[LINK|HOST]...")
@click.option(
    "--esp",
    metavar="NAME",
    default="",
    help="The e-mail service (a preset or a URL) of a HOST that is in no configuration.",
)
@click.option("--label", metavar="KEY=VALUE", default="", help="One result over all links with this label.")
@click.option("--owner", metavar="NAME", default="", help="SendGrid's second record, such as 12345678.example.com.")
@click.option("--sample", metavar="URL", default="", help="A real link of a test mail. certd follows it once.")
@click.option("--resolver", multiple=True, metavar="ADDRESS", help="For a HOST: use this DNS resolver.")
@click.option(
    "--connect-to",
    multiple=True,
    metavar="PUBLIC=HERE",
    help="For a HOST: where a public address answers, such as 203.0.113.7:443=10.0.0.7:8443.",
)
@click.option("--ca", metavar="FILE", default="", help="For a HOST: more trust anchors, beside the system's.")
@click.option("--all", "show_all", is_flag=True, help="Also show the checks that do not apply.")
@click.option("--json", "as_json", is_flag=True, help="Print a versioned JSON document.")
@click.option("--nagios", is_flag=True, help="Print one line, with the exit codes that monitoring systems expect.")
@click.pass_context
def check(
    context: click.Context,
    names: tuple[str, ...],
    esp: str,
    label: str,
    owner: str,
    sample: str,
    resolver: tuple[str, ...],
    connect_to: tuple[str, ...],
    ca: str,
    show_all: bool,
    as_json: bool,
    nagios: bool,
) -> int:
    """Check the whole path of a click: DNS, stored files, TLS, HTTP, the e-mail service, the deployment, the rules.

    A HOST that is not in the configuration is checked from outside: certd check link.example.com --esp sendgrid

    Exit code 0: all is well. 3: something needs attention.

    \b
    Examples:
      certd check
      certd check link.example.com --json
      certd check link.example.com --esp sendgrid
      certd check --label brand=x --nagios
    """

    def run() -> int:
        return _examined(context, names, esp, label, owner, sample, resolver, connect_to, ca, show_all, as_json, nagios)

    return guard(run) if nagios else run()


def _examined(
    context: click.Context,
    names: tuple[str, ...],
    esp: str,
    label: str,
    owner: str,
    sample: str,
    resolver: tuple[str, ...],
    connect_to: tuple[str, ...],
    ca: str,
    show_all: bool,
    as_json: bool,
    nagios: bool,
) -> int:
    app: App | None = None
    settings = None if _is_bare(context, esp) else settings_of(context)
    if settings is None or (esp and names):
        subjects = [_bare(name, esp, owner, sample, resolver, connect_to, ca) for name in names]
    else:
        app, subjects = _configured(settings, names, label, owner, sample)
    if not subjects:
        raise UsageError("there is nothing to examine", hint="name a link, or a host with --esp")
    examined = _side_by_side(subjects)
    if app is not None:
        _remember_what_is_well(app, examined)
    findings = [finding for _, found in examined for finding in found]
    worst = next(
        (grade for grade in (Grade.FAIL, Grade.WARN) if any(f.result.grade is grade for f in findings)), Grade.PASS
    )
    if nagios:
        told = [
            f"{p.desired.host} {f.name}: {f.result.words}"
            for p, found in examined
            for f in found
            if f.result.grade is worst and worst is not Grade.PASS
        ]
        return answer(NAGIOS[worst], told, f"{counted(len(subjects), 'host')}, nothing wrong")
    if as_json:
        show_json(
            "check",
            {
                "verdict": worst.value,
                "label": label or None,
                "hosts": [
                    {"host": subject.desired.host, "link": subject.desired.link, "findings": [_data(f) for f in found]}
                    for subject, found in examined
                ],
            },
        )
    else:
        for subject, found in examined:
            _show(subject, found, show_all)
        if settings is not None and not (esp and names) and _told_of_delegations(settings, names):
            worst = Grade.FAIL
        if len(examined) > 1 or label:
            bad = [
                p.desired.host
                for p, found in examined
                if any(f.result.grade in {Grade.FAIL, Grade.WARN} for f in found)
            ]
            click.echo(
                f"{label or 'all'}: {len(examined) - len(bad)} of {counted(len(examined), 'host')} well"
                + (f"; not {', '.join(bad)}" if bad else "")
            )
    return 3 if worst is not Grade.PASS else 0


def _remember_what_is_well(app: App, examined: Sequence[tuple[Subject, tuple[Finding, ...]]]) -> None:
    """What certd found wrong hours ago, and is well now, is not a complaint of ``status`` any more."""
    for subject, found in examined:
        well = {finding.name for finding in found if finding.result.grade is Grade.PASS}
        with contextlib.suppress(CertdError):
            app.stores.clicks.found_well(subject.desired.host, well)


def _told_of_delegations(settings: Settings, names: tuple[str, ...]) -> bool:
    """The request to send to whoever runs the DNS, where a record that only they can make is missing."""
    told = False
    for link in choose_links(settings, names) if settings.issue else ():
        try:
            missing = missing_delegation(settings, link)
        except CredentialMissing as error:
            click.echo(f"{link.name}: whether its DNS entry can publish is not examined: {error}\n  {error.hint}")
            continue
        if missing is not None:
            told = True
            click.echo(f"{link.name}: {missing[0]}\n\nThe request to send:\n\n{missing[1]}")
    return told


def _is_bare(context: click.Context, esp: str) -> bool:
    """A host with an e-mail service said needs no configuration, and none is there."""
    return bool(esp) and not Path(path_of(context)).exists()


def _configured(
    settings: Settings, names: tuple[str, ...], label: str, owner: str, sample: str
) -> tuple[App | None, list[Subject]]:
    links = list(choose_links(settings, names))
    if label:
        key, equals, value = label.partition("=")
        if not equals:
            raise UsageError(f"{label}: a label is KEY=VALUE", hint="such as --label brand=x")
        links = [link for link in links if link.spec.labels.get(key) == value]
        if not links:
            raise UsageError(f"no link has the label {label}")
    blind, app = "", None
    try:
        app = app_of(settings, sealed=True)
    except UsageError:
        blind = f"may not read {settings.private}"
    except CredentialMissing as error:
        blind = f"cannot read the state: {error} ({error.hint})"
    except CertdError as error:
        blind = f"cannot read the state: {error}" + (f" ({error.hint})" if error.hint else "")
    except OSError as error:
        blind = f"cannot read the state: {error}"
    if app is None and not blind:
        blind = "finds no state: certd has not run here"
    wanted = {domain for link in links for domain in link.spec.domains if domain in names}
    found = [subject for link in links for subject in _of(app, settings, link, blind, owner, sample)]
    return app, [subject for subject in found if not wanted or subject.desired.host in wanted]


def _of(app: App | None, settings: Settings, link: LinkSettings, blind: str, owner: str, sample: str) -> list[Subject]:
    return subjects_of(app, settings, link, SystemClock(), blind=blind, owner=owner, sample=sample)


def _bare(
    name: str, esp: str, owner: str, sample: str, resolvers: tuple[str, ...], connect_to: tuple[str, ...], ca: str
) -> Subject:
    try:
        host = domain(name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    service = _service(esp)
    addresses = {}
    for pair in connect_to:
        public, equals, here = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair}: it must be PUBLIC=HERE", hint="such as 203.0.113.7:443=10.0.0.7:8443")
        addresses[public] = here
    if ca and not os.path.isfile(ca):
        raise UsageError(f"{ca}: there is no such file")
    for resolver in resolvers:
        try:
            ip_and_port(resolver, DNS_PORT)
        except ValueError as error:
            raise UsageError(f"--resolver: {error}", hint='such as "192.0.2.53" or "[2001:db8::53]:53"') from error
    return bare_subject(
        host,
        service,
        SystemClock(),
        resolvers=resolvers,
        addresses=addresses,
        ca_file=ca,
        owner=owner,
        sample=sample,
    )


def _service(text: str) -> Esp | None:
    """A preset, ``none``, or the URL of one of your own."""
    parts = urlsplit(text)
    if parts.scheme in {"http", "https"} and parts.hostname:
        return Esp(name="custom", upstream=f"{parts.scheme}://{parts.netloc}", probe=parts.path or "/")
    if text not in {*PRESETS, "none"}:
        near = difflib.get_close_matches(text, PRESETS, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"one of {', '.join(PRESETS)}, none, or a URL"
        raise UsageError(f"{text} is no e-mail service", hint=hint)
    return PRESETS.get(text)


def _side_by_side(subjects: list[Subject]) -> list[tuple[Subject, tuple[Finding, ...]]]:
    """A few at a time: each has its ten seconds."""
    found: dict[int, tuple[Finding, ...]] = {}
    gate = threading.Semaphore(AT_ONCE)

    def work(index: int) -> None:
        with gate:
            found[index] = examine(subjects[index])

    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(len(subjects))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [(subject, found[index]) for index, subject in enumerate(subjects)]


def _show(subject: Subject, findings: tuple[Finding, ...], show_all: bool) -> None:
    """A table; what does not apply is left out unless asked for."""
    colour = is_terminal()
    click.echo(
        subject.desired.host
        if subject.desired.host == subject.desired.link
        else f"{subject.desired.host} ({subject.desired.link})"
    )
    group = ""
    for finding in findings:
        result = finding.result
        if result.grade is Grade.SKIP and not show_all:
            continue
        if finding.group != group:
            group = finding.group
            click.echo(f"  {group}")
        mark = f"{MARKS[result.grade]:<4}"
        tint = COLOURS[result.grade]
        mark = click.style(mark, fg=tint) if colour and tint else mark
        click.echo(f"    {mark} {finding.code:<3} {finding.name:<20} {result.words}")
        if result.hint and result.grade in {Grade.FAIL, Grade.WARN}:
            click.echo(f"         {'':<24} hint: {result.hint}")
    skipped = sum(finding.result.grade is Grade.SKIP for finding in findings)
    counts = ", ".join(
        f"{sum(f.result.grade is grade for f in findings)} {word}"
        for grade, word in ((Grade.PASS, "well"), (Grade.WARN, "to know"), (Grade.FAIL, "failed"))
    )
    click.echo(f"  {counts}, {skipped} not applicable{'' if show_all else ' (--all shows them)'}")


def _data(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "group": finding.group,
        "name": finding.name,
        "grade": finding.result.grade.value,
        "words": finding.result.words,
        "hint": finding.result.hint or None,
        "milliseconds": finding.milliseconds,
    }
