"""``certd restore`` of a damaged backup: an error in words, and never more memory than the file has bytes."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certd.cli.backup import _add, _read
from certd.errors import CertdError
from certd.store.stores import DATABASE, SEAL_KEY

DATA = {DATABASE: b"SQLite format 3\0" + b"x" * 5000, SEAL_KEY: b"k" * 44}


def archive(**more: tarfile.TarInfo) -> bytes:
    """A backup, with further members before it."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as made:
        for member in more.values():
            made.addfile(member)
        for name, data in DATA.items():
            _add(made, name, data)
    return target.getvalue()


def read(folder: Path, data: bytes) -> dict[str, bytes]:
    """As ``certd restore`` does."""
    path = folder / "backup.tar"
    path.write_bytes(data)
    return _read(path)


def test_a_good_backup(tmp_path: Path) -> None:
    """Both members, octet by octet; one of another name is passed over."""
    assert read(tmp_path, archive()) == DATA
    assert read(tmp_path, archive(other=tarfile.TarInfo("README"))) == DATA


def large(name: str, size: int) -> bytes:
    """A header of a plain file, and ten kibibytes that it says are hundreds of mebibytes."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT) + b"\0" * 9728


def sparse(name: str, size: int) -> bytes:
    """The same by an old GNU sparse header."""
    member = tarfile.TarInfo(name)
    member.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = f"{size:011o}\0".encode()
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    return bytes(header) + b"\0" * 9728


@pytest.mark.parametrize(
    "data",
    [
        large(DATABASE, 900 * 1024 * 1024),
        sparse(DATABASE, 900 * 1024 * 1024),
        archive()[:700],
        archive()[:512],
        b"",
        b"x" * 10_240,
        archive().replace(b"00000011630", b"77777777777"),
        archive()[: 512 + 5120],
        archive(twice=tarfile.TarInfo(DATABASE)),
        b"\0" * 10_240,
    ],
)
def test_a_damaged_backup(tmp_path: Path, data: bytes) -> None:
    """In words, with the file's name, and at no cost."""
    tracemalloc.start()
    try:
        with pytest.raises(CertdError, match=r"backup\.tar: is"):
            read(tmp_path, data)
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_negative_size_ends(tmp_path: Path) -> None:
    """It leads back to where it began (CVE-2025-8194)."""
    member = tarfile.TarInfo(DATABASE)
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\x00"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    with pytest.raises(CertdError, match="is damaged"):
        read(tmp_path, bytes(header) + b"\0" * 1024)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    places=st.lists(st.tuples(st.integers(0, 1100), st.integers(0, 255)), min_size=1, max_size=6), right=st.booleans()
)
def test_any_octets_of_a_header(tmp_path: Path, places: list[tuple[int, int]], right: bool) -> None:
    """Whatever is changed, with a checksum that is right or wrong: a backup or an error in words."""
    data = bytearray(archive())
    for place, octet in places:
        data[place] = octet
    if right:
        data[148:156] = b" " * 8
        data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    try:
        assert set(read(tmp_path, bytes(data))) <= set(DATA)
    except CertdError as error:
        words = str(error)
        assert words.startswith(str(tmp_path))
