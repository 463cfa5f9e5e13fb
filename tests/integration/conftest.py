"""A scene for each test: real Pebble, real nginx, the responder, and certd as processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.scene import Scene


@pytest.fixture
def scene(short_path: Path) -> Iterator[Scene]:
    """Pebble and the e-mail service run, nginx has its configuration; neither nginx nor certd is started."""
    with Scene(short_path) as made:
        yield made
        # Shown when the test fails.
        print(made.certd_log())


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], float], None]:
    """Wait until something holds."""

    def wait(holds: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not come true in time"
            time.sleep(0.1)

    return wait
