"""A shared store that is lost: PostgreSQL's own dump brings it back, `certd backup` the node's part."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.nodes import World
from tests.lab.postgresql import PostgreSQL, postgres_bin
from tests.lab.scene import DOMAIN

pytestmark = [pytest.mark.lab("pebble", "nginx", "bind", "postgresql"), pytest.mark.timeout(400)]
Wait = Callable[..., None]


def test_dumped_and_put_back(short_path: Path, eventually: Wait) -> None:
    """The backup holds the node's part alone, and says what holds the rest. With both put back, into a fresh database,
    the node serves on, orders nothing, and the next renewal succeeds.
    """
    with PostgreSQL() as server, World(short_path, server.make("before")) as world:
        one = world.node("one").start()
        eventually(lambda: bool(one.served()) and "served  link=" in one.log())
        before = one.served()
        file, dump = short_path / "certd.backup", short_path / "dump.sql"
        done = one.scene.tried("backup", str(file))
        assert done.returncode == 0, done.stderr
        assert "the shared store is PostgreSQL's: back it up with pg_dump" in done.stderr
        assert "the seal key is not in it" in done.stderr
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with tarfile.open(file) as archive:
            assert archive.getnames() == ["node.db"]
        with dump.open("wb") as target:
            subprocess.run([f"{postgres_bin()}/pg_dump", world.store], stdout=target, check=True, timeout=60)
        assert one.certd is not None
        one.certd.stop()
        shutil.rmtree(one.scene.state / "private")
        after = server.make(f"t{uuid.uuid4().hex}")
        psql = [f"{postgres_bin()}/psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", after, "-f", str(dump)]
        put_back = subprocess.run(psql, capture_output=True, text=True, timeout=60)
        assert put_back.returncode == 0, put_back.stderr
        one.config.write_text(one.config.read_text().replace(world.store, after))
        assert "restored: node.db" in one.scene.run("restore", str(file))
        one.start()
        eventually(lambda: "ready" in one.log())
        eventually(
            lambda: json.loads(one.scene.tried("status", "--json").stdout)["status"]["links"][0]["state"] == "served"
        )
        assert one.served() == before
        assert world.bought() == 1
        one.scene.run("renew", DOMAIN, "--force")
        assert one.served() not in {"", before}
        assert world.bought() == 2
