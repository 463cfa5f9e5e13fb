"""The stores: facts, leases and sealed keys, every query written once.

::

    lineages, wishes, accounts      the shared store: what is wanted, orders, certificates, debts
    node                            this node's own: copies of what it deploys, deployments
       |
       v
    work        due work and fenced leases, for both
    codec, seal rows and sealed columns
    schema      migrations
    sqlite      transactions, the clock, errors in our words

Time is the store's own, in epoch seconds; ``{now}`` in a statement is its clock at that very moment.
"""
