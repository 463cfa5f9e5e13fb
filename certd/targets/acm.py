"""Bringing certificates into AWS Certificate Manager, for Amazon API Gateway and CloudFront.

A certificate is imported once, and from then on imported again under the same ARN, which the API's domain name or the
distribution names: nothing of theirs is touched (docs.aws.amazon.com/acm, "Reimport a certificate"). Leaf and chain go
in separately. ACM changes neither key type nor size under an ARN, and does not give back what was replaced; so what is
there is looked at first: only a certificate that is this link's own is replaced. It is this link's by its tag, which
goes in with the import itself: a crash before the ARN was noted, or a lost store, leaves nothing behind that is not
found again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from certd.errors import CertdError, ProviderRefused, TargetError
from certd.model import Leftover
from certd.model.acm import NEW, AmazonSettings, AmazonUse
from certd.pki.chain import covered_by, serial_of
from certd.pki.keys import key_type_of
from certd.targets.amazon import Acm
from certd.targets.kind import RemoteMeans
from certd.targets.remote import Pair, RemoteMemory

if TYPE_CHECKING:
    from certd.system.egress import Egress

TAG = "certd:link"

# What certd remembers an ARN as.
ROLE = "certificate"

# ACM's names of keys in ours; what is not here stays as it is and matches nothing.
KEY_NAMES: Mapping[str, str] = {
    "EC_prime256v1": "ecdsa-p256",
    "EC_secp384r1": "ecdsa-p384",
    "RSA_2048": "rsa-2048",
    "RSA_3072": "rsa-3072",
    "RSA_4096": "rsa-4096",
}


def members_of(pair: Pair) -> dict[str, str]:
    """A pair as ImportCertificate takes it: leaf, chain and key each in a member of its own."""
    parts = {"Certificate": pair.leaf, "PrivateKey": pair.key.reveal(), "CertificateChain": pair.chain}
    return {name: base64.b64encode(text.encode()).decode() for name, text in parts.items() if text.strip()}


class AcmRemote:
    """ACM in one region for one account: implements ``targets.remote.Remote``.

    Args:
        proxy: Its name in the configuration.
    """

    def __init__(self, proxy: str, settings: AmazonSettings, egress: Egress, deadline: timedelta) -> None:
        self.proxy = proxy
        self.settings = settings
        self.acm = Acm(settings, egress, deadline)

    def hindrance(self) -> str:
        """See ``Remote``."""
        try:
            self.acm.call("ListCertificates", MaxItems=1)
        except CertdError as error:
            return f"{error}; {error.hint}" if error.hint else str(error)
        return ""

    def remove(self, leftover: Leftover) -> bool:
        """See ``Remote``; ACM replaces under the same name, so that certd leaves nothing there."""
        raise ProviderRefused(f"{leftover} is not certd's to remove from ACM")

    def bring(self, pair: Pair, memory: RemoteMemory) -> str:
        """See ``Remote``; what is there already is not sent again."""
        acm = self.acm
        arn, held = self._place(pair, memory)
        if not arn:
            tags = [{"Key": TAG, "Value": pair.link}]
            arn = str(acm.call("ImportCertificate", **members_of(pair), Tags=tags)["CertificateArn"])
            memory.keep(ROLE, arn)
            return f"imported as {arn}; {self._to_be_named}"
        is_tagged = self._judge_owner(arn, held, acm.tags(arn), pair, memory.name(ROLE))
        is_newer = _number(str(held.get("Serial", ""))) != int(serial_of(pair.leaf), 16)
        if is_newer:
            acm.call("ImportCertificate", **members_of(pair), CertificateArn=arn)
        if is_newer or not is_tagged:
            # An import under an ARN takes no tags, and nowhere is it promised that they outlive one.
            acm.call("AddTagsToCertificate", CertificateArn=arn, Tags=[{"Key": TAG, "Value": pair.link}])
        memory.keep(ROLE, arn)
        return f"{arn} holds it" if held.get("InUseBy") else f"{arn} holds it; {self._to_be_named}"

    @property
    def _to_be_named(self) -> str:
        return f"the {user_of(self.settings)} must name it, once: `certd proxy-config`"

    def _place(self, pair: Pair, memory: RemoteMemory) -> tuple[str, Mapping[str, Any]]:
        """Where to import it, and what is there: the ARN that the configuration names, that is remembered, that has
        our tag; empty where it is to get a new one.

        Raises:
            TargetError: there is one, and it cannot take this certificate.
        """
        said = self.settings.arns.get(pair.link, "")
        may_be_new = said == NEW
        acm, known = self.acm, memory.name(ROLE)
        key_type = key_type_of(pair.key)
        if said and not may_be_new:
            candidates, whose = [said], f"proxy.{self.proxy}.acm.arns names it"
        elif known:
            candidates, whose = [known], "certd imported it before"
        else:
            tagged = [arn for arn in acm.named(frozenset(pair.names)) if acm.tags(arn).get(TAG) == pair.link]
            candidates, whose = tagged, "its tag says it is this link's"
        found = {arn: held for arn in candidates if (held := acm.held(arn)) is not None}
        fitting = [arn for arn, held in found.items() if _key_type(held) == key_type]
        if fitting:
            return fitting[0], found[fitting[0]]
        if may_be_new or not candidates:
            return "", {}
        setting = f'proxy.{self.proxy}.acm.arns."{pair.link}" = "{NEW}"'
        way_out = f"{setting} imports a new one, which the {user_of(self.settings)} must name then"
        if not found:
            raise TargetError(
                f"{candidates[0]}: there is no such certificate in the account of these AWS credentials ({whose})",
                hint=f"are these the right credentials? else {way_out}",
            )
        arn, held = next(iter(found.items()))
        raise TargetError(
            f"{arn} holds a key of type {_key_type(held)}, and ACM lets it be replaced by no {key_type} ({whose})",
            hint=f'key = "{_key_type(held)}" for the link; or {way_out}',
        )

    def _judge_owner(self, arn: str, held: Mapping[str, Any], tags: Mapping[str, str], pair: Pair, known: str) -> bool:
        """Whether it has our tag already.

        Args:
            known: What certd remembers as this link's.

        Raises:
            TargetError: it is somebody else's.
        """
        hint = f"name another in proxy.{self.proxy}.acm.arns, or leave it out: certd imports its own"
        if held.get("Type", "IMPORTED") != "IMPORTED":
            raise TargetError(f"{arn} was not imported but issued by Amazon, which renews it; left alone", hint=hint)
        owner = tags.get(TAG)
        if owner not in {None, pair.link}:
            raise TargetError(f"{arn} belongs to the link {owner} (tag {TAG}); left alone", hint=hint)
        said = (held.get("DomainName"), *(held.get("SubjectAlternativeNames") or ()))
        there = {str(name).lower() for name in said if name}
        if owner == pair.link:
            if arn == known or there & set(pair.names):
                return True
            raise TargetError(f"{arn} is for {', '.join(sorted(there))}, not for {pair.link}; left alone", hint=hint)
        if lost := sorted(name for name in there if name not in pair.names and not covered_by(pair.names, name)):
            raise TargetError(
                f"{arn} is not certd's and is for {', '.join(lost)} too, which {pair.link} does not cover; left alone",
                hint=hint,
            )
        return False


def user_of(settings: AmazonSettings) -> str:
    """Who names a certificate at Amazon."""
    return "distribution" if settings.use is AmazonUse.CLOUDFRONT else "API's domain name"


def connect(means: RemoteMeans) -> AcmRemote:
    """See ``RemoteRules``."""
    return AcmRemote(means.proxy, means.settings, means.egress(), means.deadline)


def own_side(means: RemoteMeans, link: str, domains: Sequence[str], memory: RemoteMemory) -> str:
    """See ``RemoteRules``."""
    said = means.settings.arns.get(link, "")
    return naming(means.settings, means.proxy, domains, memory.name(ROLE) if said in {"", NEW} else said)


def naming(settings: AmazonSettings, proxy: str, domains: Sequence[str], arn: str) -> str:
    """What must be set at Amazon, once, so that clients get it: for ``certd proxy-config``."""
    named = arn or "(not imported yet: `certd once` does it and says the ARN)"
    lines = [f"# {domains[0]} on {proxy}: certd imports into ACM in {settings.region}; set once:"]
    match settings.use:
        case AmazonUse.CLOUDFRONT:
            lines += [
                f"Aliases: {', '.join(domains)}",
                "ViewerCertificate:",
                f"  ACMCertificateArn: {named}",
                "  SSLSupportMethod: sni-only",
                "  MinimumProtocolVersion: TLSv1.2_2021",
            ]
        case AmazonUse.EDGE:
            for domain in domains:
                lines += [
                    f"DomainName: {domain}",
                    f"  certificateArn: {named}",
                    "  endpointConfiguration: EDGE",
                    "  securityPolicy: TLS_1_2",
                ]
        case AmazonUse.REGIONAL:
            for domain in domains:
                lines += [
                    f"DomainName: {domain}",
                    "  DomainNameConfigurations:",
                    f"    CertificateArn: {named}",
                    "    EndpointType: REGIONAL",
                    "    SecurityPolicy: TLS_1_2",
                ]
    return "\n".join(lines) + "\n"


def _key_type(held: Mapping[str, Any]) -> str:
    said = str(held.get("KeyAlgorithm", "")).replace("-", "_")
    return KEY_NAMES.get(said, said)


def _number(serial: str) -> int:
    """ACM writes octets with colons between; its double a decimal number."""
    text = serial.strip()
    try:
        return int(text.replace(":", ""), 16) if ":" in text else int(text)
    except ValueError:
        return -1
