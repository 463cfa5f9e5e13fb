"""A mark of everything that an attempt to get a certificate depends on: another mark is another try."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from certd.config.settings import DnsSettings, IssuerSettings
from certd.model import CertificateSpec


def mark_of(spec: CertificateSpec, issuer: IssuerSettings, dns: DnsSettings | None) -> str:
    """Twelve hex digits. Labels tell nothing to a CA; secrets are references here, so their values are not in it."""
    text = repr((replace(spec, labels={}), issuer, dns))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
