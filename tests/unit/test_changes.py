"""A changed configuration that looks like an accident is not taken over by a running daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from certd.config.choices import known_choices
from certd.config.loader import load
from certd.config.settings import Settings
from certd.daemon.config_change import judge_change
from certd.errors import CertdError

HEAD = """
include = ["links.d/*.toml"]
certd.state = "{state}"
issuer.letsencrypt.terms_agreed = true
[dns.corp]
provider = "rfc2136"
server = "192.0.2.53"
tsig = "file:tsig.key"
"""


def settings(folder: Path, links: int, *, files: bool = True, state: str = "state") -> Settings:
    """A configuration whose links stand in a file of their own."""
    (folder / "tsig.key").write_text("x")
    (folder / "links.d").mkdir(exist_ok=True)
    path = folder / "links.d" / "all.toml"
    path.unlink(missing_ok=True)
    link = '[[link]]\ndomain = "{0}.example.com"\nproxy = "nginx"\n'
    main = HEAD.format(state=folder / state)
    if files:
        path.write_text("".join(link.format(f"l{number}") for number in range(links)))
    else:
        main += "".join(link.format(f"l{number}") for number in range(links))
    (folder / "certd.toml").write_text(main)
    return load(folder / "certd.toml", known_choices())


IN_THE_MAIN_FILE = "the main file has no link any more"
REFUSED: dict[str, tuple[int, int, dict[str, object], str]] = {
    "more than a twentieth of many": (100, 94, {}, "it would drop 6 of 100 links"),
    "a glob that matches nothing any more": (3, 3, {"files": False}, "matched 1 file and matches none now"),
    "a file that has no links any more": (3, 0, {}, "all.toml had 3 links and has none now"),
    IN_THE_MAIN_FILE: (1, 0, {"files": False}, "certd.toml had 1 link and has none now"),
    "another state folder": (3, 3, {"state": "elsewhere"}, "certd.state has changed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_accidents(tmp_path: Path, name: str) -> None:
    """The old settings stay in force, and it is said why."""
    before, after, changes, words = REFUSED[name]
    old = settings(tmp_path, before, files=name != IN_THE_MAIN_FILE)
    with pytest.raises(CertdError, match=words) as refused:
        judge_change(old, settings(tmp_path, after, **changes))  # type: ignore[arg-type]
    assert "restart" in refused.value.hint


@pytest.mark.parametrize(("before", "after"), [(100, 95), (10, 2), (3, 200)])
def test_edits(tmp_path: Path, before: int, after: int) -> None:
    """A twentieth of many, most of a few, and whatever is added."""
    judge_change(settings(tmp_path, before), settings(tmp_path, after))


def test_a_link_may_move_to_another_file(tmp_path: Path) -> None:
    """The main file has none then, and nothing is dropped."""
    judge_change(settings(tmp_path, 1, files=False), settings(tmp_path, 1))
