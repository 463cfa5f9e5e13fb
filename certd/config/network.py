"""``[network]``: the HTTP proxy, and the addresses of DNS servers."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from certd.config.files import Reading
from certd.config.schema import NetworkTable
from certd.dns.addresses import ip_and_port
from certd.system.endpoint import wrong_with_url

DNS_PORT = 53
_RESOLVER = 'such as "192.0.2.53", "192.0.2.53:5353" or "[2001:db8::53]:53"'
_NAME_SERVER = '{ "192.0.2.53" = "10.0.0.53:53" }'


def judge_network(reading: Reading, table: NetworkTable) -> None:
    """Note each address that cannot be one."""
    if table.https_proxy and (wrong := wrong_with_url(table.https_proxy, ("http", "https"))):
        reading.find("network.https_proxy", wrong, 'such as "http://proxy.example.com:3128"')
    if table.doh and (wrong := wrong_with_url(table.doh)):
        reading.find("network.doh", wrong, 'such as "https://dns.example/dns-query"')
    _judge_resolvers(reading, "network.resolvers", table.resolvers)
    _judge_resolvers(reading, "network.public_resolvers", table.public_resolvers)


def _judge_resolvers(reading: Reading, path: str, resolvers: Sequence[str]) -> None:
    """Note each resolver that is not an IP address with an optional port."""
    for index, text in enumerate(resolvers):
        try:
            ip_and_port(text, DNS_PORT)
        except ValueError as error:
            reading.find(f"{path}[{index}]", str(error), _RESOLVER)


def name_servers_of(reading: Reading, table: Mapping[str, str]) -> dict[str, str]:
    """``network.name_servers``: where the address of a name server answers from here.

    The addresses are written as DNS writes them, so that ``2001:DB8::53`` is found, too.
    """
    found = {}
    for public, here in table.items():
        path = f'network.name_servers."{public}"'
        try:
            known = str(ipaddress.ip_address(public))
        except ValueError:
            reading.find(path, f'"{public}" is not an IP address', _NAME_SERVER)
            continue
        try:
            ip_and_port(here, DNS_PORT)
        except ValueError as error:
            reading.find(path, str(error), _NAME_SERVER)
        found[known] = here
    return found
