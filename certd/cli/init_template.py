"""What ``certd init`` writes and says: a commented configuration, and the records to set, in plain words."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from certd.dns.public_suffix import registered_domain
from certd.targets.registry import KINDS

TERMS = "https://letsencrypt.org/repository/"

# What is written of a kind of proxy that can do without.
PROXY_TABLE = """\
# [proxy.{proxy}]               # everything here has a default
# reload = "auto"               # the proxy's API, a stamp, systemd, a signal: the first one that is permitted
# endpoints = ["127.0.0.1:443", "[::1]:443"]   # where certd looks whether clients get the new certificate
"""

# Name of the table -> its members as they stand in the file, with a comment for each. What is in angle brackets in
# the comments only whoever fills it in knows; the values pass the check, and are refused by whoever they are sent to.
PROVIDERS: Mapping[str, tuple[str, str]] = {
    "rfc2136": (
        "corp",
        'server = "192.0.2.53" # the primary name server of the zone; :port where it is not 53\n'
        'tsig = "file:tsig.key" # a key that may change these TXT records, as `tsig-keygen` prints it; mode 0600\n',
    ),
    "cloudflare": ("cloudflare", 'token = "file:cloudflare.token" # an API token that may edit the zone\'s DNS\n'),
    "route53": ("route53", '# credentials: AWS\'s usual chain, or profile = "..." (the extra certd[route53])\n'),
    "acme-dns": (
        "acmedns",
        'server = "https://auth.acme-dns.io" # yours, or the public one\n'
        'accounts = "file:acme-dns.json" # what its /register answered, by domain\n',
    ),
    "exec": (
        "program",
        'style = "lego" # or "certbot" with auth = [...] and cleanup = [...]\n'
        'command = ["/etc/certd/dns-hook"] # called with: present|cleanup NAME VALUE\n',
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InitAnswers:
    """What somebody wants to begin with.

    Attributes:
        address: This machine's public address, where certd answers the challenge itself.
        zone: The zone that it then answers for.
    """

    domains: tuple[str, ...]
    proxy: str
    dns: str
    esp: str = "none"
    address: str = "192.0.2.10"
    zone: str = ""
    installed: tuple[str, ...] = field(default=())

    @property
    def own_zone(self) -> str:
        """``acme.example.com``: beside the links, so that one delegation serves all of them."""
        return self.zone or f"acme.{registered_domain(self.domains[0])}"


def installed_proxies(path: str = os.environ.get("PATH", "")) -> tuple[str, ...]:
    """The proxies whose programs are here; Debian keeps servers where an ordinary user's PATH does not look."""
    where = f"{path}:/usr/sbin:/sbin:/usr/local/sbin"
    return tuple(
        kind.name for kind in KINDS.values() if any(shutil.which(program, path=where) for program in kind.programs)
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
{dns_table(wanted)}
{KINDS[wanted.proxy].init_table or PROXY_TABLE.format(proxy=wanted.proxy)}
[[link]]
domain = {json.dumps(names)}
proxy = "{wanted.proxy}"{found}
{esp or no_esp}
# Who hears of it when something is wrong; try it with `certd alarm test`.
# [alarms]
# webhook = "file:webhook.url"
"""


def dns_table(wanted: InitAnswers) -> str:
    """``[dns.NAME]``."""
    if wanted.dns == "responder":
        zone = wanted.own_zone
        host = f"[{wanted.address}]" if ":" in wanted.address else wanted.address
        return (
            f"# certd answers itself, for {zone}: set the records that `certd init` printed, once.\n[dns.own]\n"
            f'provider = "responder"\nlisten = ["{host}:53"] # concrete addresses of this machine\n'
            f'zones = ["{zone}"]\nns = ["ns1.{zone}"]\n'
            f'addresses = {{ "ns1.{zone}" = ["{wanted.address}"] }} # the public one, where that is another\n'
        )
    if wanted.dns.startswith("lexicon:"):
        return (
            f'[dns.{wanted.dns.partition(":")[2]}]\nprovider = "{wanted.dns}" # needs the extra: certd[lexicon]\n'
            'credentials = { auth_token = "file:dns.token" } # what lexicon calls the vendor\'s authentication\n'
        )
    name, members = PROVIDERS[wanted.dns]
    return f'[dns.{name}]\nprovider = "{wanted.dns}"\n{members}'


def records_to_set(wanted: InitAnswers) -> list[str]:
    """The records to set, in plain words, each paragraph for itself."""
    plain = [domain.removeprefix("*.") for domain in wanted.domains]
    said = []
    if wanted.dns == "responder":
        zone = wanted.own_zone
        kind = "AAAA" if ":" in wanted.address else "A"
        lines = [f"    {zone}.  NS  ns1.{zone}.", f"    ns1.{zone}.  {kind}  {wanted.address}"]
        lines += [f"    _acme-challenge.{name}.  CNAME  {name}.{zone}." for name in dict.fromkeys(plain)]
        said.append(
            "Set these records once, at your present DNS. They hand over the names where the CA looks for its proof, "
            "and no other:\n" + "\n".join(lines)
        )
        said.append(
            f"UDP and TCP port 53 of {wanted.address} must be open to the world. Where that is a private address, put "
            "the public one into the A record and into addresses."
        )
    elif wanted.dns == "rfc2136":
        names = ", ".join(f"_acme-challenge.{name}" for name in dict.fromkeys(plain))
        said.append(f"No record is set by hand: the name server must let the TSIG key change TXT records at {names}.")
    elif wanted.dns == "acme-dns":
        lines = [f"    _acme-challenge.{name}.  CNAME  <the fulldomain that acme-dns gave it>." for name in plain]
        said.append("Set these records once, at your present DNS:\n" + "\n".join(lines))
    else:
        said.append("No record is set by hand: what certd is given must be allowed to add and remove TXT records.")
    zones = ", ".join(dict.fromkeys(registered_domain(name) for name in plain))
    said.append(f'If {zones} has CAA records, one of them must name the CA:  CAA 0 issue "letsencrypt.org"')
    said.append(
        f"{', '.join(wanted.domains)} may go on pointing at the e-mail service until a certificate is served here; "
        "`certd cutover` then walks through the switch, and `certd check` says what is still missing."
    )
    return said


def next_steps(path: Path, wanted: InitAnswers) -> Sequence[str]:
    """The commands after this one."""
    prefix = "certd" if str(path) == "/etc/certd/certd.toml" else f"certd --config {path}"
    return (
        f"{prefix} config check",
        f"{prefix} proxy-config {wanted.domains[0].replace('*', '_wildcard')}    # {wanted.proxy}'s side",
        f"{prefix} once    # obtains, publishes, reloads, and sees it served",
        f"{prefix} install-service    # and then by itself, for ever",
    )
