"""One order, reading like RFC 8555 section 7.1. Facts in, facts out; a failure becomes ``facts.attempt``.

::

    carrying    one action of ``plan_issue``, and what becomes of its failure
       |
       +---->  beginning   newOrder, its authorizations, the key, what is owed
       +---->  proving     publish, look, answer
       +---->  following   read, finalize
       +---->  collecting  download and judge: what is signed is not yet what counts
       +---->  caring      beside the order: TXT values that are owed, renewal information
       +---->  rehearsing  all of it that costs the CA nothing, days before
       v
    means       what all of it stands on
    leases      the lease that an order is worked on under, and what a lost one may have left

"Renew" is not a second path: it is an order that ``replaces``.
"""

from certd.issuance.deps import Crypto
from certd.issuance.maintenance import settle
from certd.issuance.rehearsal import rehearse
from certd.issuance.step import Issuance

__all__ = ["Crypto", "Issuance", "rehearse", "settle"]
