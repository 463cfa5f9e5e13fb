"""Somebody else's program: an argument list, a deadline, bounded output, never a shell."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from certd.errors import TargetError
from certd.system.command import MOST_OUTPUT, run
from tests.unit.test_daemon_parts import until

SECOND = timedelta(seconds=1)


def test_code_and_output_come_back() -> None:
    """Standard output and error together."""
    done = run(
        [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"],
        deadline=60 * SECOND,
    )
    assert done.code == 3
    assert {"out", "err"} <= set(done.output.split())


def test_nothing_is_expanded() -> None:
    """No shell sees it."""
    assert run(["echo", "$HOME; rm -rf *"], deadline=60 * SECOND).output == "$HOME; rm -rf *"


def test_the_deadline_ends_the_whole_group() -> None:
    """Its children too."""
    started = time.monotonic()
    done = run(["sh", "-c", "sleep 1000 & echo $!; sleep 1000"], deadline=SECOND * 3)
    assert done.timed_out
    assert time.monotonic() - started < 100
    child = int(done.output.split()[0])
    until(lambda: not is_alive(child))


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and that nobody has asked after does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_grandchild_that_keeps_the_pipe_holds_nobody_up() -> None:
    """What was read when the program ended counts."""
    started = time.monotonic()
    done = run(["sh", "-c", "echo here; sleep 100 & exit 0"], deadline=60 * SECOND)
    assert (done.code, done.output) == (0, "here")
    assert time.monotonic() - started < 50


def test_output_is_bounded() -> None:
    """Two megabytes are read and forgotten."""
    done = run([sys.executable, "-c", "print('x' * 2_000_000)"], deadline=60 * SECOND)
    assert done.code == 0
    assert len(done.output) <= MOST_OUTPUT


def test_secrets_of_our_environment_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a handful of names, and what is given."""
    monkeypatch.setenv("CERTD_SECRET", "s3cret")
    done = run(["env"], deadline=60 * SECOND, env={"CERTD_PROXY": "nginx"})
    assert "s3cret" not in done.output
    assert "CERTD_PROXY=nginx" in done.output


def test_what_cannot_be_run_is_said() -> None:
    """Named, with the system's words."""
    with pytest.raises(TargetError, match="/no/such/program: cannot be run: No such file"):
        run(["/no/such/program"], deadline=SECOND)


def test_a_grandchild_that_never_falls_silent_holds_nobody_up() -> None:
    """It writes on and on; the program itself has ended well, and is not said to have timed out."""
    done = run(["sh", "-c", "yes & echo here"], deadline=60 * SECOND)
    assert (done.code, done.timed_out) == (0, False)
    assert done.took < 50 * SECOND


def test_the_last_words_are_heard() -> None:
    """What is written just before the end counts, every time."""
    for _ in range(10):
        assert run(["sh", "-c", "sleep 0.05; echo last"], deadline=60 * SECOND).output == "last"


def test_one_that_closes_its_output_is_still_waited_for() -> None:
    """Until it ends."""
    assert run(["sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 7"], deadline=60 * SECOND).code == 7


def test_one_that_does_not_read_is_not_waited_for() -> None:
    """Neither what it is given nor the deadline depends on its reading."""
    plenty = b"x" * 1_000_000
    done = run(["sleep", "60"], deadline=SECOND / 2, stdin=plenty)
    assert done.timed_out
    assert done.took < 50 * SECOND
    assert run(["true"], deadline=60 * SECOND, stdin=plenty).code == 0
    assert run(["wc", "-c"], deadline=60 * SECOND, stdin=plenty).output == "1000000"
    assert run(["cat"], deadline=60 * SECOND).output == ""


def test_one_that_ignores_being_asked_is_made_to_end() -> None:
    """SIGTERM first, SIGKILL after two seconds; the code says by which signal."""
    done = run(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], deadline=SECOND / 5)
    assert (done.code, done.timed_out) == (-9, True)
    assert done.took < 50 * SECOND
    assert run(["sleep", "60"], deadline=SECOND / 5).code == -15


def test_odd_output_is_text_all_the_same() -> None:
    """Bytes that are no UTF-8 are replaced."""
    assert run(["printf", r"a\377b"], deadline=60 * SECOND).output == "a\ufffdb"


@pytest.mark.parametrize(
    "argv", [["/"], ["/dev/null"], ["a\0b"], ["no-such-program-anywhere"], ["true", "x" * 3_000_000]]
)
def test_none_of_these_can_be_run(argv: list[str]) -> None:
    """A folder, a file that is no program, a zero byte, a name in no folder of the path, too long an argument."""
    with pytest.raises(TargetError, match="cannot be run"):
        run(argv, deadline=SECOND)
