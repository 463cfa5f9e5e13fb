"""``certd manual``: the manual page, made of the commands' own help, so that no command is missing in it (man(7))."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

import certd

# Of the commands' last change; man(7) wants one.
DATE = "2026-11-24"

SECTIONS = """\
.SH EXIT STATUS
.TP
.B 0
Fine.
.TP
.B 1
It failed.
.TP
.B 2
Usage or configuration.
.TP
.B 3
Something needs attention (status, check), or is still pending (once, renew).
.SH FILES
.TP
.I /etc/certd/certd.toml
The configuration.
.TP
.I /var/lib/certd/private
The store and the keys that open it; mode 0700.
.TP
.I /var/lib/certd/public
What proxies read.
.TP
.I /var/lib/certd/control.sock
How an operator asks the running daemon; its group says who may.
.SH ENVIRONMENT
.TP
.B CERTD_CONFIG
The configuration file, where \\-\\-config is not given.
"""


@click.command()
@click.pass_context
def manual(context: click.Context) -> None:
    """Print the manual page for man(1).

    \b
    Examples:
      certd manual > /usr/local/share/man/man1/certd.1
    """
    click.echo(page(context.find_root().command), nl=False)


def page(root: click.Command) -> str:
    """The whole page in roff."""
    lines = [
        f'.TH CERTD 1 {DATE} "certd {certd.__version__}" "certd"',
        ".SH NAME",
        "certd \\- keep the certificates of e\\-mail link domains alive",
        ".SH SYNOPSIS",
        ".B certd",
        "[\\fI\\,options\\/\\fR] \\fI\\,command\\/\\fR [\\fI\\,arguments\\/\\fR]",
        ".SH DESCRIPTION",
        *paragraphs(root),
        ".SH OPTIONS",
        *options(root),
        ".SH COMMANDS",
    ]
    for names, command in walk(root, ()):
        lines.append(f".SS {escape(' '.join(('certd', *names, *arguments(command))))}")
        lines += paragraphs(command)
        lines += options(command)
    return "\n".join(lines) + "\n" + SECTIONS


def walk(command: click.Command, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with its full name."""
    if not isinstance(command, click.Group):
        if not command.hidden:
            yield names, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        if inner is not None:
            yield from walk(inner, (*names, name))


def arguments(command: click.Command) -> list[str]:
    """As the usage line has them."""
    context = click.Context(command)
    return [
        piece
        for parameter in command.params
        if isinstance(parameter, click.Argument)
        for piece in parameter.get_usage_pieces(context)
    ]


def paragraphs(command: click.Command) -> list[str]:
    """Paragraphs; what click keeps as it is (after a backspace character) is kept here, too."""
    lines = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if "\b" not in paragraph:
            lines += [".PP", escape(" ".join(paragraph.split()))]
            continue
        title, *rest = [line for line in paragraph.splitlines() if line.strip() != "\b"]
        lines += [".PP", escape(title.strip()), ".PP", ".nf", ".RS 4"]
        lines += [escape(line.strip()) for line in rest]
        lines += [".RE", ".fi"]
    # A heading begins a paragraph itself.
    return lines[1:]


def options(command: click.Command) -> list[str]:
    """One paragraph each."""
    context = click.Context(command)
    lines = []
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option) and not parameter.hidden:
            lines += [".TP", f".B {escape(record[0])}", escape(record[1])]
    return lines


def escape(text: str) -> str:
    """Neither a hyphen becomes another dash, nor a first dot a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)
