"""Completion as people have it: real shells at a terminal, set up as ``certd completion`` says, and the tabulator key.

What a line was completed to is told by the shell itself, when it runs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_transcripts import GOOD, ROOT, certd
from tests.lab.terminal import Terminal

pytestmark = pytest.mark.lab("shells")

LINKS = '\n[[link]]\ndomain = "*.brand.example.com"\nproxy = "nginx"\n'

# A prompt to wait for, and a word before each command that is run.
BASH = """
PS1='READY> '
HISTFILE=
source {home}/completion
trap 'printf "RAN:%s:\\n" "$BASH_COMMAND"' DEBUG
"""
ZSH = """
PROMPT='READY> '
fpath=({home}/site-functions $fpath)
autoload -Uz compinit
compinit -u -D
preexec() {{ print -r -- "RAN:$1:" }}
"""
FISH = """
function fish_prompt; echo -n 'READY> '; end
function fish_greeting; end
function told --on-event fish_preexec; echo "RAN:$argv:"; end
"""


def in_bash(home: Path) -> list[str]:
    (home / "completion").write_text(certd(home, "completion", "bash").stdout)
    (home / "bashrc").write_text(BASH.format(home=home))
    return ["bash", "--noprofile", "--rcfile", str(home / "bashrc"), "-i"]


def in_zsh(home: Path) -> list[str]:
    (home / "site-functions").mkdir()
    (home / "site-functions" / "_certd").write_text(certd(home, "completion", "zsh").stdout)
    (home / ".zshrc").write_text(ZSH.format(home=home))
    return ["zsh", "-d", "-i"]


def in_fish(home: Path) -> list[str]:
    folder = home / ".config" / "fish"
    (folder / "completions").mkdir(parents=True)
    (folder / "completions" / "certd.fish").write_text(certd(home, "completion", "fish").stdout)
    (folder / "config.fish").write_text(FISH)
    return ["fish", "-i"]


SHELLS: dict[str, Callable[[Path], list[str]]] = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}

# What is typed before the tabulator, and what stands there then.
COMPLETED = {
    "certd rene": "certd renew",
    "certd renew --fo": "certd renew --force",
    "certd renew li": "certd renew link.example.com",
    "certd import certb": "certd import certbot",
}

# The shell's own command that does nothing, put in front of the line.
TO_THE_START, DOES_NOTHING = "\x01", ": "


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, short_path: Path) -> tuple[list[str], dict[str, str]]:
    """Its command line and environment, with ``certd`` on the PATH and a configuration with two links."""
    (short_path / "certd.toml").write_text(GOOD.format(folder=short_path) + LINKS)
    program = short_path / "bin" / "certd"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom certd.cli import main\nmain()\n")
    program.chmod(0o755)
    environment = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(short_path),
        "ZDOTDIR": str(short_path),
        "XDG_CONFIG_HOME": str(short_path / ".config"),
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "CERTD_CONFIG": str(short_path / "certd.toml"),
        "CERTD_STATE": str(short_path / "state"),
    }
    return SHELLS[request.param](short_path), environment


def test_the_tabulator_completes(shell: tuple[list[str], dict[str, str]]) -> None:
    """Commands, options, links of the configuration and what stands behind another command's name; the second one of a
    shell goes another way through zsh's script than the first.
    """
    argv, environment = shell
    with Terminal(argv, environment) as terminal:
        terminal.wait_for("READY> ")
        for typed, wanted in COMPLETED.items():
            terminal.press(f"{typed}\t")
            terminal.wait_for(f"{typed}.*{wanted[len(typed) :]}")
            terminal.press(f"{TO_THE_START}{DOES_NOTHING}\r")
            told = terminal.wait_for("RAN:: (.*?):")[1]
            assert told.strip() == wanted
            terminal.wait_for("READY> ")


def test_the_tabulator_lists(shell: tuple[list[str], dict[str, str]]) -> None:
    """Where several fit, all of them are shown."""
    argv, environment = shell
    with Terminal(argv, environment) as terminal:
        terminal.wait_for("READY> ")
        terminal.press("certd c\t\t")
        for name in ("check", "completion", "config", "cutover"):
            terminal.wait_for(rf"\b{name}\b")
