"""What the documents say is true: examples load, commands parse, keys and defaults are those of the program, and what
is named is there.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from certd.cli.entry import COMMANDS, group
from certd.config import schema
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.dns.providers import lexicon
from certd.dns.registry import PROVIDERS
from certd.targets.registry import KINDS
from tests import reference as references
from tests.reference import MODELS

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
CDNS = ROOT / "docs" / "cdns.md"
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "config/**/*.md", "certd/**/*.md")
    for path in ROOT.glob(pattern)
    if path.is_file()
)

# What an example without these is completed with.
BASE = """
issuer.letsencrypt.terms_agreed = true
[dns.corp]
provider = "rfc2136"
server = "192.0.2.53"
tsig = "file:/etc/certd/tsig.key"
[[link]]
domain = "link.example.com"
dns = "corp"
proxy = "nginx"
"""


def fenced(path: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each block of code."""
    for match in re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
        yield match[1], match[2]


def named(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def tables(path: Path) -> list[str]:
    return [text for language, text in fenced(path) if language == "toml"]


def reference() -> dict[str, Any]:
    """The block with every key."""
    return tomllib.loads(references.configuration().removeprefix("```toml\n").removesuffix("```\n"))


# ---------------------------------------------------------------------------------------- what is generated


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_generated_parts_are_current(path: Path) -> None:
    """``python -m tests.reference`` writes them."""
    text = path.read_text()
    assert references.current(text) == text, f"{path.name} is not up to date: python -m tests.reference"


def test_all_that_can_be_generated_is() -> None:
    """Each writer has its place in one document."""
    marks = [match[2] for path in DOCUMENTS for match in references.MARKS.finditer(path.read_text())]
    assert sorted(marks) == sorted(references.WRITERS)


def test_every_table_has_a_definition_here() -> None:
    """A new table of the file must be documented like the others."""
    members = set(schema.MainFile.model_fields) - {"include", "links_from"}
    assert members == {where.partition(".")[0] for where in MODELS}


@pytest.mark.parametrize("where", MODELS)
def test_the_reference_is_what_is_checked(where: str) -> None:
    """Every key of a table stands in the reference with its default or an example, and says what it is."""
    model, name = MODELS[where], references.NAMES.get(where, where)
    first, _, second = name.partition(".")
    found = reference()[first]
    said = found[0] if isinstance(found, list) else found[second] if second else found
    wanted = {member for member in model.model_fields if f"{where}.{member}" not in references.ELSEWHERE}
    wanted = {"domain", "name"} if where == "link" else wanted
    assert set(said) == wanted
    texts = references.described(model)
    assert [member for member in wanted if not texts.get(member, "").endswith((".", ")", "`"))] == []
    for member, value in said.items():
        expected = references.default_of(model, member)
        if f"{where}.{member}" not in references.SHOWN:
            assert value == expected, f"{where}.{member}"


def test_a_stale_reference_is_noticed() -> None:
    """The judge itself: a key that is described otherwise, a command that is not there."""
    path = ROOT / "docs" / "configuration.md"
    stale = path.read_text().replace('listen = "127.0.0.1:9180"', 'listen = "127.0.0.1:9181"')
    assert references.current(stale) != stale


def test_amazons_table_is_what_is_checked() -> None:
    """Its keys stand in their own chapter, each once, and no other."""
    (text,) = [text for text in tables(CDNS) if ".acm]" in text]
    assert set(tomllib.loads(text)["proxy"]["cdn"]["acm"]) == set(schema.AcmTable.model_fields)


def test_every_provider_and_option_is_named() -> None:
    """In the table of providers, beside its provider."""
    text = (ROOT / "docs" / "dns.md").read_text()
    missing = []
    all_options = {name: kind.options for name, kind in PROVIDERS.items()}
    for name, options in {**all_options, "lexicon:<vendor>": lexicon.SCHEMA.options}.items():
        row = re.search(rf"^\| `{re.escape(name)}` \|.*$", text, re.MULTILINE)
        missing += [f"{name}: {option.name}" for option in options if row is None or f"`{option.name}`" not in row[0]]
    assert missing == []


def test_every_kind_of_proxy_is_named() -> None:
    """In the table of proxies."""
    text = (ROOT / "docs" / "proxies.md").read_text()
    assert [kind for kind in KINDS if f"| `{kind}` |" not in text] == []


def test_the_readme_is_short() -> None:
    """It ends where the pages begin."""
    assert README.stat().st_size <= 9 * 1024


@pytest.mark.parametrize(
    ("path", "number"),
    [(path, number) for path in DOCUMENTS for number in range(len(tables(path)))],
    ids=lambda value: value.name if isinstance(value, Path) else str(value),
)
def test_examples_load(path: Path, number: int, tmp_path: Path) -> None:
    """Each block of TOML, alone or with the smallest configuration around it."""
    text = tables(path)[number]
    said = tomllib.loads(text)
    if "links_from" in said:
        return  # the reference shows every member at once; it is judged above
    file = tmp_path / "certd.toml"
    whole = dict(said) if "link" in said else merged(tomllib.loads(BASE), said)
    if "link" in said and "dns" not in said and "[dns" not in text:
        whole = merged({k: v for k, v in tomllib.loads(BASE).items() if k != "link"}, said)
    if "issuer" not in whole:
        whole["issuer"] = {"letsencrypt": {"terms_agreed": True}}
    file.write_text(written(whole))
    for name in re.findall(r"(?:ca_file|roots) *= *\"(/[^\"]+)\"", text):
        file.write_text(file.read_text().replace(name, str(tmp_path / "certd.toml")))
    load(file, known_choices(), {"HOSTNAME": "host", "NODE": "host", "POD": "host", "NODE_NAME": "host"})


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables in one."""
    made = dict(base)
    for name, value in more.items():
        both = isinstance(value, dict) and isinstance(made.get(name), dict)
        made[name] = merged(made[name], value) if both else value
    return made


def written(table: Mapping[str, Any]) -> str:
    """As TOML, with inline tables."""

    def value(it: Any) -> str:
        match it:
            case bool():
                return str(it).lower()
            case str():
                return '"' + it.replace("\\", "\\\\").replace('"', '\\"') + '"'
            case list():
                return "[" + ", ".join(map(value, it)) + "]"
            case dict():
                return "{" + ", ".join(f"{value(k)} = {value(v)}" for k, v in it.items()) + "}"
            case _:
                return str(it)

    return "".join(f"{name} = {value(it)}\n" for name, it in table.items())


# ---------------------------------------------------------------------------------------- commands


def commands() -> list[tuple[str, str]]:
    """Every ``certd ...`` of every document: in blocks, one a line; within a sentence, in backticks."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text()
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        lines = [
            line for language, block in fenced(path) if language in {"", "sh", "console"} for line in block.split("\n")
        ]
        lines = [re.sub(r"^\s*(?:[$#] |sudo |podman exec \S+ |docker compose exec \S+ )+", "", line) for line in lines]
        found += [(path.name, line) for line in lines if re.match(r"\s*(?:\S*/)?certd [a-z-]", line)]
        found += [(path.name, words) for words in re.findall(r"`(?:sudo )?(certd [^`\n]+)`", prose)]
    return found


def arguments(words: str) -> list[str]:
    """As a shell would take them, without comments, pipes and what stands for something."""
    # Of show\\|rollover in a table the first is tried.
    words = re.sub(r"(\w+)(?:\\\|[^\s\]]+)+", r"\1", words)
    words = re.split(r"\s+#|\s*[|>&;]|\s<", words)[0]
    # [LINK...] and [--wait 15m] of a synopsis are given once.
    words = re.sub(r"\[([^\]]*?)(?:\.\.\.)?\]", r"\1", words)
    return shlex.split(words)[1:]


@pytest.mark.parametrize(("document", "words"), commands(), ids=lambda value: value.replace(" ", "-")[:60])
def test_commands_parse(document: str, words: str) -> None:
    """Each names a command that is there, with options that it has."""
    said = [word for word in arguments(words) if word != "..."]
    context = click.Context(group, info_name="certd")
    command: click.Command = group
    rest = group.make_parser(context).parse_args(list(said))[1] if said and said[0].startswith("-") else said
    if not rest:
        return
    while isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest[0])
        assert found is not None, f"{document}: {words!r}: there is no {rest[0]}"
        command, rest = found, rest[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    try:
        command.make_parser(context).parse_args(list(rest))
    except click.ClickException as error:
        raise AssertionError(f"{document}: {words!r}: {error.format_message()}") from error


def test_every_command_is_documented() -> None:
    """With a heading of its own."""
    text = (ROOT / "docs" / "commands.md").read_text()
    assert [name for name in COMMANDS if not re.search(rf"^## certd {name}\b", text, re.MULTILINE)] == []


def test_make_targets_are_there() -> None:
    """Each ``make X`` of a document."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCUMENTS:
        said = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", path.read_text(), re.MULTILINE))
        assert said - targets == set(), path.name


# ---------------------------------------------------------------------------------------- what is named


def test_files_that_are_named_are_there() -> None:
    """Links between documents, and paths of the checkout in backticks."""
    missing = []
    for path in DOCUMENTS:
        text = path.read_text()
        prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        targets = [path.parent / target for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
        names = re.findall(r"`((?:tests|config|certd|systemd|docs|requirements|\.ci)/[\w./-]+)`", prose)
        targets += [ROOT / name for name in names]
        missing += [f"{path.name}: {target}" for target in targets if not target.exists()]
    assert missing == []


def test_headings_that_are_linked_are_there() -> None:
    """``#anchors`` as GitHub makes them."""
    for path in DOCUMENTS:
        text = path.read_text()
        titles = re.findall(
            r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
        )
        anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
        assert set(re.findall(r"\]\(#([^)]+)\)", text)) - anchors == set(), path.name


def test_tests_that_are_named_are_there() -> None:
    """Functions, files: what a promise is shown by."""
    sources = {path: path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    names = {name for text in sources.values() for name in re.findall(r"def (test_\w+)", text)}
    names |= {path.name for path in sources}
    for path in DOCUMENTS:
        said = set(re.findall(r"`(?:tests/[\w/]+/)?(test_\w+(?:\.py)?)(?:::\w+)?`", path.read_text()))
        assert said - names == set(), path.name


def test_every_promise_names_its_test() -> None:
    """In the table of promises, each row."""
    text = (ROOT / "docs" / "design.md").read_text()
    table = text[text.index("| promise |") :].split("\n\n")[0].splitlines()[2:]
    assert len(table) >= 14
    assert [row for row in table if not re.search(r"`(?:tests/|test_)", row.rsplit("|", 2)[1])] == []


def test_nothing_names_a_machine() -> None:
    """No document has the path or the address of somebody's own machine in it."""
    for path in DOCUMENTS:
        text = path.read_text()
        assert not re.search(r"/root/|/home/\w|/tmp/\w|C:\\\\", text), path.name
        own = references.MARKS.sub("", text)
        assert len(own.splitlines()) <= 500, f"{path.name} is too long"


def test_the_documents_of_a_project_are_there() -> None:
    """What a user and a contributor look for."""
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE"):
        assert (ROOT / name).stat().st_size > 500, name
