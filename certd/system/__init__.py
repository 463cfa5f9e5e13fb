"""Thin wrappers over the operating system: clock, files, commands, locks, the service manager."""
