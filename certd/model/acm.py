"""A target that is an account at a cloud provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

# In the place of an ARN: where the one before is gone or cannot take the key, another is imported.
NEW = "new"


class AmazonUse(StrEnum):
    """What a certificate in ACM is for: each takes other keys, and two of them only one region."""

    REGIONAL = "regional"
    EDGE = "edge"
    CLOUDFRONT = "cloudfront"


@dataclass(frozen=True, slots=True, kw_only=True)
class AmazonSettings:
    """``[proxy.NAME.acm]``.

    Attributes:
        region: Where the certificate lies.
        use: A regional API, an edge-optimised API, or a CloudFront distribution.
        profile: Of ``~/.aws``; empty: AWS's usual chain of credentials.
        arns: By link: a certificate that is there already, or NEW.
        api: The API's base URL, where it is not Amazon's own.
    """

    region: str
    use: AmazonUse = AmazonUse.REGIONAL
    profile: str = ""
    arns: Mapping[str, str] = field(default_factory=dict)
    api: str = ""
