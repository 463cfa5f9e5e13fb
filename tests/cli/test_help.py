"""Help that teaches by example: every command has examples, and each of them is a command line that certd takes."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from certd.cli.entry import group
from certd.cli.manual import page, walk

COMMANDS = list(walk(group, ()))


def groups() -> list[tuple[tuple[str, ...], click.Command]]:
    """The commands that only hold others."""
    context = click.Context(group)
    found: list[tuple[tuple[str, ...], click.Command]] = [((), group)]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found.append(((name,), command))
    return found


def examples(command: click.Command) -> list[str]:
    """The command lines below "Examples:", without what stands behind them."""
    text = inspect.cleandoc(command.help or "")
    if "Examples:\n" not in text:
        return []
    lines = text.partition("Examples:\n")[2].splitlines()
    return [re.split(r"\s{2,}|\s[>#|]\s", line.strip())[0] for line in lines if line.strip().startswith("certd")]


@pytest.mark.parametrize(
    ("names", "command"), [*COMMANDS, *groups()], ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_teaches_by_example(names: tuple[str, ...], command: click.Command) -> None:
    """And what it shows is taken: parsed down to the last option, and not run."""
    found = examples(command)
    assert found, f"certd {' '.join(names)} --help has no examples"
    for line in found:
        parse(shlex.split(line)[1:])
    own = {*names[:1], command.name}
    assert any(line.split()[1] in own or "--config" in line or not names for line in found)


def parse(arguments: list[str]) -> None:
    """As click does it, without calling anything. Raises click.UsageError."""
    context = group.make_context("certd", list(arguments))
    command: click.Command = group
    rest = [*context._protected_args, *context.args]
    while isinstance(command, click.Group):
        name, inner, rest = command.resolve_command(context, rest)
        assert inner is not None
        assert name is not None
        command = inner
        context = command.make_context(name, list(rest), parent=context)
        rest = [*context._protected_args, *context.args]


def test_an_example_that_is_none_is_noticed() -> None:
    """The parser above refuses what certd would."""
    with pytest.raises(click.UsageError):
        parse(["renew", "--forse", "link.example.com"])
    with pytest.raises(click.UsageError):
        parse(["hold"])


@pytest.mark.lab("mandoc")
def test_the_manual_page(tmp_path: Path) -> None:
    """Every command stands in it, and neither mandoc nor groff has anything to say against it."""
    text = page(group)
    path = tmp_path / "certd.1"
    path.write_text(text)
    linted = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(path)], capture_output=True, text=True)
    assert linted.stdout + linted.stderr == ""
    shown = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=200", str(path)], capture_output=True, text=True)
    plain = re.sub(".\b", "", shown.stdout)
    for names, _ in COMMANDS:
        assert f"certd {' '.join(names)}" in plain, names
    assert "certd renew link.example.com --force" in plain
    groff = subprocess.run(["groff", "-man", "-ww", "-T", "utf8", str(path)], capture_output=True, text=True)
    assert groff.stderr == ""
