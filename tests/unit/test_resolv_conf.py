"""``/etc/resolv.conf``: certd reads it as the C library does, and no line in it stops a look-up."""

from __future__ import annotations

from pathlib import Path

import pytest

from certd.dns.resolv_conf import parse_resolv_conf, read_resolv_conf
from certd.dns.resolvers import Resolvers

ODD: dict[str, tuple[bytes, tuple[str, ...], tuple[int, ...]]] = {
    "as usual": (b"nameserver 192.0.2.1\nnameserver 2001:db8::1\n", ("192.0.2.1", "2001:db8::1"), ()),
    "no line at all": (b"", (), ()),
    "a name": (b"nameserver localhost\nnameserver 192.0.2.1\n", ("192.0.2.1",), (1,)),
    "a port in brackets": (b"nameserver [::1]:53\nnameserver 192.0.2.1\n", ("192.0.2.1",), (1,)),
    "a port as BIND writes it": (b"nameserver 127.0.0.1#53\nnameserver 192.0.2.1\n", ("192.0.2.1",), (1,)),
    "no value": (b"nameserver\nnameserver \nnameserver 192.0.2.1\n", ("192.0.2.1",), (1, 2)),
    "a bad search domain": (b"search a..b " + b"x" * 70 + b"\nnameserver 192.0.2.1\n", ("192.0.2.1",), ()),
    "options that nobody knows": (b"options ndots:x edns0 zzz\nnameserver 192.0.2.1\n", ("192.0.2.1",), ()),
    "an overlong line": (b"nameserver " + b"9" * 9000 + b"\nnameserver 192.0.2.1\n", ("192.0.2.1",), (1,)),
    "junk bytes": (b"\xff\xfe\x00\x01\nnameserver 192.0.2.1\n", ("192.0.2.1",), (1,)),
    "junk in an address": (b"nameserver 192.0.\xc3\x28.1\nnameserver 192.0.2.1\n", ("192.0.2.1",), (1,)),
    "words after the address": (b"nameserver 192.0.2.1 # ours\nnameserver 192.0.2.2;x\n", ("192.0.2.1",), (2,)),
    "comments and blank lines": (b"# a\n; b\n\n   \nnameserver\t192.0.2.1\r\n", ("192.0.2.1",), ()),
    "a blank before the keyword": (b" nameserver 192.0.2.9\nnameserver 192.0.2.1\n", ("192.0.2.1",), (1,)),
    "a keyword that there is not": (b"nameservers 192.0.2.9\nnameserver 192.0.2.1\n", ("192.0.2.1",), (1,)),
    "an old way to write an address": (b"nameserver 127.1\n", ("127.0.0.1",), ()),
    "a scope": (b"nameserver fe80::1%lo\n", ("fe80::1%lo",), ()),
    "a scope that there is not": (b"nameserver fe80::1%\nnameserver 192.0.2.1\n", ("fe80::1", "192.0.2.1"), ()),
    "a line without an end": (b"nameserver 192.0.2.1", ("192.0.2.1",), ()),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_lines(case: str, tmp_path: Path) -> None:
    """A line that glibc ignores is ignored, and its number is known; the other lines count."""
    data, servers, ignored = ODD[case]
    found = parse_resolv_conf(data)
    assert found.servers == servers
    assert tuple(line.number for line in found.ignored) == ignored
    path = tmp_path / "resolv.conf"
    path.write_bytes(data)
    assert Resolvers(system_file=path).addresses() == (servers or ("127.0.0.1",))
    assert all(str(line).isprintable() and len(str(line)) < 200 for line in found.ignored)


def test_no_file(tmp_path: Path) -> None:
    """Without a file that can be read the resolver of this machine is asked, as glibc does."""
    assert Resolvers(system_file=tmp_path / "none").addresses() == ("127.0.0.1",)
    assert Resolvers(system_file=tmp_path).addresses() == ("127.0.0.1",)
    assert read_resolv_conf(tmp_path / "none").servers == ()
    assert Resolvers(("192.0.2.1",), system_file=tmp_path).addresses() == ("192.0.2.1",)


def test_a_scope_that_is_no_interface() -> None:
    """A control character in an interface's name is passed over and told, as any line that names no address."""
    read = parse_resolv_conf(b"nameserver fe80::1%et\x7f0\nnameserver fe80::1%a/b\nnameserver fe80::1%eth0\n")
    assert read.servers == ("fe80::1%eth0",)
    assert [line.number for line in read.ignored] == [1, 2]
