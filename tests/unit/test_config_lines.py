"""Every mistake says its file and line, as far as the file tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from certd.config.choices import known_choices
from certd.config.lines import lines_of
from certd.config.loader import load
from certd.errors import ConfigurationError

MAIN = '''\
include = ["links.d/*.toml"]
defaults.dns = "my.zone"
issuer.letsencrypt.terms_agreed = true

[certd]
listen = "127.0.0.1:notaport"
sate = "/x"

[dns."my.zone"]
provider = "rfc2136"
server = "192.0.2.53"
tsig = "file:x"
tll = 5

[proxy.edge]
kind = "haproxy"
endpoints = [
  "127.0.0.1:443", # ] no end
  "127.0.0.1:https",
]
paths = { key = { path = "/k/{link}", mode = "0644" } }

[[link]]
domain = "a.example.com"
labels = { text = """
[[link]]
key = 1
""" }
proxy = "edge"

[[link]]
domain = "b.example.com"
key = "rsa-1024"
[link.association_files]
windows = "/x"

[[link]]
proxy = "edge"
'''
INCLUDED = """\
# One more.
[[link]]
domain = "c.example.com"
proxy = "edge"
esp = "sendgird"

[dns.other]
provider = "rfc2137"
"""


def located(folder: Path) -> list[str]:
    """What is said, with the folder left out."""
    with pytest.raises(ConfigurationError) as wrong:
        load(folder / "certd.toml", known_choices(), {})
    return [line.strip().replace(f"{folder}/", "") for line in str(wrong.value).splitlines()[1:]]


def test_each_mistake_has_its_line(tmp_path: Path) -> None:
    """In tables, dotted keys, lists, inline tables, lists of tables with tables of their own, and included files."""
    (tmp_path / "links.d").mkdir()
    (tmp_path / "links.d" / "a.toml").write_text(INCLUDED)
    (tmp_path / "certd.toml").write_text(MAIN)
    found = {line.partition(": ")[0]: line.partition(": ")[2] for line in located(tmp_path)}
    begins = {
        "certd.toml:6": "certd.listen: ",
        "certd.toml:7": "certd.sate: ",
        "certd.toml:13": "dns.my.zone.tll: ",
        "certd.toml:17": "proxy.edge.endpoints[1]: ",
        "certd.toml:21": "proxy.edge.paths.key.mode: ",
        "certd.toml:33": 'link "b.example.com".key: ',
        "certd.toml:35": 'link "b.example.com".association_files.windows: ',
        "certd.toml:37": "link[2].domain: is missing",
        "links.d/a.toml:5": 'link "c.example.com".esp: ',
        "links.d/a.toml:8": "dns.other.provider: ",
    }
    for place, words in begins.items():
        assert found.get(place, "").startswith(words), (place, found)


@pytest.mark.parametrize(
    ("text", "place", "shown"),
    [
        ('[certd]\nstate = "/x"\n[dns.corp\nx = 1\n', "certd.toml:3", "[dns.corp"),
        ('[alarms]\nwebhook = "https://hooks.example.com/T0/s3cret\n', "certd.toml:2", "webhook = ..."),
        ("[alarms]\nwebhook = s3cret\n", "certd.toml:2", "webhook = ..."),
        ('x = [\n  "s3cret" "b",\n]\n', "certd.toml:2", "..."),
        ("[certd]\nstate = [\n", "certd.toml:2", "state = ..."),
    ],
)
def test_a_file_that_is_no_toml(tmp_path: Path, text: str, place: str, shown: str) -> None:
    """The line is named and shown, without the value, which may be a secret."""
    (tmp_path / "certd.toml").write_text(text)
    (found,) = located(tmp_path)
    assert found.startswith(f"{place}: is not TOML: ")
    assert found.endswith(f": {shown}")
    assert "s3cret" not in found


def test_what_no_parser_reads_is_passed_over() -> None:
    """An index is made of any text: of broken statements, of numbers without end, of brackets without end."""
    text = f'a = 1\nb = {"9" * 5000}\nc = {"[" * 2000}\nd d\n[x\n[[y]]\ne = 2\n[[y]]\ne = """\n'
    lines = lines_of(text)
    assert lines["a"] == 1
    assert lines["b"] == 2
    assert lines["c"] == 3
    assert lines["y[0]"] == 6
    assert lines["y[0].e"] == 7
    assert lines["y[1]"] == 8


def test_ten_thousand_links_are_indexed_in_seconds() -> None:
    """A list of a thousand lines and ten thousand tables."""
    domains = "".join(f'  "d{number}.example.com",\n' for number in range(1000))
    text = f"x = [\n{domains}]\n" + "".join(f'[[link]]\ndomain = "l{n}.example.com"\n' for n in range(10_000))
    lines = lines_of(text)
    assert lines["link[9999].domain"] == 1002 + 20_000
