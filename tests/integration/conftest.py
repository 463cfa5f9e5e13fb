"""A scene for each test: real Pebble, real nginx, the responder, and certd as processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.scene import Scene

PATIENCE = float(os.environ.get("CERTD_TEST_PATIENCE", "90"))


@pytest.fixture
def scene(short_path: Path) -> Iterator[Scene]:
    """Pebble and the e-mail service run, nginx has its configuration; neither nginx nor certd is started."""
    with Scene(short_path) as made:
        yield made
        # Shown when the test fails.
        print(made.certd_log())


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], float], None]:
    """Wait until something holds. The deadline is for what never comes true: a loaded machine is slow, not wrong."""

    def wait(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not come true in time"
            time.sleep(0.1)

    return wait
