"""AWS Certificate Manager's API: JSON over HTTPS, every call bounded; a refusal becomes one sentence and a way out.

What the operations take and answer: docs.aws.amazon.com/acm/latest/APIReference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from certd.errors import EgressFailed, ProviderRefused
from certd.model.acm import AmazonSettings
from certd.system.amazon import Signer
from certd.system.http_headers import retry_after_of

if TYPE_CHECKING:
    from certd.system.egress import Egress, Response

MOST_WORDS = 500
MOST_PAGES = 50

# Amazon lets a few calls through a second; where it does not say for how long it is busy, so long.
BUSY_PAUSE = timedelta(seconds=30)
QUOTA_PAUSE = timedelta(hours=1)

BUSY = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
QUOTA = frozenset({"LimitExceededException"})
GONE = frozenset({"ResourceNotFoundException"})
# Their messages may repeat what was signed, a session's token included: they are not repeated.
CREDENTIALS = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "ExpiredTokenException",
        "ExpiredToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "RequestExpired",
    }
)
FORBIDDEN = frozenset({"AccessDeniedException", "AccessDenied", "NotAuthorized", "OptInRequired"})

RIGHTS = "acm:ImportCertificate, DescribeCertificate, ListCertificates, ListTagsForCertificate and AddTagsToCertificate"

# Asked for nothing, ACM lists RSA keys of 1,024 and 2,048 bits only.
KEY_TYPES = ("RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1")


class Acm:
    """ACM in one region, with one account's credentials."""

    def __init__(self, settings: AmazonSettings, egress: Egress, deadline: timedelta) -> None:
        self._settings = settings
        self._egress = egress
        self._deadline = deadline
        self._signer = Signer("acm", settings.region, settings.profile)
        self._listed: list[dict[str, Any]] | None = None

    @property
    def url(self) -> str:
        """Of the API."""
        suffix = "amazonaws.com.cn" if self._settings.region.startswith("cn-") else "amazonaws.com"
        return self._settings.api or f"https://acm.{self._settings.region}.{suffix}"

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One call.

        Raises:
            ProviderRefused: in Amazon's own words; what was sent is never repeated.
        """
        url, body = f"{self.url}/", json.dumps(arguments).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"CertificateManager.{operation}"}
        who = f"ACM in {self._settings.region}"
        try:
            signed = self._signer.signed("POST", url, body, headers)
            response = self._egress.send(
                "POST", url, body=body, headers=signed, deadline=self._deadline.total_seconds()
            )
        except EgressFailed as error:
            raise ProviderRefused(f"{who}: {error}", hint=error.hint, for_all=True) from error
        try:
            answer = json.loads(response.body or b"{}")
        except (ValueError, RecursionError):
            answer = None
        if response.status == 200 and isinstance(answer, dict):
            return answer
        raise self._refusal(who, operation, response, answer if isinstance(answer, dict) else {})

    def _refusal(self, who: str, operation: str, response: Response, answer: Mapping[str, Any]) -> ProviderRefused:
        code = str(answer.get("__type") or answer.get("code") or "").rpartition("#")[2]
        words = _shown(str(answer.get("message") or answer.get("Message") or ""))
        said = f"{code}: {words}" if words else code
        asked = retry_after_of(response)
        if code in BUSY or response.status == 429 or response.status >= 500:
            wait = asked if asked is not None else BUSY_PAUSE
            trouble = "asks to be asked less" if response.status < 500 or code in BUSY else "is out of order"
            return ProviderRefused(
                f"{who} {trouble} ({said or response.status})",
                hint="nothing to do here: it is asked again",
                code=code,
                again_after=wait,
                for_all=True,
            )
        if code in CREDENTIALS:
            return ProviderRefused(
                f"{who} does not take the AWS credentials ({code})",
                hint="are they of this partition and still valid? is this machine's clock right?",
                code=code,
                for_all=True,
            )
        if code in FORBIDDEN:
            return ProviderRefused(
                f"{who} forbids {operation}: {said}", hint=f"the credentials need {RIGHTS}", code=code
            )
        if code in QUOTA:
            return ProviderRefused(
                f"{who} has no room for another certificate: {said}",
                hint="remove some that nothing uses, or have the quota raised (Service Quotas, ACM)",
                code=code,
                again_after=asked or QUOTA_PAUSE,
            )
        if not code:
            return ProviderRefused(
                f"{who} answers {operation} with {response.status} and something that is not ACM's",
                hint="does something in between answer for it?",
                for_all=True,
            )
        return ProviderRefused(f"{who} refuses {operation}: {said}", code=code)

    def held(self, arn: str) -> dict[str, Any] | None:
        """What it says of a certificate; None where these credentials' account has none of that name."""
        try:
            answer = self.call("DescribeCertificate", CertificateArn=arn)
        except ProviderRefused as error:
            if error.code in GONE:
                return None
            raise
        found = answer.get("Certificate")
        return found if isinstance(found, dict) else {}

    def tags(self, arn: str) -> dict[str, str]:
        """Its tags."""
        tags = self.call("ListTagsForCertificate", CertificateArn=arn).get("Tags") or []
        return {str(tag.get("Key")): str(tag.get("Value", "")) for tag in tags}

    def named(self, names: frozenset[str]) -> Iterator[str]:
        """The ARNs whose first name is one of these. The list is read once."""
        if self._listed is None:
            self._listed = self._all()
        for each in self._listed:
            if str(each.get("DomainName", "")).lower() in names:
                yield str(each["CertificateArn"])

    def _all(self) -> list[dict[str, Any]]:
        wanted: dict[str, Any] = {"Includes": {"keyTypes": KEY_TYPES}}
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            page = self.call("ListCertificates", **wanted)
            found += page.get("CertificateSummaryList") or []
            if not page.get("NextToken"):
                break
            wanted["NextToken"] = page["NextToken"]
        return found


def _shown(text: str) -> str:
    """On one line; PEM that a server sends back is cut off."""
    return " ".join(text.partition("-----BEGIN")[0].split())[:MOST_WORDS]
