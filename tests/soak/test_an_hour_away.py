"""A name server that is away for an hour while a renewal is due."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import eventually as eventually
from tests.integration.test_bad_luck import Wait, name_server_away

HOUR = 3600.0


@pytest.mark.lab("pebble", "nginx")
@pytest.mark.timeout(2 * HOUR)
def test_an_hour(short_path: Path, eventually: Wait) -> None:
    """Within the longest pause of a probe after it the renewal is served. Pebble's authorizations last for an hour, so
    the order that waited may have to be made once more.
    """
    name_server_away(short_path, eventually, seconds=HOUR, patience=1800, most_orders=3)
