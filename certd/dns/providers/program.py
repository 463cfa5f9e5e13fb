"""Somebody's own program, in one of two protocols that many programs speak already.

``style = "lego"``: ``PROGRAM present|cleanup <name.> <value>``, as lego's exec provider calls it.
``style = "certbot"``: the ``auth`` and ``cleanup`` hooks of certbot's manual plugin, called without arguments and with
``CERTBOT_DOMAIN``, ``CERTBOT_VALIDATION``, ``CERTBOT_IDENTIFIER``, ``CERTBOT_ALL_DOMAINS``,
``CERTBOT_ALL_IDENTIFIERS``, ``CERTBOT_REMAINING_CHALLENGES`` and, for ``cleanup``, ``CERTBOT_AUTH_OUTPUT``.
Names and values that reach it are letters, digits, hyphens, underscores and dots.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from certd.dns.names import LABEL, display_name, is_plain
from certd.dns.options import Option, Schema, Settings
from certd.dns.provider import InitTable, ProviderKind
from certd.errors import DnsRefused, DnsUnreachable, Finding, TargetError
from certd.model import Secret, TxtRecord, ZoneRecord
from certd.system.command import Completed, run

TIMEOUT_SECONDS = 120
MOST_WORDS = 400

# base64url of a SHA-256 digest (RFC 8555 section 8.4); a hyphen may come first, as it may for lego and certbot.
VALUE = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")


def _judge_style(text: str) -> str:
    return "" if text in {"lego", "certbot"} else 'must be "lego" or "certbot"'


SCHEMA = Schema(
    options=(
        Option(name="style", kind="text", judge=_judge_style, help='the protocol: "lego" (default) or "certbot"'),
        Option(name="command", kind="texts", help='lego: the program and its first arguments, ["/etc/certd/dns"]'),
        Option(name="auth", kind="texts", help="certbot: the hook that publishes, with its arguments"),
        Option(name="cleanup", kind="texts", help="certbot: the hook that removes, with its arguments"),
        Option(
            name="environment",
            kind="secrets",
            help='what the program needs, as references: { API_TOKEN = "file:/etc/certd/token" }',
        ),
        Option(name="timeout", kind="number", help=f"seconds for one run, {TIMEOUT_SECONDS} by default"),
    ),
    judge=lambda settings, path: _judge(settings, path),
)


def _judge(settings: Settings, path: str) -> list[Finding]:
    needed = ("auth", "cleanup") if settings.text("style", "lego") == "certbot" else ("command",)
    findings = [
        Finding(path=f"{path}.{name}", message=f'is missing for style "{settings.text("style", "lego")}"')
        for name in needed
        if not settings.texts(name)
    ]
    findings += [
        Finding(path=f"{path}.{name}[0]", message="must be an absolute path", hint='such as "/etc/certd/dns-hook"')
        for name in ("command", "auth", "cleanup")
        if settings.texts(name) and not settings.texts(name)[0].startswith("/")
    ]
    if not 1 <= settings.number("timeout", TIMEOUT_SECONDS) <= 3600:
        findings.append(Finding(path=f"{path}.timeout", message="must be 1 to 3600 seconds"))
    return findings


class Exec:
    """A ``DnsProvider`` over a program."""

    def __init__(
        self,
        name: str,
        *,
        add: Sequence[str],
        remove: Sequence[str],
        style: str = "lego",
        environment: Callable[[], Mapping[str, str]] = dict,
        timeout: timedelta = timedelta(seconds=TIMEOUT_SECONDS),
    ) -> None:
        self._name = name
        self._argv = {"present": tuple(add), "cleanup": tuple(remove)}
        self._style = style
        self._environment = environment
        self._timeout = timeout
        # What certbot's auth hook said, for its cleanup hook. After a restart of certd it is empty.
        self._said: dict[tuple[str, str], str] = {}

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    def zone_of(self, name: str) -> str:
        """The program's business."""
        return ""

    def wanted(self, name: str) -> Sequence[ZoneRecord]:
        """The program's business."""
        return ()

    def add(self, *records: TxtRecord) -> None:
        """Let the program publish it."""
        for record in records:
            self._said[record.name, record.value] = self._run("present", record).output

    def remove(self, record: TxtRecord) -> None:
        """Let the program remove it."""
        self._run("cleanup", record)
        self._said.pop((record.name, record.value), None)

    def _run(self, action: str, record: TxtRecord) -> Completed:
        if not is_plain(record.name) or not VALUE.match(record.value):
            raise DnsRefused(f'"{display_name(record.name)}" or its value is nothing that a program may be given')
        argv, environment = self._argv[action], dict(self._environment())
        if self._style == "certbot":
            environment |= self._certbot(action, record)
        else:
            argv = (*argv, action, record.name + ".", record.value)
        who = f"{record.name}: dns.{self._name}"
        try:
            done = run(argv, deadline=self._timeout, env=environment)
        except TargetError as error:
            raise DnsRefused(f"{who}: {error}", hint="is it there, and executable for certd's user?") from error
        words = display_name(" ".join(done.output.split()), MOST_WORDS) or "nothing"
        if done.timed_out:
            raise DnsUnreachable(f"{who}: {argv[0]} was ended after {self._timeout.total_seconds():g} s: {words}")
        if done.code:
            raise DnsRefused(f"{who}: {argv[0]} ended with {done.code}: {words}")
        return done

    def _certbot(self, action: str, record: TxtRecord) -> dict[str, str]:
        if not record.name.startswith(LABEL):
            raise DnsRefused(
                f"{record.name}: a hook written for certbot cannot be told this name, it makes {LABEL}DOMAIN",
                hint='use style = "lego", which is given the whole name, or delegate to a name that begins with '
                f"{LABEL}",
            )
        domain = record.name.removeprefix(LABEL)
        variables = {
            "CERTBOT_DOMAIN": domain,
            "CERTBOT_VALIDATION": record.value,
            "CERTBOT_IDENTIFIER": domain,
            "CERTBOT_ALL_DOMAINS": domain,
            "CERTBOT_ALL_IDENTIFIERS": domain,
            "CERTBOT_REMAINING_CHALLENGES": "0",
        }
        if action == "cleanup":
            variables["CERTBOT_AUTH_OUTPUT"] = self._said.get((record.name, record.value), "")
        return variables


def build(name: str, settings: Settings, secrets: Callable[[str], Secret]) -> Exec:
    """From a checked table of the configuration."""
    style = settings.text("style", "lego")
    references = {key: values[0] for key, values in settings.table("environment").items()}
    return Exec(
        name,
        add=settings.texts("auth" if style == "certbot" else "command"),
        remove=settings.texts("cleanup" if style == "certbot" else "command"),
        style=style,
        environment=lambda: {key: secrets(reference).reveal().strip() for key, reference in references.items()},
        timeout=timedelta(seconds=settings.number("timeout", TIMEOUT_SECONDS)),
    )


INIT_TABLE = """\
[dns.program]
provider = "exec"
style = "lego" # or "certbot" with auth = [...] and cleanup = [...]
command = ["/etc/certd/dns-hook"] # called with: present|cleanup NAME VALUE
"""

KIND = ProviderKind(
    schema=SCHEMA,
    build=lambda name, settings, around: build(name, settings, around.secrets),
    init=InitTable(write=lambda _: INIT_TABLE),
)
