"""``requests`` without the library that it guesses the encoding of texts with.

That is charset_normalizer (or chardet), whose tables take 3 MiB; certd reads octets and what their sender says of them,
and never has anything guessed. requests goes without where it cannot be imported (its ``compat.py``, since 2.32), and
None in ``sys.modules`` is how the import system is told so (docs.python.org/3/reference/import.html, "The module
cache"). Afterwards whoever wants it, such as apprise, imports it as ever.
"""

from __future__ import annotations

import importlib
import sys
import warnings

DETECTORS = ("charset_normalizer", "chardet")


def import_requests() -> None:
    """Do so, unless it was imported already. Raises ImportError where it is not installed."""
    hidden = [name for name in DETECTORS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module("requests")
    finally:
        for name in hidden:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)
