"""Malformed configurations: whatever a file holds, reading it gives mistakes with key paths and no other exception."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certd.config.choices import known_choices
from certd.config.file_watch import ConfigWatch
from certd.config.loader import load
from certd.errors import ConfigurationError
from tests.unit.test_config import SMALLEST, mistakes, read

# A top-level key has to stand before the first table.
HEAD = "issuer.letsencrypt.terms_agreed = true\n"


def with_head(line: str) -> str:
    """The smallest file with one more top-level key."""
    return f"{line}\n{SMALLEST}"


def with_table(text: str) -> str:
    """The smallest file with one more table."""
    return f"{SMALLEST}\n{text}\n"


# Name -> the file, how a mistake begins, and what it says.
MALFORMED: dict[str, tuple[str, str, str]] = {
    "no domain": (
        SMALLEST.replace('domain = "link.example.com"', "domain = []"),
        "link[0].domain: ",
        "is empty",
    ),
    "include nothing": (with_head('include = ""'), "include[0]: ", "names no file"),
    "include the root folder": (with_head('include = ["/"]'), "include[0]: ", "names no file"),
    "include by a wrong glob": (with_head('include = ["**.toml"]'), "include[0]: ", "is no pattern of files"),
    "links from nothing": (with_head('links_from = ""'), "links_from[0]: ", "names no file"),
    "links from the root folder": (with_head('links_from = "/"'), "links_from[0]: ", "names no file"),
    "links from a wrong glob": (with_head('links_from = "a/**.txt"'), "links_from[0]: ", "is no pattern of files"),
    "a path part that is too long": (with_head(f'include = "{"a" * 256}.toml"'), "include[0]: ", "too long"),
    "links from a long path": (with_head(f'links_from = "./{"a" * 300}"'), "links_from[0]: ", "too long"),
    "a roots file with a long name": (
        with_head(f'issuer.own = {{ directory = "https://ca.example/dir", roots = "{"r" * 256}" }}'),
        "issuer.own.roots: ",
        "too long",
    ),
    "a long duration": (with_table('[defaults]\nclick_every = "999999w"'), "defaults.click_every: ", "is too long"),
    "a duration that overflows": (
        with_table(f'[defaults]\nclick_every = "{"999999w" * 3000}"'),
        "defaults.click_every: ",
        "is too long",
    ),
    "a webhook": (
        with_table('[alarms]\nwebhook = "https://[hooks.example.com/T0"'),
        "alarms.webhook: ",
        "must be a URL",
    ),
    "a ping": (with_table('[alarms]\nping = "p://["'), "alarms.ping: ", "must be a URL"),
    "a ping's port": (with_table('[alarms]\nping = "https://a.example:65536/"'), "alarms.ping: ", "65535"),
    "an address of apprise's": (with_table('[alarms]\napprise = "p://["'), "alarms.apprise[0]: ", "must be a URL"),
    "a mail server": (
        with_table('[alarms]\nsmtp = "smtp://["\nmail_from = "a@b.example"\nmail_to = "c@d.example"'),
        "alarms.smtp: ",
        "must be a server",
    ),
    "a mail server's port": (
        with_table('[alarms]\nsmtp = "smtp://mail.example:70000"\nmail_from = "a@b.example"\nmail_to = "c@d.example"'),
        "alarms.smtp: ",
        "must be a server",
    ),
    "a store": (with_table('[certd]\nstore = "p://["'), "certd.store: ", "is no store"),
    "a PostgreSQL store": (with_table('[certd]\nstore = "postgresql://["'), "certd.store: ", "is no store"),
    "a CA's host with a port": (
        with_head('issuer.letsencrypt.allowed_hosts = ["fine.example", "api.example:443"]'),
        "issuer.letsencrypt.allowed_hosts[1]: ",
        "is not a host",
    ),
    "a CA's hosts by wildcard": (
        with_head('issuer.letsencrypt.allowed_hosts = ["*.example"]'),
        "issuer.letsencrypt.allowed_hosts[0]: ",
        "is not a host",
    ),
    "a directory": (with_head('issuer.own.directory = "p://["'), "issuer.own.directory: ", "must be a URL"),
    "a directory's port": (
        with_head('issuer.own.directory = "https://ca.example:99999/dir"'),
        "issuer.own.directory: ",
        "65535",
    ),
    "a directory with a blank": (
        with_head('issuer.own.directory = "https://ca.exa mple/dir"'),
        "issuer.own.directory: ",
        "blank",
    ),
    "an e-mail service": (with_table('[esp.own]\nupstream = "p://["'), "esp.own.upstream: ", "must be a URL"),
    "an e-mail service's port": (
        with_table('[esp.own]\nupstream = "https://click.example:²"'),
        "esp.own.upstream: ",
        "must be a URL",
    ),
    "an HTTP proxy": (with_table('[network]\nhttps_proxy = "p://["'), "network.https_proxy: ", "must be a URL"),
    "DNS over HTTPS": (with_table('[network]\ndoh = "https://["'), "network.doh: ", "must be a URL"),
    "Amazon's API": (
        with_table(
            '[proxy.cloud]\nkind = "acm"\nendpoints = "a.example:443"\n'
            '[proxy.cloud.acm]\nregion = "eu-central-1"\napi = "https://["\n[defaults]\nproxy = "nginx"'
        ),
        "proxy.cloud.acm.api: ",
        "must begin with https://",
    ),
    "a vendor's API": (
        SMALLEST.replace(
            "[[link]]", '[dns.b]\nprovider = "cloudflare"\ntoken = "env:X"\napi = "https://["\n[[link]]\ndns = "corp"'
        ),
        "dns.b.api: ",
        "must be a URL",
    ),
    "a reload": (
        with_table('[proxy.nginx]\nreload = "http:POST:http://["'),
        "proxy.nginx.reload: ",
        "is no way to reload",
    ),
    "a number of 4,400 digits": (
        with_table(f"[certd]\nadmin_group = {'9' * 4400}"),
        "certd.admin_group: ",
        "too large",
    ),
    "a hexadecimal number that is as large": (
        with_table(f"[certd]\nadmin_group = 0x{'f' * 4400}"),
        "certd.admin_group: ",
        "too large",
    ),
    "a large number in a provider's table": (
        SMALLEST.replace("tsig =", f"ttl = {2**63}\ntsig ="),
        "dns.corp.ttl: ",
        "too large",
    ),
    "1,100 brackets": (with_table(f"[defaults]\nlabels = {'[' * 1100}{']' * 1100}"), "", "nested too deeply"),
    "1,100 brackets that do not end": (with_table(f"[defaults]\nlabels = {'[' * 1100}"), "", "nested too deeply"),
    "100 brackets": (
        SMALLEST.replace("tsig =", f"ttl = {'[' * 100}{']' * 100}\ntsig ="),
        "dns.corp.ttl",
        "nested too deeply",
    ),
    "a key of a thousand parts": (
        with_head(".".join(["defaults", "labels", *["a"] * 1000]) + " = 1"),
        "defaults.labels.a: ",
        "nested too deeply",
    ),
    "a zero byte": (with_table('[certd]\nstate = "/var/lib/certd\\u0000x"'), "certd.state: ", "zero byte"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_one_mistake(tmp_path: Path, name: str) -> None:
    """Each is named by its key path, in one finding; the text itself may hold a token, and is not repeated."""
    text, path, words = MALFORMED[name]
    found = mistakes(tmp_path, text)
    assert len(found) == 1, found
    assert found[0].startswith(path), found
    assert words in found[0]
    assert len(found[0]) < 600
    assert "p://[" not in found[0]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_a_file_in_a_folder_that_may_not_be_entered(open_folder: Path) -> None:
    """Roots, a CA's certificate, included files and lists of links: each says which permission is missing."""
    closed = open_folder / "closed"
    closed.mkdir()
    for name in ("roots.pem", "a.toml", "b.txt"):
        (closed / name).write_text("")
    text = (
        'include = "closed/a.toml"\nlinks_from = "closed/b.txt"\n'
        'issuer.own = { directory = "https://ca.example/dir", roots = "closed/roots.pem", ca_file = "closed/ca.pem" }\n'
    )
    closed.chmod(0)
    (open_folder / "certd.toml").write_text(text + SMALLEST)
    # Root may enter every folder: the reading is done as nobody, in a process of its own.
    (end, start) = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            load(open_folder / "certd.toml", known_choices(), {})
        except ConfigurationError as error:
            os.write(start, str(error).encode())
        except BaseException as error:  # what it should never be
            os.write(start, repr(error).encode())
        finally:
            os._exit(0)
    os.close(start)
    with os.fdopen(end) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    closed.chmod(0o755)
    for where in ("include[0]", "links_from[0]", "issuer.own.roots", "issuer.own.ca_file"):
        assert f"{where}: " in said, said
    assert said.count("Permission denied") == 4, said


def test_a_year_is_the_longest_duration(tmp_path: Path) -> None:
    """Longer ones overflow what certd computes with them later, far from the file that names them."""
    assert read(tmp_path, with_table('[defaults]\nclick_every = "52w"')).links[0].click_every.days == 364
    assert "is too long" in mistakes(tmp_path, with_table('[defaults]\nclick_every = "54w"'))[0]


def test_watching_files_never_raises(tmp_path: Path) -> None:
    """The daemon's main loop looks at the files: a pattern that cannot be followed ends nothing."""
    path = tmp_path / "certd.toml"
    path.write_text("")
    watch = ConfigWatch(path, ["", "/", "**.toml", "a" * 300, "x\0y", "*.toml"])
    assert not watch.has_changed()
    watch.follow(["", "b" * 300 + "/*"])


SCALARS = st.sampled_from(
    [
        "",
        "/",
        "**.toml",
        "p://[",
        "https://[",
        "a" * 300,
        "\\u0000",
        "²",
        "999999w",
        "file:",
        "env:",
        "a:²",
        "[::1",
        "http:POST:http://[",
        "caddy:localhost:²:/x",
        ":",
        "::",
        "*",
        "*.",
        "..",
        "-",
        "0",
        "https://a:99999",
        "\\U0001f600",
    ]
).map(lambda text: f'"{text}"')
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    st.sampled_from(
        ["[]", "{}", "0", "-1", "1e400", "nan", "true", "2026-01-01", "9223372036854775808", '{ a = "b" }']
    ),
)
KEYS = st.sampled_from(
    [
        "include",
        "links_from",
        "certd.state",
        "certd.store",
        "certd.node",
        "certd.listen",
        "certd.seal",
        "certd.issue",
        "certd.admin_group",
        "certd.listen_password",
        "network.https_proxy",
        "network.no_proxy",
        "network.resolvers",
        "network.doh",
        "network.name_servers",
        "network.public_resolvers",
        "network.addresses",
        "network.ca_bundle",
        "defaults.issuer",
        "defaults.dns",
        "defaults.proxy",
        "defaults.key",
        "defaults.esp",
        "defaults.front",
        "defaults.labels",
        "defaults.association_files",
        "defaults.target",
        "defaults.click_every",
        "alarms.webhook",
        "alarms.smtp",
        "alarms.mail_from",
        "alarms.mail_to",
        "alarms.command",
        "alarms.apprise",
        "alarms.ping",
        "issuer.o.directory",
        "issuer.o.roots",
        "issuer.o.ca_file",
        "issuer.o.staging",
        "issuer.o.eab",
        "issuer.o.contact",
        "issuer.o.orders_in_3_hours",
        "esp.o.kind",
        "esp.o.upstream",
        "esp.o.probe",
        "esp.o.expect",
        "esp.o.hosts",
        "proxy.o.kind",
        "proxy.o.reload",
        "proxy.o.check",
        "proxy.o.deadline",
        "proxy.o.endpoints",
        "proxy.o.listen",
        "proxy.o.group",
        "proxy.o.map",
        "proxy.o.paths",
        "proxy.o.acm",
        "proxy.o.acm.region",
        "dns.o.provider",
        "dns.o.server",
        "dns.o.tsig",
        "dns.o.api",
        "dns.o.listen",
        "dns.o.zones",
        "dns.o.command",
        "dns.o.options",
        "dns.o.propagation_timeout",
        "dns.o.anycast_grace",
        "link",
        "link.0",
        "issuer",
        "dns",
        "proxy",
        "esp",
        "defaults",
    ]
)
PROVIDERS = st.sampled_from(
    ["rfc2136", "responder", "cloudflare", "route53", "exec", "acme-dns", "lexicon:hetzner", "x"]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.dictionaries(KEYS, VALUES, max_size=4),
    link=st.dictionaries(
        st.sampled_from(
            [
                "domain",
                "name",
                "issuer",
                "dns",
                "proxy",
                "key",
                "esp",
                "labels",
                "target",
                "click_every",
                "association_files",
            ]
        ),
        VALUES,
        max_size=4,
    ),
    provider=PROVIDERS,
    noise=st.text(max_size=3),
)
def test_reading_raises_mistakes_alone(
    tmp_path: Path, said: dict[str, str], link: dict[str, str], provider: str, noise: str
) -> None:
    """Values of any kind at any place: the file is read, or every mistake is told, and nothing else happens."""
    lines = [f"{key} = {value}" for key, value in said.items()]
    lines += ["[[link]]", 'domain = "a.example.com"'] if not link else ["[[link]]"]
    lines += [f"{key} = {value}" for key, value in link.items()]
    if "dns" not in said and not any(key.startswith("dns.o.provider") for key in said):
        lines.insert(0, f'dns.o.provider = "{provider}"')
    path = tmp_path / "certd.toml"
    path.write_text("\n".join(lines) + (f"\n{noise}" if noise.strip("\ud800") and noise.isprintable() else ""))
    try:
        load(path, known_choices(), {})
        said_of_it = "fine"
    except ConfigurationError as error:
        said_of_it = str(error)
    assert said_of_it == "fine" or "\n  " in said_of_it


# Mistakes at places of their own: each pair of them can stand in one file.
APART: dict[str, str] = {
    "terms": "issuer.letsencrypt-staging.terms_agreed = false",
    "proxy": 'link.proxy = "ngin"',
    "domain": 'link.domain = "bad_"',
    "esp": 'link.esp = "sendgird"',
    "key": 'link.key = "rsa-1024"',
    "dns": 'link.dns = "crop"',
    "front": 'link.front = "cnd"',
    "target": 'link.target = "a b"',
    "a setting": "link.domian = 1",
    "default": 'defaults.click_every = "1 day"',
    "provider's option": "dns.corp.tll = 5",
    "listen": 'certd.listen = "127.0.0.1:notaport"',
    "doh": 'network.doh = "https://["',
    "ping": 'alarms.ping = "p://["',
    "reload": 'proxy.edge.reload = "restart"',
    "endpoint": 'proxy.edge.endpoints = "a:b"',
    "include": 'include = "/"',
    "links_from": 'links_from = "none.txt"',
    "a type": "certd.issue = 1",
    "eab": 'issuer.letsencrypt.eab = { kid = "k" }',
    "acm": 'proxy.cloud = { kind = "acm", endpoints = "a.example:443", acm = { region = "x", use = "y" } }',
    "exec": 'dns.b = { provider = "exec", style = "certbot", auth = ["/bin/true"], tll = 1 }',
}


def file_of(*names: str) -> str:
    """A good file but for these mistakes."""
    link = {"domain": '"link.example.com"', "proxy": '"nginx"', "dns": '"corp"', "issuer": '"letsencrypt"'}
    if "terms" in names:
        link["issuer"] = '["letsencrypt", "letsencrypt-staging"]'
    lines = ["issuer.letsencrypt.terms_agreed = true", 'proxy.edge.kind = "haproxy"']
    lines += [f"dns.corp.{one}" for one in ('provider = "rfc2136"', 'server = "192.0.2.53"', 'tsig = "file:x"')]
    for name in names:
        key, _, value = APART[name].partition(" = ")
        if key.startswith("link."):
            link[key.removeprefix("link.")] = value
        else:
            lines.append(APART[name])
    return "\n".join([*lines, "[[link]]", *(f"{key} = {value}" for key, value in link.items())]) + "\n"


def messages(folder: Path, *names: str) -> set[str]:
    """What is said; a link without a good domain is called by its number."""
    found = mistakes(folder, file_of(*names))
    assert len(found) == len(set(found))
    return {line.replace('link "link.example.com"', "link[0]") for line in found}


def test_no_mistake_hides_another(tmp_path: Path) -> None:
    """Every pair of mistakes gives what each of them gives, and nothing that is neither's."""
    alone = {name: messages(tmp_path, name) for name in APART}
    assert {name for name, found in alone.items() if len(found) != 1} == {"acm", "exec"}
    for one, other in itertools.combinations(APART, 2):
        assert messages(tmp_path, one, other) == alone[one] | alone[other], (one, other)


def test_all_mistakes_of_a_link_at_once(tmp_path: Path) -> None:
    """A bad domain and three wrong references are four mistakes, and the whole file's are the sum of all."""
    assert len(messages(tmp_path, "domain", "proxy", "esp", "dns")) == 4
    assert messages(tmp_path, *APART) == set().union(*(messages(tmp_path, name) for name in APART))


def test_what_a_wrong_value_leaves_missing_is_no_second_mistake(tmp_path: Path) -> None:
    """A link's proxy that is no text, a provider's option that is too large, an included file that cannot be read."""
    wrong = {
        SMALLEST.replace('proxy = "nginx"', "proxy = 5"): "link[0].proxy",
        SMALLEST.replace('server = "192.0.2.53"', 'server = "\\u0000"'): "dns.corp.server",
        SMALLEST.replace('"rfc2136"', "5"): "dns.corp.provider",
        with_head('include = "none.toml"')
        .replace("[[link]]", '[[link]]\nesp = "own"')
        .replace('esp = "sendgrid"', ""): ("include[0]"),
    }
    for text, path in wrong.items():
        (found,) = mistakes(tmp_path, text)
        assert found.startswith(f"{path}: ")


def test_a_mistake_in_the_defaults_is_told_once(tmp_path: Path) -> None:
    """However many links have it."""
    links = "".join(f'[[link]]\ndomain = "l{number}.example.com"\nproxy = "nginx"\n' for number in range(5))
    found = mistakes(tmp_path, SMALLEST + links + '[defaults]\nkey = "ecdsa"\n')
    supported = "ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096"
    assert found == [f'defaults.key: "ecdsa" is not supported (supported: {supported})']


def test_a_key_type_that_no_public_ca_takes(tmp_path: Path) -> None:
    """It is not supported; what is near by its letters is no answer."""
    (found,) = mistakes(tmp_path, SMALLEST.replace("esp =", 'key = "rsa-1024"\nesp ='))
    assert "not supported" in found
    assert "rsa-3072" in found
    assert "did you mean" not in found


@pytest.mark.parametrize(
    "listen",
    [
        "127.0.0.1:notaport",
        "127.0.0.1",
        "9180",
        "127.0.0.1:0x50",
        "127.0.0.1:65536",
        "[::1:9180",
        "unix:",
        "unix:a",
        "/run/web.sock",
        ":²",
    ],
)
def test_an_address_to_listen_on_that_is_none(tmp_path: Path, listen: str) -> None:
    """``config check`` says so, and not only the daemon's log."""
    (found,) = mistakes(tmp_path, with_table(f'[certd]\nlisten = "{listen}"'))
    assert found.startswith("certd.listen: ")


@pytest.mark.parametrize(
    "listen", ["", "127.0.0.1:9180", "[::1]:9180", "localhost:1", "0.0.0.0:80", "unix:/run/certd/web.sock"]
)
def test_an_address_to_listen_on(tmp_path: Path, listen: str) -> None:
    """A host with a port, a Unix socket, or nothing at all."""
    assert read(tmp_path, with_table(f'[certd]\nlisten = "{listen}"')).listen == listen
