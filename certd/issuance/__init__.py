"""One order, reading like RFC 8555 section 7.1. Facts in, facts out; a failure becomes ``facts.attempt``.

::

    step        one action of ``plan_issue``, and what becomes of its failure
       |
       +---->  new_order     newOrder, its authorizations, the key, the TXT values to clean up
       +---->  method        dns-01, or the dns-persist-01 record that stands
       +---->  challenge     publish, look, answer
       +---->  poll          read, finalize
       +---->  download      download and judge: what is signed is not yet what counts
       +---->  chain_repair  another chain of the same certificate
       +---->  maintenance   beside the order: TXT values to clean up, renewal information
       +---->  rehearsal     all of it that costs the CA nothing, days before
       v
    deps        what all of it stands on
    leases      the lease that an order is worked on under, and what a lost one may have left

"Renew" is not a second path: it is an order that ``replaces``.
"""

from certd.issuance.deps import Crypto
from certd.issuance.maintenance import settle
from certd.issuance.method import publishes
from certd.issuance.rehearsal import rehearse
from certd.issuance.step import Issuance

__all__ = ["Crypto", "Issuance", "publishes", "rehearse", "settle"]
