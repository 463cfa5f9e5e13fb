"""The ACME adapter (RFC 8555) over the ``acme``, ``josepy`` and ``cryptography`` libraries.

::

    issuer      one issuer and our account with it: implements ports.CertificateAuthority
       |
       +---->  account     the key, the registration, external account binding
       +---->  messages    what the CA sends, checked before it is believed
       v
    session     signed requests: directory, nonces, problems, Retry-After

The messages, signatures and challenges are the library's; the conversation is ours, because the library's loses what
a daemon lives by: Retry-After on errors, the problem of a 409, the nonce of an error reply, and its nonce pool is not
safe in threads.
"""
