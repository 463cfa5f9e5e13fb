"""AWS Certificate Manager, for Amazon API Gateway and CloudFront: certd imports into it (``certd.targets.acm``)."""

from __future__ import annotations

from datetime import timedelta

from certd.targets.kind import ProxyKind, RemoteRules
from certd.targets.pointers import Pointer, plain

INIT_TABLE = """\
[proxy.acm]
# Where clients reach it: your distribution, or the API's target domain name.
endpoints = ["d111111abcdef8.cloudfront.net:443"]

[proxy.acm.acm]
region = "us-east-1" # CloudFront takes certificates from this region only
use = "cloudfront" # or "regional" or "edge": Amazon API Gateway
"""

KIND = ProxyKind(
    name="acm",
    programs=(),
    check=(),
    remote=RemoteRules(module="certd.targets.acm", settles=timedelta(minutes=15)),
    # It names what was imported last.
    pointer=Pointer(suffix=".path", body=plain),
    configuration=None,
    init_table=INIT_TABLE,
)
