"""The planted bugs stay plantable: a patch that no longer applies proves nothing."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.planted.__main__ import ROOT, bugs

BUGS = bugs()


@pytest.mark.lab("patch")
def test_every_patch_applies() -> None:
    """To the checkout as it is; whoever moves the code it is planted in moves the bug along."""
    broken = {}
    for bug in BUGS:
        argv = ["patch", "-p1", "--forward", "--dry-run", "--input", str(bug.path)]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            broken[bug.path.name] = done.stdout + done.stderr
    assert broken == {}


def test_every_patch_names_tests_that_exist() -> None:
    """Files, folders and functions; expressions for ``-k`` are theirs to judge."""
    for bug in BUGS:
        for word in bug.tests:
            path, _, function = word.partition("::")
            if path.startswith("tests/"):
                assert (ROOT / path).exists(), f"{bug.path.name}: {path}"
            if function:
                name = re.escape(function.partition("[")[0])
                assert re.search(rf"def {name}\b", (ROOT / path).read_text()), f"{bug.path.name}: {word}"


def test_there_are_enough() -> None:
    """At least twenty-five, each against something that is promised or listed."""
    assert len(BUGS) >= 25
    assert all(bug.title and bug.promise and bug.tests for bug in BUGS)
    assert all(Path(bug.path).suffix == ".patch" for bug in BUGS)
