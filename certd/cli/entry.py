"""The command group, and the one place where errors become words and exit codes."""

from __future__ import annotations

import difflib
import gc
import importlib
import os
import re
import shlex
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

import certd
from certd.cli.caller import caller
from certd.cli.output import complain
from certd.config.credentials import way_out
from certd.errors import CertdError, ConfigurationError, CredentialMissing, UsageError

# Command -> (module under certd.cli, attribute, what `certd --help` shows).
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("init", "init", "Write a configuration, and say which records to set."),
    "run": ("run", "run", "The daemon, in the foreground."),
    "once": ("once", "once", "Everything that is due, until it is served or failed."),
    "renew": ("renew", "renew", "Renew what is due, or with --force the named links."),
    "plan": ("plan", "plan", "What would happen, when, and why."),
    "status": ("status", "status", "What is served, until when, and what comes next."),
    "check": ("check", "check", "Examine the whole way of a click, and say what to do."),
    "doctor": ("check", "check", "The same as check."),
    "cutover": ("cutover", "cutover", "Walk through the switch of a link's CNAME."),
    "config": ("config", "config", "Judge the configuration file."),
    "proxy-config": ("proxy_config", "proxy_config", "Write the proxy's side of a link."),
    "publish": ("publish", "publish", "Write what the store has to where the proxies read it, and exit."),
    "hold": ("hold", "hold", "Move no pointer and reload nothing for a time."),
    "import": ("imports", "imports", "Adopt certificates that exist already."),
    "forget": ("forget", "forget", "Drop a link that is in the configuration no more."),
    "revoke": ("revoke", "revoke", "Replace a certificate, see the new one served, revoke the old one."),
    "account": ("account", "account", "The account with a CA: look at it, change its key, end it."),
    "history": ("history", "history", "What happened: who, what, why."),
    "backup": ("backup", "backup", "Write the store and the seal key to a file."),
    "restore": ("backup", "restore", "Put a backup back."),
    "reseal": ("reseal", "reseal", "Close the private keys in the store with another seal key."),
    "alarm": ("alarm", "alarm", "Try the channels that tell you when something is wrong."),
    "install-service": ("install_service", "install_service", "Install certd as a systemd service."),
    "dns": ("dns", "dns", "Try the way to publish, or print the request to send to whoever runs the DNS."),
    "rehearse": ("rehearse", "rehearse", "Do all of an issuance that costs the CA nothing."),
    "reload": ("reload", "reload", "Have the running daemon read its configuration again."),
    "completion": ("completion", "completion", "What a shell reads to complete commands, options and links."),
    "manual": ("manual", "manual", "The manual page."),
}

# How click words it; a test holds it to that.
NO_COMMAND = re.compile(r"No such command '(.*?)'")

DEFAULT_CONFIG = "/etc/certd/certd.toml"


class LazyGroup(click.Group):
    """A group whose commands are imported by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        # Modules stay: no garbage is looked for while they come, nor among them later: a twentieth of `certd status`.
        gc.disable()
        command = getattr(importlib.import_module(f"certd.cli.{module}"), attribute)
        gc.freeze()
        gc.enable()
        return _with_config(command) if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, _, words) in COMMANDS.items()])


def _with_config(command: click.Command) -> click.Command:
    """The command, and those below it, which take ``--config`` behind their names, too."""
    if all("--config" not in parameter.opts for parameter in command.params):
        command.params.append(
            click.Option(["--config"], metavar="FILE", expose_value=False, hidden=True, callback=_named)
        )
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _with_config(each)
    return command


def _named(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(dict)["config"] = value


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    metavar="FILE",
    default=lambda: os.environ.get("CERTD_CONFIG", DEFAULT_CONFIG),
    help=f"The configuration file, before or after the command (also CERTD_CONFIG). [default: {DEFAULT_CONFIG}]",
)
@click.option("--debug", is_flag=True, help="Log more: the conversation with the CA, without keys or tokens.")
@click.version_option(certd.__version__, message="certd %(version)s")
@click.pass_context
def group(ctx: click.Context, config: str, debug: bool) -> None:
    """Keep the certificates of e-mail link domains alive: ordered, published, reloaded, and seen served.

    \b
    Examples:
      certd config check              judge the configuration, all mistakes at once
      certd once --wait 15m           everything that is due, until it is served
      certd renew link.example.com --force
      certd status                    what clients get, until when, and what comes next
    """
    ctx.ensure_object(dict).update({"config": config, "debug": debug, "by": caller()})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 fine, 1 it failed, 2 usage or configuration, 3 something needs attention."""
    if not sys.warnoptions:
        # What a library has to say to its developers is no user's business; `python -W default -m certd` shows it.
        warnings.simplefilter("ignore")
    known: dict[str, Any] = {}
    try:
        code = group.main(arguments, prog_name="certd", standalone_mode=False, obj=known)
        sys.exit(code if isinstance(code, int) else 0)
    except (ConfigurationError, UsageError) as error:
        complain(error)
        sys.exit(2)
    except CredentialMissing as error:
        if error.is_by_hand:
            words = sys.argv[1:] if arguments is None else arguments
            names = tuple(dict.fromkeys((error.name, *known.get("credentials", ()))))
            error.hint = way_out(names, shlex.join(["certd", *words]))
        complain(error)
        sys.exit(1)
    except CertdError as error:
        complain(error)
        sys.exit(1)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read our output has gone (`certd status | head`); that is no fault.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        complain(CertdError(f"{error.filename or 'the system'}: {error.strerror or error}"))
        sys.exit(1)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.Abort:
        complain(CertdError("stopped by you"))
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        complain(in_our_words(error))
        sys.exit(2)


def in_our_words(error: click.ClickException) -> UsageError:
    """What click says of a command line, as certd says everything: with the nearest command or option."""
    said = error.format_message().rstrip(".")
    words = said[:1].lower() + said[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return UsageError(words)
    hint = f"see `{context.command_path} --help`"
    given, known = "", []
    if isinstance(error, click.NoSuchOption):
        given = error.option_name
        known = [name for each in context.command.params for name in (*each.opts, *each.secondary_opts)]
        words = f"there is no option {given}"
    elif isinstance(context.command, click.Group) and (found := NO_COMMAND.match(said)):
        given, known = found[1], context.command.list_commands(context)
        words = f'there is no command "{context.command_path} {given}"'
    near = difflib.get_close_matches(given, [name for name in known if name.strip("-")], n=1) if given else []
    if near:
        hint = f"did you mean `{context.command_path} {near[0]}`?"
    return UsageError(words, hint=hint)
