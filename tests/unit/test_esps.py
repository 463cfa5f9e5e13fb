"""What a configuration says of e-mail services and of a link's clicks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from certd.config.choices import known_choices
from certd.config.esp_presets import PRESETS
from certd.config.loader import load
from certd.errors import ConfigurationError

BASE = """
[certd]
issue = false

{more}

[[link]]
domain = "link.example.com"
proxy = "nginx"
{link}
"""


def read(folder: Path, more: str = "", link: str = 'esp = "sendgrid"'):  # type: ignore[no-untyped-def]
    path = folder / "certd.toml"
    path.write_text(BASE.format(more=more, link=link))
    return load(path, known_choices())


def test_every_service_of_the_mission_is_a_preset() -> None:
    """Each has an upstream, a probe, names by which DNS shows that a link still points at it, what support wants."""
    named = "sendgrid sendgrid-eu sparkpost mailgun customer.io iterable braze amazon-ses mailjet"
    assert set(named.split()) <= set(PRESETS)
    for esp in PRESETS.values():
        assert esp.upstream.startswith("http") and esp.probe.startswith("/") and esp.hosts
        assert esp.certificates and esp.support
        assert all(any(host == each or host.endswith("." + each) for each in esp.hosts) for host in esp.managing)


def test_a_table_of_a_presets_name_changes_it(tmp_path: Path) -> None:
    """What is not said stays."""
    settings = read(tmp_path, '[esp.sendgrid]\nprobe = "/wf/open?upn="\n')
    esp = settings.esps["sendgrid"]
    assert (esp.probe, esp.upstream) == ("/wf/open?upn=", "https://sendgrid.net")
    assert esp.signs[0][0] == "Bad Hostname in Link"


def test_a_service_of_ones_own(tmp_path: Path) -> None:
    """``custom`` or any other name: upstream, probe and what is expected."""
    table = '[esp.custom]\nupstream = "https://t.example.net/"\nprobe = "/ping"\nexpect = ["404", "server: x"]\n'
    esp = read(tmp_path, table, 'esp = "custom"').esps["custom"]
    assert (esp.upstream, esp.probe, esp.expect, esp.hosts) == (
        "https://t.example.net",
        "/ping",
        ("404", "server: x"),
        ("t.example.net",),
    )
    table = '[esp.ses-eu]\nkind = "amazon-ses"\nupstream = "https://r.eu-west-1.awstrack.me"\n'
    other = read(tmp_path, table, 'esp = "ses-eu"')
    assert other.esps["ses-eu"].certificates == PRESETS["amazon-ses"].certificates


WRONG = {
    'esp = "custom"': ('link "link.example.com".esp: "custom" is not defined', ""),
    'esp = "sendgrit"': ('did you mean "sendgrid"?', ""),
    'esp = "x"': ("esp.x.upstream: is missing", '[esp.x]\nprobe = "/"\n'),
    'esp = "y"': ("esp.y.upstream: must be a host without a path", '[esp.y]\nupstream = "https://a.example/b"\n'),
    'esp = "z"': (
        'esp.z.expect[0]: "fine" is neither a status nor a header',
        '[esp.z]\nupstream = "https://a.example"\nexpect = "fine"\n',
    ),
    'esp = "v"': ("esp.v.probe: must be a path", '[esp.v]\nupstream = "https://a.example"\nprobe = "a b"\n'),
    'esp = "w"': ('did you mean "iterable"?', '[esp.w]\nkind = "iterabel"\nupstream = "https://a.example"\n'),
    'association_files = { aple = "/x" }': ('did you mean "apple"?', ""),
    'association_files = { apple = "/x; }" }': ("must be an absolute path", ""),
    'click_every = "often"': ("click_every", ""),
    'labels = { a = "b" }': (
        'network.addresses."192.0.2.1:x"',
        '[network]\naddresses = { "192.0.2.1:x" = "127.0.0.1:1" }\n',
    ),
}


@pytest.mark.parametrize("link", WRONG)
def test_what_is_wrong_is_said(link: str, tmp_path: Path) -> None:
    """With the key path, and with what would be right."""
    words, more = WRONG[link]
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, more, link)
    assert words in str(caught.value)


def test_what_a_link_says_of_its_clicks(tmp_path: Path) -> None:
    """Five minutes, no target and no files unless said; ``[defaults]`` apply."""
    link = read(tmp_path).links[0]
    assert (link.click_every, link.target, link.association_files) == (timedelta(minutes=5), (), {})
    said = read(tmp_path, '[defaults]\nclick_every = "90s"\n', 'target = "edge.example.com"').links[0]
    assert (said.click_every, said.target) == (timedelta(seconds=90), ("edge.example.com",))
