"""Documents and help are written in plain sentences: short ones, in today's words (docs/glossary.md has the terms)."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from certd.cli.entry import group
from certd.cli.manual import walk
from tests.test_documents import DOCUMENTS, ROOT

LONGEST = 30
AVERAGE = 20

# Words that an operator has to read twice, and what to write instead.
UNPLAIN = {
    r"\banew\b": "again",
    r"\bno more\b": "no longer",
    r"\bis none\b": "is not a ...",
    r"\bwhoever\b": "who, or a name",
    r"\bowed\b": "what must be removed",
    r"\blane\b": "dependency",
    r"\bso that\b.*\bso that\b": "two sentences",
    r"\bmend(?:s|ed)?\b": "fix, correct, repair",
}

# What users see in examples of output, and the file formats of other projects.
QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"")


def prose(text: str) -> Iterator[str]:
    """Sentences outside of blocks and tables; code counts as one word."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!-- generated.*?<!-- end -->", "", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*] |\d+\. ))", text):
        if paragraph.lstrip().startswith(("|", "#", "<")):
            continue
        plain = QUOTED.sub("CODE", " ".join(paragraph.split())).replace("**", "").replace("e.g.", "eg")
        yield from re.split(r"(?<=[.!?:;])\s+(?=[A-Z\[(a-z])", plain)


def length(sentence: str) -> int:
    """In words."""
    return len(re.findall(r"[\w'/-]+", sentence))


def helps() -> list[tuple[str, str]]:
    """The help of each command and option."""
    found: list[tuple[str, str]] = []
    for names, command in walk(group, ()):
        title = " ".join(names)
        paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
        found += [(title, " ".join(paragraph.split())) for paragraph in paragraphs if "\b" not in paragraph]
        found += [(title, each.help) for each in command.params if isinstance(each, click.Option) and each.help]
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_are_plain(path: Path) -> None:
    """No sentence is longer than thirty words, on average twenty at most; no word has to be read twice."""
    sentences = list(prose(path.read_text()))
    long = [sentence for sentence in sentences if length(sentence) > LONGEST]
    assert long == []
    counted = [length(sentence) for sentence in sentences if length(sentence) > 2]
    assert not counted or sum(counted) / len(counted) <= AVERAGE
    assert unplain(sentences) == []


def test_help_is_plain() -> None:
    """The same for the commands."""
    sentences = [sentence for _, text in helps() for sentence in prose(text)]
    assert len(sentences) > 100
    assert [sentence for sentence in sentences if length(sentence) > LONGEST] == []
    assert unplain(sentences) == []


def unplain(sentences: list[str]) -> list[str]:
    """Sentences with a word that is not plain, and what to write."""
    return [
        f"{sentence} ({instead})"
        for sentence in sentences
        for pattern, instead in UNPLAIN.items()
        if re.search(pattern, sentence, re.IGNORECASE)
    ]


def test_the_judge_sees_what_is_not_plain() -> None:
    """A sentence of forty words, and a word of the list, are found."""
    text = f"This {'very ' * 40}long sentence is found.\n\nWhoever mends it reads it anew."
    first, second = prose(text)
    assert length(first) > LONGEST
    assert len(unplain([second])) == 3


def said_by_the_program() -> list[tuple[str, str]]:
    """Hints, and what the doctor says: with where they stand."""
    found = []
    for path in sorted((ROOT / "certd").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            texts = [each.value for each in node.keywords if each.arg == "hint"]
            if isinstance(node.func, ast.Name) and node.func.id in {"fail", "warn", "skip", "well"}:
                texts += node.args
            place = f"{path.relative_to(ROOT)}:{node.lineno}"
            found += [(place, words) for words in map(constant, texts) if words]
    return found


def constant(node: ast.expr) -> str:
    """A text, with a word for each value in it; empty where it is made elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "X" for each in node.values)
    return ""


def test_hints_are_plain() -> None:
    """Errors' ways out and the doctor's sentences, by the same rules."""
    said = said_by_the_program()
    assert len(said) > 300
    wrong = []
    for where, text in said:
        sentences = list(prose(text))
        wrong += [f"{where}: {each}" for each in sentences if length(each) > LONGEST]
        wrong += [f"{where}: {each}" for each in unplain(sentences)]
    assert wrong == []
