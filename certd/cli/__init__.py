"""The commands, each in a module of its own, imported by name when it is asked for: ``certd --help`` stays quick."""

from certd.cli.entry import main

__all__ = ["main"]
