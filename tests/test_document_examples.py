"""Each example of the documents against the program itself: whole command lines, the reference, fragments in a
sentence, what containers are told to run, the records to set, the files, and what is shown.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped, unused-ignore]
from pydantic import TypeAdapter

from certd.cli.cutover import _show as show_steps
from certd.cli.entry import group
from certd.cli.init_template import InitAnswers, configuration_text, records_to_set
from certd.clicks.model import CutoverNotes
from certd.config.choices import known_choices
from certd.config.loader import load
from certd.diagnosis.checklist import CHECKS
from certd.dns.registry import PROVIDERS
from certd.planning.cutover import noted, steps
from tests.reference import MODELS
from tests.test_documents import (
    DOCUMENTS,
    README,
    ROOT,
    arguments,
    commands,
    fenced,
    merged,
    reference,
    written,
)
from tests.unit import test_cutover as switch

BEGINNING = InitAnswers(
    domains=("link.example.com",), dns="responder", proxy="nginx", esp="sendgrid", address="192.0.2.10"
)
STATE = ROOT / "tests" / "fixtures" / "state-0.1.0-early"


def block(path: Path, beginning: str) -> str:
    """The one block of a document that begins so."""
    (found,) = [text for _, text in fenced(path) if text.startswith(beginning)]
    return found


# ---------------------------------------------------------------------------------------- commands


def refused(said: list[str]) -> tuple[click.ClickException | None, list[str]]:
    """What a command line is refused for, types and choices and what must be there included; the commands in it."""
    names: list[str] = []
    inner: click.Command = group
    try:
        context = group.make_context("certd", list(said), obj={})
        while isinstance(inner, click.Group) and (rest := [*context._protected_args, *context.args]):
            found = inner.get_command(context, rest[0])
            assert found is not None
            names.append(rest[0])
            inner = found
            context = inner.make_context(rest[0], rest[1:], parent=context)
    except click.exceptions.Exit:
        return None, names
    except click.ClickException as error:
        return error, names
    return None, names


@pytest.mark.parametrize(("document", "words"), commands(), ids=lambda value: value.replace(" ", "-")[:60])
def test_commands_are_whole(document: str, words: str) -> None:
    """Each is taken by the command itself. In a sentence a command may be called by its name alone."""
    said = [word for word in arguments(words) if word != "..."]
    error, names = refused(said)
    is_name = isinstance(error, click.MissingParameter) and said == names and (document, words) not in in_blocks()
    assert error is None or is_name, f"{document}: {words}: {error.format_message()}"


def test_what_is_not_whole_is_refused() -> None:
    """The judge: an option too many, a word that is no choice, a word that is missing."""
    for words in ("certd status --nope", "certd completion tcsh", "certd cutover", "certd renew --count many"):
        assert refused(words.split()[1:])[0] is not None, words


def in_blocks() -> set[tuple[str, str]]:
    """The commands that stand in blocks, to be typed as they are."""
    return {(path.name, line) for path in DOCUMENTS for _, text in fenced(path) for line in text.splitlines()}


def test_what_compose_is_told_to_run() -> None:
    """The file, its services, and certd's own commands behind them; proxy-config's output goes where nginx reads it."""
    lines = block(README, "docker compose").splitlines()
    assert len(lines) == 5
    for line in lines:
        words = shlex.split(line.partition(">")[0])
        assert words[:3] == ["docker", "compose", "-f"]
        document = yaml.safe_load((ROOT / words[3]).read_text())
        assert words[4] in {"build", "run", "up", "exec"}
        rest = [word for word in words[5:] if word not in {"--rm", "-d"}]
        if not rest:
            continue
        assert rest[0] in document["services"]
        # The image's entry point is certd; `exec` starts no entry point.
        own = rest[2:] if words[4] == "exec" else rest[1:]
        assert (rest[1] == "certd") is (words[4] == "exec")
        context = group.make_context("certd", own, obj={})
        assert group.get_command(context, own[0]) is not None
        if ">" in line:
            folder = Path(line.partition(">")[2].strip()).parent
            mounted = [mount.split(":")[0] for mount in document["services"]["nginx"]["volumes"]]
            assert [mount for mount in mounted if (ROOT / words[3]).parent / mount == ROOT / folder]


def test_the_tutorial_names_what_is_installed() -> None:
    """Units that are enabled are there, paths are those that the commands write; the rest is run by tests/system."""
    text = block(README, "python3 -m venv /opt/certd")
    (line,) = re.findall(r"^systemctl enable --now (.*?)\s+#", text, re.MULTILINE)
    for unit in line.split():
        name = re.sub(r"@\w+\.", "@.", unit if "." in unit else f"{unit}.service")
        assert (ROOT / "systemd" / name).is_file(), unit
    assert "/opt/certd/bin/certd run" in (ROOT / "systemd" / "certd.service").read_text()


# ---------------------------------------------------------------------------------------- configuration


def test_the_reference_is_a_configuration(tmp_path: Path) -> None:
    """All of it at once by the reader itself, with what no default can know: the terms, a server, who uses what."""
    more = {
        "links_from": ["domains.txt"],
        "issuer": {"letsencrypt": {"terms_agreed": True}},
        "dns": {"NAME": {"server": "192.0.2.53", "tsig": "file:tsig.key"}},
        "defaults": {"dns": "NAME", "proxy": ["nginx"]},
    }
    (tmp_path / "domains.txt").write_text("more.example.com\n")
    path = tmp_path / "certd.toml"
    path.write_text(written(merged(reference(), more)))
    settings = load(path, known_choices(), {"HOSTNAME": "host"})
    assert [link.name for link in settings.links] == ["link.example.com", "more.example.com"]


def uncommented(text: str) -> str:
    """With every table and member that stands there as a comment."""
    return re.sub(r"^# (?=\[[\w.-]+\]|\w+ += )", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("edit", [str, uncommented], ids=["as it stands", "with all that is commented out"])
def test_the_example_file_is_a_configuration(tmp_path: Path, edit: Callable[[str], str]) -> None:
    """What `certd install-service` puts there to begin with; its other tables are right, too."""
    text = (ROOT / "config" / "certd.toml").read_text()
    path = tmp_path / "certd.toml"
    # With the second way to publish there, a link must say which.
    path.write_text(edit(text).replace("[[link]]\n", '[[link]]\ndns = "corp"\n'))
    settings = load(path, known_choices(), {"HOSTNAME": "host"})
    assert [link.name for link in settings.links] == ["link.example.com"]
    assert set(settings.dns) == ({"corp"} if edit is str else {"corp", "own"})


@pytest.mark.parametrize("dns", PROVIDERS)
def test_all_that_init_comments_out_is_right(tmp_path: Path, dns: str) -> None:
    """Whoever takes a comment mark away has a configuration still."""
    path = tmp_path / "certd.toml"
    path.write_text(uncommented(configuration_text(replace(BEGINNING, dns=dns))))
    settings = load(path, known_choices(), {"HOSTNAME": "host"})
    assert [link.name for link in settings.links] == ["link.example.com"]
    assert "letsencrypt-staging" in settings.issuers
    assert settings.alarms.webhook


def fragments() -> list[tuple[str, str]]:
    """``key = value`` in backticks, in a sentence."""
    found = []
    for path in DOCUMENTS:
        prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        # With spaces around it; systemd's settings have none.
        found += [(path.name, words) for words in re.findall(r"`([a-z_.]+ = [^`\n]+)`", prose)]
    return found


def test_there_are_fragments() -> None:
    """A pattern that matches nothing would test nothing."""
    assert len(fragments()) >= 5


@pytest.mark.parametrize(("document", "words"), fragments())
def test_fragments_are_taken(document: str, words: str) -> None:
    """A key of one of the tables, with a value of its type."""
    ((key, value),) = tomllib.loads(words.replace("...", "host/certd")).items()
    taken: list[Any] = []
    for model in MODELS.values():
        if key in model.model_fields:
            field = model.model_fields[key]
            adapter: TypeAdapter[Any] = TypeAdapter(field.annotation or Any)
            taken.append(adapter.validate_python(value))
    assert taken, f"{document}: no table has {key}"


# ---------------------------------------------------------------------------------------- what is shown


def test_the_records_are_those_that_init_prints() -> None:
    """Type, name and value of each."""
    said = "\n".join(records_to_set(BEGINNING))
    printed = {tuple(line.split()) for line in said.splitlines() if line.startswith("    ")}
    shown = [
        tuple(line.partition("(")[0].split())
        for line in block(ROOT / "docs" / "dns.md", "_acme-challenge.").splitlines()
    ]
    assert len(shown) == 2
    assert set(shown) <= printed
    # "and its address"
    assert printed - set(shown) == {("ns1.acme.example.com.", "A", "192.0.2.10")}


def test_the_files_are_there() -> None:
    """Each path of the list, in a state folder that a certd left; the two that are there only while it runs aside."""
    text = block(ROOT / "docs" / "install.md", "<state>/private/")
    for line in text.splitlines():
        path, words = re.split(r"\s{2,}", line, maxsplit=1)
        pattern = re.sub(r"<\w+>", "*", path.removeprefix("<state>/")).rstrip("/")
        if pattern == "control.sock":
            continue
        found = list(STATE.glob(pattern))
        assert found, path
        if ".pem" in words:
            wanted = {f"{name.strip()}.pem" for name in words.partition(".pem")[0].split(",")}
            assert {each.name for folder in found for each in folder.iterdir()} == wanted
        if pattern == "private":
            wanted = set(re.findall(r"[\w-]+\.(?:db|key|lock)", words)) - {"certd.lock"}
            assert {each.name for each in found[0].iterdir()} == wanted


def test_the_steps_of_the_switch_are_shown_so(capsys: pytest.CaptureFixture[str]) -> None:
    """As ``certd cutover`` prints them where the TTL is low and the CNAME still leads to the service."""
    seen = switch.evidence()
    made = steps(seen, noted(CutoverNotes(host=switch.HOST), seen, switch.NOW), switch.NOW)
    show_steps(made, {})
    printed = capsys.readouterr().out
    shown = block(ROOT / "docs" / "link-domains.md", "done 3. lower the TTL")
    for line in shown.splitlines():
        # Where it leads to is the look's to say, and stands for itself elsewhere.
        known = line.strip().replace("it points at the e-mail service itself (sendgrid.net)", "words")
        known = known.replace("60  IN  CNAME  edge.example.com.", "")
        assert known in printed, printed


def test_the_checks_that_are_shown_are_there() -> None:
    """Code, name and group of each line of the doctor's, in its order; its words stand in the program."""
    sources = "\n".join(path.read_text() for path in sorted((ROOT / "certd").rglob("*.py")))
    known = {check.code: (check.group, check.name) for check in CHECKS}
    group_shown = ""
    lines = block(ROOT / "docs" / "link-domains.md", "link.example.com\n  DNS").splitlines()
    for line in lines[1:]:
        if row := re.fullmatch(r"    (?:ok|warn|FAIL) +([A-Z]\d+) +(\S+) +(.*)", line):
            assert known[row[1]] == (group_shown, row[2])
        elif hint := re.fullmatch(r" +hint: (.*)", line):
            assert hint[1] in sources
        else:
            group_shown = line.strip()
    for words in ("it points at the e-mail service itself (", "clients are shown the e-mail service's own certificate"):
        assert words in "\n".join(lines)
        assert words in sources
