"""``certd completion``: what a shell reads to complete certd's commands, options and links."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_CERTD_COMPLETE"

# zsh loads the script from its fpath at the first completion of a shell, and click's then completes without registering
# its function; that is what it does at the second one instead of completing, which so gave nothing (zsh 5.9, click 8).
AFTERWARDS = {"zsh": "\ncompdef _certd_completion certd"}


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the shell completion of commands, options and links for SHELL.

    \b
    Examples:
      certd completion bash > /etc/bash_completion.d/certd
      certd completion zsh > /usr/local/share/zsh/site-functions/_certd
      certd completion fish > /etc/fish/completions/certd.fish
    """
    root = context.find_root()
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 (click knows all three)
    click.echo(kind(root.command, {}, "certd", VARIABLE).source() + AFTERWARDS.get(shell, ""))
