"""``certd init``: asks, or takes options, writes a configuration, and says which records to set."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from certd.cli.context import path_of, settings_of
from certd.cli.dns import provider_of
from certd.cli.foreign import write_new
from certd.cli.init_install import check_install, install_all
from certd.cli.init_template import (
    TERMS,
    InitAnswers,
    configuration_text,
    installed_proxies,
    next_steps,
    own_address,
    provider_kind,
    records_to_set,
)
from certd.cli.output import warn
from certd.config.domain_name import domain as as_domain
from certd.config.esp_presets import PRESETS as ESPS
from certd.config.names import wrong_with_name
from certd.config.secret_files import SERVICE_USER
from certd.dns.addresses import is_address
from certd.dns.names import is_plain
from certd.dns.provider import SecretQuestion
from certd.dns.registry import LEXICON, PROVIDERS
from certd.dns.request import request_for
from certd.errors import CertdError, UsageError
from certd.model import Secret
from certd.system.ownership import give_to
from certd.targets.registry import KINDS, wrong_with_kind

# Where systemd is the system's manager (sd_booted(3)).
SYSTEMD = Path("/run/systemd/system")
MOST_SECRET_BYTES = 64 * 1024
STANDARD_INPUT = "-"


@dataclass(slots=True)
class Questions:
    """Asks at a terminal, and remembers what was answered so that nobody must answer twice.

    Attributes:
        path: The configuration file.
        asks: Whether somebody is there to be asked.
        answered: The options that say what was answered so far.
        was_asked: Whether an answer was typed.
    """

    path: Path
    asks: bool
    answered: list[str] = field(default_factory=list)
    was_asked: bool = False

    def option(self, option: str, given: str | None, question: str, otherwise: str, judge: Callable[[str], str]) -> str:
        """An option's value: as given, else as answered; the default where nobody can be asked.

        Args:
            judge: Returns the value as it is used. Raises UsageError for a wrong one, which is asked for again.
        """
        if given is not None or not self.asks:
            value = judge(given if given is not None else otherwise)
        else:
            value = self.ask(question, judge, default=otherwise)
        self.answered += [option, value]
        return value

    def ask(self, question: str, judge: Callable[[str], str], *, default: str | None = None, hide: bool = False) -> str:
        """Ask until the answer is right."""

        def judged(text: str) -> str:
            try:
                return judge(text.strip())
            except UsageError as error:
                words = error.message.partition(": ")[2] or error.message
                raise click.UsageError(f"{words}; {error.hint}" if error.hint else words) from error

        value: str = click.prompt(question, default=default, value_proc=judged, hide_input=hide)
        self.was_asked = True
        return value

    def command(self) -> str:
        """The command that goes on with what was answered."""
        return shlex.join(["certd", "--config", str(self.path), "init", *self.answered])


@click.command()
@click.option(
    "--domain",
    "domains",
    multiple=True,
    metavar="NAME",
    help="The link domain. Repeat it for one certificate with several names.",
)
@click.option("--proxy", metavar="KIND", help=f"One of {', '.join(KINDS)}. Default: what is installed.")
@click.option("--dns", metavar="PROVIDER", help=f"One of {', '.join(PROVIDERS)}, {LEXICON}<vendor>.")
@click.option("--dns-server", metavar="SERVER", help="With --dns rfc2136 or acme-dns: the server that takes updates.")
@click.option("--dns-secret", metavar="FILE", help="The provider's key or token; - reads it from standard input.")
@click.option("--esp", metavar="SERVICE", help=f"Who sends the mails: {', '.join(ESPS)}, none.")
@click.option("--address", metavar="ADDRESS", help="With --dns responder: this machine's public address.")
@click.option("--zone", metavar="ZONE", help="With --dns responder: the zone it answers for. Default: acme.<domain>.")
@click.option("--agree-terms", is_flag=True, help=f"You agree to Let's Encrypt's terms: {TERMS}")
@click.option("--install", is_flag=True, help="Then install the service, start it, and wait until it is served.")
@click.pass_context
def init(
    context: click.Context,
    domains: tuple[str, ...],
    proxy: str | None,
    dns: str | None,
    dns_server: str | None,
    dns_secret: str | None,
    esp: str | None,
    address: str | None,
    zone: str | None,
    agree_terms: bool,
    install: bool,
) -> int:
    """Write a commented configuration, and print the DNS records to set. An existing file is never overwritten.

    On a terminal certd asks for what the options do not give. Without a terminal it takes the defaults. With --install
    it also installs units and user, writes the proxy's side, and orders the first certificate.

    \b
    Examples:
      certd init
      certd init --install
      certd init --domain link.example.com --esp sendgrid --agree-terms
      certd init --domain link.example.com --dns rfc2136 --dns-server 192.0.2.53 --dns-secret tsig.key --agree-terms
    """
    path = path_of(context)
    if path.exists():
        raise UsageError(f"{path} is there already", hint="name another with --config; nothing is overwritten")
    questions = Questions(path, asks=sys.stdin.isatty() and dns_secret != STANDARD_INPUT)
    if install:
        check_install(path)
    try:
        wanted = ask_all(
            questions, domains, proxy, dns, dns_server, esp, address, zone, agree_terms=agree_terms, install=install
        )
        if install:
            questions.answered.append("--install")
        secret = secret_for(questions, wanted, dns_secret)
        write_all(path, wanted, secret)
    except (click.Abort, KeyboardInterrupt, CertdError) as error:
        if questions.was_asked or (questions.answered and not isinstance(error, CertdError)):
            click.echo(f"\nnothing is lost; go on with:\n    {questions.command()}", err=True)
        raise
    tell_records(context, wanted)
    if KINDS[wanted.proxy].programs and wanted.proxy not in wanted.installed:
        warn(f"{wanted.proxy} is not installed here")
    if install:
        return install_all(path, wanted)
    click.echo("Then:" if os.geteuid() == 0 else "Then, as root:")
    for step in next_steps(path, wanted, own_program(), has_systemd=SYSTEMD.is_dir()):
        click.echo(f"    {step}")
    return 0


def ask_all(
    questions: Questions,
    domains: tuple[str, ...],
    proxy: str | None,
    dns: str | None,
    server: str | None,
    esp: str | None,
    address: str | None,
    zone: str | None,
    *,
    agree_terms: bool,
    install: bool,
) -> InitAnswers:
    """Everything but the secret. Raises UsageError, click.Abort."""
    here = installed_proxies()
    names = check_domains(domains, signed=install) or ask_domains(questions, signed=install)
    for name in names:
        questions.answered += ["--domain", name]
    found = f"; found here: {', '.join(here)}" if here else ""
    question = f"Which proxy ends TLS for it ({', '.join(KINDS)}{found})"
    kind = questions.option("--proxy", proxy, question, here[0] if here else "nginx", check_proxy)
    question = (
        f"How do TXT records get into its DNS ({', '.join(PROVIDERS)}, {LEXICON}<vendor>; "
        "responder: certd answers itself)"
    )
    way = questions.option("--dns", dns, question, "responder", check_dns)
    table = provider_kind(way).init
    if server is not None and table.server is None:
        raise UsageError(f"--dns-server: {way} has no server to name")
    if table.server is not None and (server is not None or questions.asks):
        judge = check_by("--dns-server", table.server.judge)
        if server is None:
            server = questions.ask(table.server.words, judge)
        questions.answered += ["--dns-server", judge(server)]
    question = f"Which e-mail service do clicks go to ({', '.join(ESPS)}, none)"
    service = questions.option("--esp", esp, question, "none", check_esp)
    own = own_address()
    if table.serves_zone:
        own = questions.option("--address", address, "This machine's public address", own, check_address)
    elif address:
        own = check_address(address)
    if zone:
        questions.answered += ["--zone", check_zone(zone)]
    if not agree_terms:
        question = f"Do you agree to the CA's terms of service ({TERMS})?"
        if not (questions.asks and click.confirm(question)):
            raise UsageError("the CA's terms must be agreed to, once, by you", hint=f"--agree-terms, after {TERMS}")
    questions.answered.append("--agree-terms")
    return InitAnswers(
        domains=names,
        proxy=kind,
        dns=way,
        esp=service,
        address=own,
        zone=(zone or "").rstrip("."),
        server=server or "",
        installed=here,
    )


def ask_domains(questions: Questions, *, signed: bool) -> tuple[str, ...]:
    """Raises UsageError where nobody can be asked."""
    if not questions.asks:
        raise UsageError("--domain is missing", hint="certd init --domain link.example.com")

    def judge(text: str) -> str:
        return " ".join(check_domains(text.replace(",", " ").split(), signed=signed))

    return tuple(questions.ask("The link domain (several: with spaces between)", judge).split())


def secret_for(questions: Questions, wanted: InitAnswers, file: str | None) -> Secret | None:
    """The provider's secret: from a file, from standard input, or typed. None: its provider needs none, it lies there
    already, or nobody can be asked. Asked for last, so that it is written at once and never has to be typed again.

    Raises:
        UsageError: it cannot be read, or it is wrong.
    """
    question = provider_kind(wanted.dns).init.secret
    if question is None:
        if file is not None:
            raise UsageError(f"--dns-secret: {wanted.dns} needs none")
        return None
    place = questions.path.parent / question.file
    if os.path.lexists(place):
        if file is not None:
            raise UsageError(f"{place} is there already", hint="leave out --dns-secret; nothing is overwritten")
        click.echo(f"{place}: is there already and is used")
        return None
    if file is not None:
        return read_secret(file, question)
    if not questions.asks:
        return None

    def judge(text: str) -> str:
        # Whoever has it in a file names the file.
        return (read_secret(text, question) if text.startswith("/") else checked_secret(text, question)).reveal()

    words = f"{question.words}; or the path of a file that holds it (nothing is shown)"
    return Secret(questions.ask(words, judge, hide=True))


def read_secret(file: str, question: SecretQuestion) -> Secret:
    """From a file, or from standard input. Raises UsageError."""
    try:
        if file == STANDARD_INPUT:
            text = sys.stdin.read(MOST_SECRET_BYTES)
        else:
            with Path(file).open(encoding="utf-8") as stream:
                text = stream.read(MOST_SECRET_BYTES)
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not a text"
        raise UsageError(f"--dns-secret: {file} cannot be read: {words}") from None
    return checked_secret(text, question)


def checked_secret(text: str, question: SecretQuestion) -> Secret:
    """Raises UsageError; shows nothing of it."""
    if wrong := question.judge(text) if text.strip() else "it is empty":
        raise UsageError(f"--dns-secret: {wrong}")
    return Secret(text.strip() + "\n")


def write_all(path: Path, wanted: InitAnswers, secret: Secret | None) -> None:
    """The secret first: without the configuration nothing uses it, and the next try finds it. Raises CertdError."""
    question = provider_kind(wanted.dns).init.secret
    if secret is not None and question is not None:
        place = path.parent / question.file
        write_new(place, secret.reveal(), 0o600)
        owner = give_to(place, SERVICE_USER)
        click.echo(f"{place}: written, mode 0600, {f'for {owner}' if owner else 'for this user'}")
    write_new(path, configuration_text(wanted), 0o644)
    click.echo(f"{path}: written\n")


def tell_records(context: click.Context, wanted: InitAnswers) -> None:
    """The records to set, and the request for whoever runs the DNS."""
    for paragraph in records_to_set(wanted):
        click.echo(paragraph + "\n")
    if provider_kind(wanted.dns).init.serves_zone:
        settings = settings_of(context)
        asking = request_for(provider_of(settings, settings.links[0]), wanted.domains)
        click.echo("Is the DNS another team's? Send them this (`certd dns request` prints it again):\n")
        click.echo("\n".join((asking.prose(), asking.zone_lines(), asking.terraform())))


def own_program() -> str:
    """How this program is called: by its name where a shell finds it so."""
    program = Path(sys.prefix) / "bin" / "certd"
    found = shutil.which("certd")
    return "certd" if found and os.path.realpath(found) == os.path.realpath(program) else str(program)


def check_by(option: str, judge: Callable[[str], str]) -> Callable[[str], str]:
    """A check of a printable text that raises UsageError."""

    def check(text: str) -> str:
        if wrong := judge(text) or ("" if text.isascii() and text.isprintable() else "it has odd characters"):
            raise UsageError(f"{option}: {wrong}")
        return text

    return check


def check_domains(names: Sequence[str], *, signed: bool) -> tuple[str, ...]:
    """The domains as they are used.

    Args:
        signed: Let's Encrypt is to sign for them at once; otherwise the file may get an issuer of one's own first.

    Raises:
        UsageError: one is no domain, or Let's Encrypt refuses it.
    """
    try:
        domains = tuple(as_domain(name) for name in names)
    except ValueError as error:
        raise UsageError(f"--domain: {error}") from error
    for domain in domains:
        if wrong := wrong_with_name(domain, domains):
            message, hint = wrong
            words = f'"{domain}" {message}, which Let\'s Encrypt refuses'
            if signed:
                raise UsageError(f"--domain: {words}", hint=hint)
            warn(f"{words}: {hint}")
    return domains


def check_proxy(kind: str) -> str:
    """Raises UsageError for what is no kind of proxy, or half a kind."""
    if kind not in KINDS:
        raise UsageError(f"--proxy: {kind} is no kind of proxy", hint=f"one of {', '.join(KINDS)}")
    if wrong := wrong_with_kind(kind):
        raise UsageError(f"--proxy: {wrong}")
    return kind


def check_dns(way: str) -> str:
    """Raises UsageError for what is no provider."""
    provider_kind(way)
    return way


def check_esp(service: str) -> str:
    """Raises UsageError for a service that certd does not know."""
    if service not in ESPS and service != "none":
        raise UsageError(f"--esp: {service} is not known", hint=f"one of {', '.join(ESPS)}, none")
    return service


def check_address(text: str) -> str:
    """Raises UsageError for what is no IP address."""
    if not is_address(text):
        raise UsageError(f'--address: "{text}" is not an IP address', hint="such as 192.0.2.10")
    return text


def check_zone(text: str) -> str:
    """Raises UsageError for what is no domain name."""
    if not is_plain(text.lower().rstrip(".")):
        raise UsageError(f'--zone: "{text}" is not a domain name', hint="such as acme.example.com")
    return text
