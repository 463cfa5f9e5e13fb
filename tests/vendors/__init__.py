"""The vendors' own clients against the stand-ins: whether we understood their APIs. Run by ``make test-vendors``."""
