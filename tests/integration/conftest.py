"""A scene for each test: real Pebble, real nginx, the responder, and certd as processes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.journey import EDGE, PROXY
from tests.lab.scene import Scene
from tests.lab.ward import Ward

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


@pytest.fixture(scope="module")
def built() -> Iterator[Ward]:
    with tempfile.TemporaryDirectory(prefix="certd-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Ward(folder)
        try:
            yield made
        finally:
            made.app.stores.close()
            made.journey.stop()


@pytest.fixture
def ward(built: Ward) -> Iterator[Ward]:
    yield built
    built.put_right()
    built.journey.point_here()
    built.journey.bind.move(EDGE, "A", PROXY)
