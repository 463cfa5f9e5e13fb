"""Bringing a certificate to a proxy: gate, install, check, reload, prove by handshake, undo."""
