"""``certd completion``: what a shell reads to complete certd's commands, options and links."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_CERTD_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion of commands, options and links for SHELL.

    \b
    Examples:
      certd completion bash > /etc/bash_completion.d/certd
      certd completion zsh > /usr/local/share/zsh/site-functions/_certd
      certd completion fish > /etc/fish/completions/certd.fish
    """
    root = context.find_root()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 (click knows all three)
    click.echo(kind(root.command, {}, "certd", VARIABLE).source())
