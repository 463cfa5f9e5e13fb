"""The CAs that certd knows by name, with the limits that it mirrors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A built-in issuer.

    Attributes:
        staging: The name of the issuer that rehearses for it; empty where there is none.
        needs_binding: It wants external account binding.
        pause_after_failed_validation: What its limit on failed validations leaves per try.
        weekly_same_names: Certificates for one exact set of names in seven days.
        roots_are_public: Clients know its roots; those of a staging directory nobody does.
    """

    url: str
    staging: str = ""
    needs_binding: bool = False
    pause_after_failed_validation: timedelta = timedelta(0)
    weekly_same_names: int = 0
    roots_are_public: bool = True


# Let's Encrypt: 5 failed validations an hour refill at one in 12 minutes; 5 certificates per exact set of names in
# 7 days (letsencrypt.org/docs/rate-limits). Its staging has far higher limits.
DIRECTORIES: Mapping[str, Directory] = {
    "letsencrypt": Directory(
        url="https://acme-v02.api.letsencrypt.org/directory", staging="letsencrypt-staging",
        pause_after_failed_validation=timedelta(minutes=12), weekly_same_names=5,
    ),
    "letsencrypt-staging": Directory(
        url="https://acme-staging-v02.api.letsencrypt.org/directory", roots_are_public=False
    ),
    "google": Directory(url="https://dv.acme-v02.api.pki.goog/directory", staging="google-staging", needs_binding=True),
    "google-staging": Directory(
        url="https://dv.acme-v02.test-api.pki.goog/directory", needs_binding=True, roots_are_public=False
    ),
    "zerossl": Directory(url="https://acme.zerossl.com/v2/DV90", needs_binding=True),
}  # fmt: skip
