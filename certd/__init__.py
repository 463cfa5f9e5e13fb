"""certd keeps the certificates of e-mail link domains alive: ordered, published, reloaded, and seen served."""

__version__ = "0.1.0"
