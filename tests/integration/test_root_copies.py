"""What certd's user writes is never obeyed as configuration by a proxy that reads it as root (nginx, Apache, Caddy)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from certd.ports import Verdict
from certd.targets import root_helper
from certd.targets.factory import make_target
from certd.targets.layout import no_group
from certd.targets.pointers import generation_in
from certd.targets.touch_protocol import Stamp, result_of, root_result_of
from tests.lab.root_helper import LINK, OTHER, Stage

Wait = Callable[..., None]

KINDS = [
    pytest.param("nginx", marks=pytest.mark.lab("nginx")),
    pytest.param("apache", marks=pytest.mark.lab("apache2")),
    pytest.param("caddy", marks=pytest.mark.lab("caddy")),
]


@pytest.fixture
def stage(request: pytest.FixtureRequest, short_path: Path) -> Iterator[Stage]:
    with Stage(short_path, request.param) as made:
        yield made


def directive(kind: str, file: Path) -> str:
    """One line more, which makes whoever obeys it write or need a file."""
    return {
        "nginx": f"error_log {file};\n",
        "apache": f"CustomLog {file} common\n",
        "caddy": f"log {{\n output file {file}\n}}\n",
    }[kind]


@pytest.mark.parametrize("stage", KINDS, indirect=True)
def test_a_directive_of_certds_user_is_not_obeyed(stage: Stage, eventually: Wait) -> None:
    """The line is refused with its link named, what was served goes on, and another link gets its certificate."""
    stage.publish(LINK)
    stage.publish(OTHER)
    stage.copying()
    stage.site(LINK, OTHER)
    stage.start()
    before, before_of_other = stage.target.copied(LINK), stage.target.copied(OTHER)
    obeyed = stage.folder / "obeyed"
    stage.publish(LINK)
    pointer = stage.state / "public" / "proxies" / "edge" / f"{LINK}.conf"
    pointer.write_text(pointer.read_text() + directive(stage.kind, obeyed))
    stage.publish(OTHER)
    asked = stage.ask()
    assert not obeyed.exists()
    assert asked.of(LINK).verdict is Verdict.NO
    assert "holds something else than the two lines" in asked.of(LINK).words
    assert asked.of(OTHER).verdict is Verdict.YES, asked
    assert stage.target.copied(LINK) == before
    assert stage.target.copied(OTHER) not in {"", before_of_other}
    # What is right again is copied again.
    generation = stage.publish(LINK)
    assert stage.ask().of(LINK).verdict is Verdict.YES
    assert stage.target.copied(LINK) == generation.name
    assert not obeyed.exists()


@pytest.mark.parametrize("stage", KINDS, indirect=True)
def test_each_new_certificate_is_served_by_way_of_the_copy(stage: Stage, eventually: Wait) -> None:
    """Pointed, asked, served: three times, and the site includes nothing but root's file."""
    first = stage.publish()
    assert stage.ask().verdict is Verdict.NO or stage.target.copied(LINK) == first.name
    stage.site(LINK)
    stage.start()
    assert str(stage.copies) in stage.target.pointer_path(LINK)
    for _ in range(3):
        generation = stage.publish()
        asked = stage.ask()
        assert asked.verdict is Verdict.YES, asked
        eventually(lambda wanted=generation: stage.served() == wanted.fingerprint, 20)


# ------------------------------------------------------------------------------------ what is refused


def a_line_less(stage: Stage, pointer: Path) -> None:
    pointer.write_text("".join(pointer.read_text().splitlines(keepends=True)[:-1]))


def a_path_elsewhere(stage: Stage, pointer: Path) -> None:
    pointer.write_text(pointer.read_text().replace(str(stage.state), "/etc"))


def a_link_in_its_place(stage: Stage, pointer: Path) -> None:
    other = pointer.with_name("kept")
    pointer.rename(other)
    pointer.symlink_to(other)


def a_fifo_in_its_place(stage: Stage, pointer: Path) -> None:
    pointer.unlink()
    os.mkfifo(pointer)


def a_huge_file(stage: Stage, pointer: Path) -> None:
    pointer.write_text(pointer.read_text() + "#" * 1_000_000)


def another_generation(stage: Stage, pointer: Path) -> None:
    pointer.write_text(pointer.read_text().replace("Generation: 2", "Generation: ../2"))


def a_certificate_that_is_a_link(stage: Stage, pointer: Path) -> None:
    key = stage.state / "public" / "certs" / LINK / generation_in(pointer.read_text()) / "privkey.pem"
    key.unlink()
    key.symlink_to("/etc/shadow")


def a_folder_that_is_a_link(stage: Stage, pointer: Path) -> None:
    certs = stage.state / "public" / "certs"
    certs.rename(stage.folder / "elsewhere")
    certs.symlink_to(stage.folder / "elsewhere")


REFUSED = [
    a_line_less,
    a_path_elsewhere,
    a_link_in_its_place,
    a_fifo_in_its_place,
    a_huge_file,
    another_generation,
    a_certificate_that_is_a_link,
    a_folder_that_is_a_link,
]


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__)
def test_what_certd_never_writes_is_refused(change: Callable[[Stage, Path], None], short_path: Path) -> None:
    """The copy before it stays, byte for byte; nobody waits and nothing is followed."""
    stage = Stage(short_path, "nginx")
    stage.publish()
    assert stage.copying() == {}
    before = Path(stage.target.pointer_path(LINK)).read_bytes()
    stage.publish()
    change(stage, stage.state / "public" / "proxies" / "edge" / f"{LINK}.conf")
    assert set(stage.copying()) == {LINK}
    assert Path(stage.target.pointer_path(LINK)).read_bytes() == before
    assert [path.name for path in stage.copies.iterdir()] == [f"{LINK}.conf"]


def test_a_folder_that_others_may_change_gets_no_copy(short_path: Path) -> None:
    """Neither the folder itself nor one above it; the proxy is reloaded nevertheless."""
    stage = Stage(short_path, "nginx")
    stage.publish()
    ran = short_path / "ran"
    for each in (stage.copies, stage.copies.parent):
        each.chmod(0o777)
        stage.stamp.write_text("a" * 32 + "\n")
        assert root_helper.answer(stage.stamp, [["touch", str(ran)]], copying=stage.copying) == 1
        assert "others than root may change it" in root_result_of(stage.stamp).read_text()
        assert ran.exists()
        assert not any(stage.copies.iterdir())
        ran.unlink()
        each.chmod(0o755)


def test_many_refusals_make_the_answer_a_no(short_path: Path) -> None:
    """Only a few are told one by one, and no refused link is told that all went well."""
    stage = Stage(short_path, "nginx")
    folder = stage.state / "public" / "proxies" / "edge"
    stage.publish()
    for number in range(40):
        (folder / f"bad{number:02}.conf").write_text("evil;\n")
    stage.stamp.write_text("a" * 32 + "\n")
    assert root_helper.answer(stage.stamp, [["true"]], copying=stage.copying) == 1
    assert "and 35 more were not copied" in root_result_of(stage.stamp).read_text()


def test_a_reader_never_sees_half_a_copy(short_path: Path) -> None:
    """Three hundred replacements while somebody reads: certificate and key are always of one generation."""
    stage = Stage(short_path, "nginx")
    texts = []
    for _ in range(2):
        stage.publish()
        stage.copying()
        texts.append(Path(stage.target.pointer_path(LINK)).read_bytes())
    pointer = stage.state / "public" / "proxies" / "edge" / f"{LINK}.conf"
    over, seen = threading.Event(), set()

    def read() -> None:
        while not over.is_set():
            seen.add(Path(stage.target.pointer_path(LINK)).read_bytes())

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    for number in range(300):
        pointer.write_bytes(texts[number % 2])
        assert stage.copying() == {}
    over.set()
    thread.join(5)
    assert seen <= set(texts)


def test_a_forgotten_links_copy_goes_when_it_serves_nobody(short_path: Path) -> None:
    """A site that still includes it goes on working until its generation is swept; then the copy goes, too."""
    stage = Stage(short_path, "nginx")
    generation = stage.publish()
    stage.copying()
    stage.target.forget(LINK)
    stage.copying()
    assert stage.target.copied(LINK) == generation.name
    folder = stage.state / "public" / "certs" / LINK / generation.name
    folder.rename(short_path / "swept")
    stage.copying()
    assert not any(stage.copies.iterdir())


# ------------------------------------------------------------------------------------ who includes what


def test_without_the_helpers_folder_all_is_as_before(short_path: Path) -> None:
    """An installation of before, containers, polkit: the proxy includes certd's own pointer."""
    stage = Stage(short_path, "nginx")
    stage.copies.rmdir()
    target = stage.make_target()
    assert target.pointer_path(LINK) == str(stage.state / "public" / "proxies" / "edge" / f"{LINK}.conf")
    assert target.copied(LINK) == ""


@pytest.mark.parametrize("change", [{"reload": "systemd:nginx"}, {"kind": "haproxy"}, {"path_map": {"/a": "/b"}}])
def test_who_is_not_reloaded_by_the_helper_includes_no_copy(change: dict[str, object], short_path: Path) -> None:
    """Nothing would bring it up to date."""
    stage = Stage(short_path, "nginx")
    words: dict[str, object] = {
        "name": "edge",
        "kind": "nginx",
        "reload": "auto",
        "check": (),
        "endpoints": (),
        "paths": {},
        "path_map": {},
        "public": stage.state / "public",
        "find_group": no_group,
        "egress": lambda: None,
    }
    assert make_target(**{**words, **change}).root_copies is None  # type: ignore[arg-type]
    assert make_target(**words).root_copies == stage.copies  # type: ignore[arg-type]


def test_who_may_ask_cannot_forge_the_answer(short_path: Path) -> None:
    """Once root has answered in its own folder, an answer beside the stamp is nobody's, whatever it says."""
    stage = Stage(short_path, "nginx")
    root_helper.answer(stage.stamp, [["true"]])
    stage.stamp.write_text("a" * 32 + "\n")
    assert root_helper.answer(stage.stamp, [["false"]]) == 1
    assert root_result_of(stage.stamp).read_text().startswith("a" * 32 + " 1\n")
    assert not result_of(stage.stamp).exists()
    asked = threading.Event()

    def forge() -> None:
        while not asked.is_set():
            question = stage.stamp.read_text().strip()
            result_of(stage.stamp).write_text(f"{question} 0\nfine\n")

    forger = threading.Thread(target=forge, daemon=True)
    forger.start()
    outcome = Stamp(str(stage.stamp), deadline=timedelta(seconds=1)).ask()
    asked.set()
    forger.join()
    assert outcome.verdict is Verdict.NO
    assert "the helper did not answer" in outcome.words
