"""The dns-01 solver: look-ups at authoritative servers, and ways to publish TXT records.

::

    challenges  ->  authority  ->  exchange          validation names in, "every server shows it" out
        |
        v
    registry    ->  providers/<vendor>               know zones and TXT values and nothing of ACME
                        |
                        v
                    responder/                       our own authoritative server, for a proxy without a DNS API
"""
