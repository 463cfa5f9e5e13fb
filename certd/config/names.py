"""Names for which no public CA signs, found before it is asked.

Each is a mistake of the configuration where a public CA is to sign: one of the built-in directories, as they stand. A
private CA (a directory or a ``ca_file`` of one's own) may sign what it likes.

``config check`` and a reload refuse a file with such a mistake. A start does not: it may be the file that certd ran
with before an upgrade, and a daemon that does not start cares for no link at all. It says each mistake in its log, and
goes on renewing the names that are served (``planning.wishing``).

Sources: Boulder's policy/pa.go and ra/ra.go; CA/Browser Forum Baseline Requirements 7.1.4.2 (no internal names, no
underscores); RFC 2606, 6761, 6762, 7686, 8375, 9476, and ICANN's resolution on ``.internal``.
"""

from __future__ import annotations

from collections.abc import Iterator

from certd.acme.directories import DIRECTORIES
from certd.config.settings import IssuerSettings, LinkSettings, Settings
from certd.dns.public_suffix import is_registry_suffix
from certd.errors import Finding

# Let's Encrypt: letsencrypt.org/docs/profiles; the CA/Browser Forum knows no limit, and no public CA takes more.
MOST_NAMES = 100
MOST_NAMES_BY_PROFILE = {"tlsserver": 25, "shortlived": 25}
BY_PROFILE = frozenset({DIRECTORIES["letsencrypt"].url, DIRECTORIES["letsencrypt-staging"].url})

# What never is a name in the public DNS.
RESERVED = frozenset(
    {
        "alt",
        "corp",
        "example",
        "home",
        "home.arpa",
        "internal",
        "intranet",
        "invalid",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "mail",
        "onion",
        "private",
        "test",
    }
)


def names_refused(settings: Settings) -> tuple[Finding, ...]:
    """Every name of every link that a public CA refuses; none on a node that issues nothing."""
    if not settings.issue:
        return ()
    public = {name for name, issuer in settings.issuers.items() if is_public(issuer)}
    found: list[Finding] = []
    for link in settings.links:
        signing = [name for name in link.spec.issuers if name in public]
        if signing:
            found += _refused_of(link, settings.issuers[signing[0]])
    return tuple(found)


def is_public(issuer: IssuerSettings) -> bool:
    """Whether it is one of the built-in CAs, as it stands."""
    return not issuer.ca_file and any(issuer.directory == known.url for known in DIRECTORIES.values())


def _refused_of(link: LinkSettings, issuer: IssuerSettings) -> Iterator[Finding]:
    path, domains = f'link "{link.name}".domain', link.spec.domains
    most = MOST_NAMES_BY_PROFILE.get(issuer.profile, MOST_NAMES) if issuer.directory in BY_PROFILE else MOST_NAMES
    if len(domains) > most:
        profile = f" of profile {issuer.profile}" if most != MOST_NAMES else ""
        yield Finding(
            path=path,
            message=f"has {len(domains)} names; {issuer.name} signs {most} at most in one certificate{profile}",
            hint="divide the names among several links",
        )
    for domain in domains:
        if wrong := wrong_with_name(domain, domains):
            message, hint = wrong
            yield Finding(path=path, message=f'"{domain}" {message}, which {issuer.name} refuses', hint=hint)


def wrong_with_name(domain: str, beside: tuple[str, ...]) -> tuple[str, str] | None:
    """Why no public CA signs for a name, and the way out; None where nothing is wrong.

    Args:
        domain: A-labels in lower case, ``*.`` allowed in front.
        beside: All names of the certificate.
    """
    bare = domain.removeprefix("*.")
    above = bare.partition(".")[2]
    last = bare.rpartition(".")[2]
    if domain == bare and f"*.{above}" in beside:
        return f'is covered by "*.{above}" beside it', f'leave "{domain}" out: the wildcard serves it'
    if "_" in bare:
        return "has an underscore", f'choose a name such as "{bare.replace("_", "-")}", or a CA of your own'
    if reserved := next((each for each in RESERVED if bare == each or bare.endswith(f".{each}")), ""):
        return f'ends in the reserved ".{reserved}"', "use a name of the public DNS, or an issuer of your own"
    if last.isdigit() or last.startswith("0x"):
        return "ends like an address", "use a name of the public DNS"
    if is_registry_suffix(bare):
        return (
            "is a public suffix, under which others have names",
            f'write your own name below it, such as "link.yours.{bare}"',
        )
    return None
