"""Our own authoritative server: it serves a few zones that hold nothing but validation values.

::

    server  ->  wire  ->  snapshot        sockets and connections -> one packet in, one out -> what the zones hold
       |
       +---->  buckets, sockets           how often a network may ask -> where to listen
"""
