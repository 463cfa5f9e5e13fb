"""Two pure planners. Each takes wishes and recorded facts and answers one action with its reason."""

from certd.planning.backoff import after_failure, dns_patience, settle_patience
from certd.planning.deploy import plan_deploy
from certd.planning.issue import plan_issue, rank_of
from certd.planning.renewal import margin_used, renewal_moment

__all__ = [
    "after_failure",
    "dns_patience",
    "margin_used",
    "plan_deploy",
    "plan_issue",
    "rank_of",
    "renewal_moment",
    "settle_patience",
]
