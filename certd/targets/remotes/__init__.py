"""The providers that terminate TLS themselves: one file each, each a ``Remote`` with a ``build``."""
