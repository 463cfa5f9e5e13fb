"""The references in ``docs``, written from the program: ``python -m tests.reference`` brings them up to date."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from certd.cli.entry import group
from certd.cli.manual import arguments, walk
from certd.config import schema
from certd.diagnosis.checklist import CHECKS
from certd.planning.acme_errors import table_in_words
from certd.targets.registry import KINDS

DOCS = Path(__file__).resolve().parents[1] / "docs"
WIDTH = 110

# The tables of the file in the order in which they are shown.
MODELS: Mapping[str, type[BaseModel]] = {
    "certd": schema.CertdTable,
    "network": schema.NetworkTable,
    "issuer.NAME": schema.IssuerTable,
    "dns.NAME": schema.DnsTable,
    "proxy.NAME": schema.ProxyTable,
    "esp.NAME": schema.EspTable,
    "alarms": schema.AlarmsTable,
    "defaults": schema.DefaultsTable,
    "link": schema.LinkTable,
}

# The name of an example, where NAME would be taken for a kind.
NAMES = {"issuer.NAME": "issuer.letsencrypt", "proxy.NAME": "proxy.nginx"}

# What is shown where there is no default, or where the default depends on something else.
SHOWN: Mapping[str, Any] = {
    "issuer.NAME.eab": {"kid": "...", "hmac": "file:..."},
    "issuer.NAME.staging": "",
    "issuer.NAME.orders_in_3_hours": 0,
    "issuer.NAME.weekly_per_domain": 0,
    "dns.NAME.provider": "rfc2136",
    "dns.NAME.anycast_grace": "0s",
    "dns.NAME.cname_zones": ["acme.example.com"],
    "proxy.NAME.kind": "nginx",
    "proxy.NAME.check": ["nginx", "-t", "-q"],
    "proxy.NAME.endpoints": ["127.0.0.1:443", "[::1]:443"],
    "proxy.NAME.group": "certd-read",
    "esp.NAME.upstream": "https://upstream.example",
    "esp.NAME.probe": "/",
    "esp.NAME.expect": [],
    "esp.NAME.forwarded_host": False,
    "esp.NAME.hosts": [],
    "alarms.route": [{"match": {"brand": "x"}, "webhook": "file:/etc/certd/webhook-x"}],
    "defaults.issuer": "letsencrypt",
    "defaults.dns": "",
    "defaults.proxy": [],
    "defaults.key": "ecdsa-p256",
    "defaults.reuse_key": False,
    "defaults.esp": "none",
    "defaults.front": "",
    "defaults.labels": {},
    "defaults.association_files": {},
    "defaults.target": [],
    "defaults.click_every": "5m",
    "defaults.challenge": "auto",
    "link.domain": "link.example.com",
}

# Members that other chapters describe: they belong to one provider or one kind of proxy.
ELSEWHERE = frozenset({"dns.NAME.options", *(f"proxy.NAME.{kind}" for kind in KINDS)})

MARKS = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def described(model: type[BaseModel]) -> dict[str, str]:
    """What stands below each member of a table, its own and those that it inherits."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if each.__module__ != schema.__name__:
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(body, ast.ClassDef)
        for member, below in zip(body.body, body.body[1:], strict=False):
            is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            if isinstance(member, ast.AnnAssign) and is_text and isinstance(member.target, ast.Name):
                found[member.target.id] = " ".join(str(ast.literal_eval(ast.unparse(below))).split())
    return found


def default_of(model: type[BaseModel], member: str) -> Any:
    """As TOML would say it; None where there is none."""
    value = model.model_fields[member].get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None:
        return None
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        return f"{seconds // 60}m" if seconds % 60 == 0 and seconds > 60 else f"{seconds}s"
    return list(value) if isinstance(value, tuple) else value


def as_toml(value: Any) -> str:
    """With inline tables."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list():
            return "[" + ", ".join(map(as_toml, value)) + "]"
        case dict():
            inner = ", ".join(f"{name} = {as_toml(each)}" for name, each in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case _:
            return str(value)


def members(where: str, model: type[BaseModel], names: list[str]) -> Iterator[str]:
    """Lines of TOML: what a key means as a comment, and the key with its default."""
    texts = described(model)
    for name in names:
        if f"{where}.{name}" in ELSEWHERE:
            continue
        plain = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", texts[name])
        yield from textwrap.wrap(plain, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        yield f"{name} = {as_toml(SHOWN.get(f'{where}.{name}', default_of(model, name)))}"


def configuration() -> str:
    """The whole file with every key."""
    lines = list(members("", schema.MainFile, ["include", "links_from"]))
    for where, model in MODELS.items():
        title = f"[[{where}]]" if where == "link" else f"[{NAMES.get(where, where)}]"
        names = ["domain", "name"] if where == "link" else list(model.model_fields)
        lines += ["", title, *members(where, model, names)]
    return "```toml\n" + "\n".join(lines) + "\n```\n"


def commands() -> str:
    """Each command with its help and its options."""
    parts = []
    for names, command in walk(group, ()):
        title = " ".join(("certd", *names, *arguments(command)))
        parts.append(f"## {title}\n")
        for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
            if "\b" in paragraph:
                lines = [line.strip() for line in paragraph.splitlines()[1:] if line.strip().startswith("certd ")]
                shown = [re.sub(r" {2,}", "   # ", line) for line in lines]
                parts.append("```\n" + "\n".join(shown) + "\n```\n")
            else:
                parts.append(" ".join(paragraph.split()).replace("|", "\\|") + "\n")
        context = click.Context(command)
        rows = [
            record
            for parameter in command.params
            if isinstance(parameter, click.Option) and not parameter.hidden
            if (record := parameter.get_help_record(context)) is not None and "--help" not in record[0]
        ]
        if rows:
            parts.append("\n".join(f"- `{name}`: {words}" for name, words in rows) + "\n")
    return "\n".join(parts)


def checks() -> str:
    """The doctor's checks; a check's own sentence stands in its docstring."""
    rows = ["| code | name | group | passes when |", "|---|---|---|---|"]
    for check in CHECKS:
        words = " ".join((check.judge.__doc__ or "").split()).removeprefix(f"{check.code}: ").replace("``", "`")
        rows.append(f"| {check.code} | `{check.name}` | {check.group} | {words[0].upper()}{words[1:]} |")
    return "\n".join(rows) + "\n"


WRITERS = {"configuration": configuration, "commands": commands, "checks": checks, "refusals": table_in_words}


def current(text: str) -> str:
    """A document with its generated parts as the program has them now."""
    return MARKS.sub(lambda match: f"{match[1]}\n{WRITERS[match[2]]()}\n{match[3]}", text)


def main() -> None:
    """Write the documents that have generated parts."""
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text()
        if current(text) != text:
            path.write_text(current(text))
            print(f"written: {path.name}")


if __name__ == "__main__":
    main()
