"""The registered domain: the list's own test vectors, and another reader of it."""

from __future__ import annotations

import pytest
import tldextract

from certd.dns.public_suffix import registered_domain

# From publicsuffix.org's test_psl.txt.
VECTORS = {
    "example.com": "example.com",
    "b.example.com": "example.com",
    "a.b.example.com": "example.com",
    "*.links.example.com": "example.com",
    "test.ac": "test.ac",
    "b.c.mm": "b.c.mm",
    "a.b.c.mm": "b.c.mm",
    "test.kyoto.jp": "test.kyoto.jp",
    "b.c.kobe.jp": "b.c.kobe.jp",
    "a.b.c.kobe.jp": "b.c.kobe.jp",
    "www.city.kobe.jp": "city.kobe.jp",
    "www.ck": "www.ck",
    "www.www.ck": "www.ck",
    "b.test.ck": "b.test.ck",
    "a.b.test.ck": "b.test.ck",
    "www.test.k12.ak.us": "test.k12.ak.us",
    "www.xn--85x722f.com.cn": "xn--85x722f.com.cn",
    "shishi.xn--55qx5d.cn": "shishi.xn--55qx5d.cn",
    "a.b.example.local-without-a-rule": "example.local-without-a-rule",
    "someone.github.io": "someone.github.io",
    "link.example.test": "example.test",
    "co.uk": "co.uk",
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str) -> None:
    """Rules, wildcards, exceptions, punycode, private suffixes, and names without a rule."""
    assert registered_domain(name) == VECTORS[name]


def test_another_reader_agrees() -> None:
    """tldextract, with the copy of the list that it ships."""
    other = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)
    for suffix in ("com", "co.uk", "kawasaki.jp", "city.kawasaki.jp", "s3.amazonaws.com", "blogspot.com", "de", "ck"):
        name = f"x.link.example.{suffix}"
        assert registered_domain(name) == (other(name).top_domain_under_public_suffix or name)
