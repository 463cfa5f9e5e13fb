"""What ``certd init`` writes and says: a commented configuration, and the records to set, in plain words."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from certd.cli.entry import DEFAULT_CONFIG
from certd.dns.provider import DnsAnswers, ProviderKind
from certd.dns.public_suffix import registered_domain
from certd.dns.registry import LEXICON, PROVIDERS, kind_of, wrong_with_provider
from certd.errors import UsageError
from certd.targets.registry import KINDS, usable_kinds

TERMS = "https://letsencrypt.org/repository/"

# What is written of a kind of proxy that can do without.
PROXY_TABLE = """\
# [proxy.{proxy}]               # everything here has a default
# reload = "auto"               # the proxy's API, a stamp, systemd, a signal: the first one that is permitted
# endpoints = ["127.0.0.1:443", "[::1]:443"]   # where certd looks whether clients get the new certificate
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitAnswers:
    """What somebody wants to begin with.

    Attributes:
        address: This machine's public address, where certd answers the challenge itself.
        zone: The zone that it then answers for.
        server: The DNS provider's server.
    """

    domains: tuple[str, ...]
    proxy: str
    dns: str
    esp: str = "none"
    address: str = "192.0.2.10"
    zone: str = ""
    server: str = ""
    installed: tuple[str, ...] = field(default=())

    @property
    def own_zone(self) -> str:
        """``acme.example.com``: beside the links, so that one delegation serves all of them."""
        return self.zone or f"acme.{registered_domain(self.domains[0])}"

    @property
    def answers(self) -> DnsAnswers:
        """What the provider writes its table from."""
        names = dict.fromkeys(domain.removeprefix("*.") for domain in self.domains)
        return DnsAnswers(names=tuple(names), address=self.address, zone=self.own_zone, server=self.server)


def provider_kind(name: str) -> ProviderKind:
    """What ``--dns`` names. Raises UsageError where no provider has this name, or a part of it is missing."""
    if wrong := wrong_with_provider(name):
        raise UsageError(f"--dns: {wrong}")
    kind = kind_of(name)
    if kind is None:
        words = f"one of {', '.join(PROVIDERS)}, {LEXICON}<vendor>"
        raise UsageError(f"--dns: {name} is no provider", hint=words)
    return kind


def installed_proxies(path: str = os.environ.get("PATH", "")) -> tuple[str, ...]:
    """The proxies whose programs are here; Debian keeps servers where an ordinary user's PATH does not look."""
    where = f"{path}:/usr/sbin:/sbin:/usr/local/sbin"
    return tuple(
        kind.name for kind in usable_kinds() if any(shutil.which(program, path=where) for program in kind.programs)
    )


def own_address() -> str:
    """The address that this machine reaches the world from, as its routing table says; nothing is sent. It may be a
    private one.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 53))
            return str(probe.getsockname()[0])
        except OSError:
            return "192.0.2.10"


def configuration_text(wanted: InitAnswers) -> str:
    """The file; every value that is not the default says why it is there."""
    names = wanted.domains[0] if len(wanted.domains) == 1 else list(wanted.domains)
    found = f" # found here: {', '.join(wanted.installed)}" if wanted.installed else ""
    esp = "" if wanted.esp == "none" else f'esp = "{wanted.esp}" # where clicks go: tried by `certd check`\n'
    no_esp = '# esp = "sendgrid" # where clicks go: then `certd check` tries them, and proxy-config is complete\n'
    return f"""\
# certd. Judge this file with `certd config check`; every setting with its default is in the documentation.
# Secrets never stand here: "file:", "env:" and "credential:" say where they are.

[certd]
# state = "/var/lib/certd"      # private/: the store and keys; public/: what proxies read
# listen = "127.0.0.1:9180"     # status page, /metrics, /healthz; "" for none
# admin_group = ""              # whose members may run `certd renew` besides root

[issuer.letsencrypt]
terms_agreed = true # said by you, for {TERMS}
# contact = ["ops@{registered_domain(wanted.domains[0])}"]

# To rehearse first, without spending anything of Let's Encrypt's limits, write issuer = "letsencrypt-staging" into the
# link; browsers do not trust what it signs.
# [issuer.letsencrypt-staging]
# terms_agreed = true

# How the TXT record of the challenge gets into the DNS.
{provider_kind(wanted.dns).init.write(wanted.answers)}
{KINDS[wanted.proxy].init_table or PROXY_TABLE.format(proxy=wanted.proxy)}
[[link]]
domain = {json.dumps(names)}
proxy = "{wanted.proxy}"{found}
{esp or no_esp}
# Who hears of it when something is wrong; try it with `certd alarm test`.
# [alarms]
# webhook = "file:webhook.url"
"""


def records_to_set(wanted: InitAnswers) -> list[str]:
    """The records to set, in plain words, each paragraph for itself."""
    said = [*provider_kind(wanted.dns).init.records(wanted.answers)]
    zones = ", ".join(dict.fromkeys(registered_domain(name) for name in wanted.answers.names))
    said.append(f'If {zones} has CAA records, one of them must name the CA:  CAA 0 issue "letsencrypt.org"')
    said.append(
        f"{', '.join(wanted.domains)} may go on pointing at the e-mail service until a certificate is served here; "
        "`certd cutover` then walks through the switch, and `certd check` says what is still missing."
    )
    return said


def next_steps(path: Path, wanted: InitAnswers, program: str, *, has_systemd: bool) -> Sequence[str]:
    """The commands after this one, for root. Each works as it is printed, in this order.

    Args:
        program: How certd is called as long as no service is installed.
        has_systemd: Whether a service can be installed here.
    """
    kind = KINDS[wanted.proxy]
    named = "" if str(path) == DEFAULT_CONFIG else f" --config {shlex.quote(str(path))}"
    link = shlex.quote(link_name(wanted))
    before, after = program + named, ("certd" if has_systemd else program) + named
    steps = [" ".join([before, "install-service", *service_options(wanted)])] if has_systemd else []
    steps.append(f"{after} config check")
    if kind.configuration is None or wanted.esp == "none":
        steps.append(f"{after} publish    # writes what {kind.name} can start with")
    elif kind.site_folder:
        steps.append(f"{after} proxy-config {link} > {kind.site_folder}/{link}.conf    # {kind.name}'s side")
        steps += [f"systemctl reload {kind.unit}"] if has_systemd else []
    else:
        steps.append(f"{after} proxy-config {link}    # {kind.name}'s side")
    if has_systemd:
        steps += ["systemctl enable --now certd", f"{after} renew {link}    # shows each step until it is served"]
    else:
        steps.append(f"{after} once    # obtains, publishes, reloads, and sees it served")
    return steps


def link_name(wanted: InitAnswers) -> str:
    """What the link is called: by its first domain."""
    return wanted.domains[0].replace("*", "_wildcard")


def service_options(wanted: InitAnswers) -> list[str]:
    """What ``certd install-service`` must be told for these answers."""
    reload = ["--reload", wanted.proxy] if KINDS[wanted.proxy].needs_helper else []
    return reload + (["--dns", wanted.address] if provider_kind(wanted.dns).init.serves_zone else [])
