"""The CAs that certd knows by name, with the limits that it mirrors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from certd.model import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A built-in issuer.

    Attributes:
        staging: The name of the issuer that rehearses for it; empty where there is none.
        needs_binding: It wants external account binding.
        pause_after_failed_validation: What its limit on failed validations leaves per try.
        weekly_same_names: Certificates for one exact set of names in seven days.
        limits: What it allows in which time.
        allowed_hosts: Hosts beside that of the directory where its resources are.
        roots_are_public: Clients know its roots; those of a staging directory nobody does.
    """

    url: str
    staging: str = ""
    needs_binding: bool = False
    pause_after_failed_validation: timedelta = timedelta(0)
    weekly_same_names: int = 0
    roots_are_public: bool = True
    limits: tuple[Limit, ...] = ()
    allowed_hosts: tuple[str, ...] = ()


# Let's Encrypt (letsencrypt.org/docs/rate-limits): 5 failed validations of a name an hour, which come back one in 12
# minutes; 5 certificates for one exact set of names and 50 for one registered domain in 7 days; 300 orders in 3 hours.
# Its staging directory has far higher ones. Of the others no figures are known.
LETS_ENCRYPT = (
    Limit(kind="orders", most=300, per=timedelta(hours=3), reserve=30),
    Limit(kind="domain", most=50, per=timedelta(days=7), reserve=5),
    Limit(kind="names", most=5, per=timedelta(days=7), reserve=1),
    Limit(kind="failures", most=5, per=timedelta(hours=1)),
)

# By their directories Let's Encrypt, Google and SSL.com stay on one host; ZeroSSL has its renewal information at its
# parent's, Sectigo's. Actalis' directory was not seen.
DIRECTORIES: Mapping[str, Directory] = {
    "letsencrypt": Directory(
        url="https://acme-v02.api.letsencrypt.org/directory",
        staging="letsencrypt-staging",
        pause_after_failed_validation=timedelta(minutes=12),
        weekly_same_names=5,
        limits=LETS_ENCRYPT,
    ),
    "letsencrypt-staging": Directory(
        url="https://acme-staging-v02.api.letsencrypt.org/directory", roots_are_public=False
    ),
    "google": Directory(url="https://dv.acme-v02.api.pki.goog/directory", staging="google-staging", needs_binding=True),
    "google-staging": Directory(
        url="https://dv.acme-v02.test-api.pki.goog/directory", needs_binding=True, roots_are_public=False
    ),
    "zerossl": Directory(
        url="https://acme.zerossl.com/v2/DV90", needs_binding=True, allowed_hosts=("ari.trust-provider.com",)
    ),
    "sslcom": Directory(url="https://acme.ssl.com/sslcom-dv-ecc", needs_binding=True),
    "sslcom-rsa": Directory(url="https://acme.ssl.com/sslcom-dv-rsa", needs_binding=True),
    "actalis": Directory(url="https://acme-api.actalis.com/acme/directory", needs_binding=True),
}
