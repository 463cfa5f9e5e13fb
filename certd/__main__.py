"""``python -m certd``."""

from certd.cli import main

main()
