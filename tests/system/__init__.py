"""certd as it is installed: a Debian that boots, and containers. `make test-system` runs it; it needs root."""
