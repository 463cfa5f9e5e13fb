"""E-mail services by name: what is known of each, from its own documentation unless said.

Every text here was read, not tried: none of these services was asked by certd's developers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from certd.model import Esp

_BAD_HOST = (
    "Bad Hostname in Link",
    "the proxy does not send the link's own name as Host, or nobody validated it there",
)

# A click without its token: the host is known, the link is not. Which status that has is not documented.
_SENDGRID = Esp(
    name="sendgrid",
    upstream="https://sendgrid.net",
    probe="/wf/click?upn=",
    signs=(_BAD_HOST,),
    hosts=("sendgrid.net",),
    managing=("click.sendgrid.net",),
    may_be_plain=True,
    owner_record=True,
    certificates="Auto SSL keeps certificates for new link brandings; older ones and those behind CleverTap or Braze "
    "need a proxy",
    support="SendGrid's support (behind CleverTap: CleverTap's, who pass it on) switches SSL click and open tracking "
    "on, for the whole account: every link branding of it must serve HTTPS first",
)
_SPARKPOST = Esp(
    name="sparkpost",
    upstream="https://spgo.io",
    probe="/f/a/b/c/d",
    expect=("302", "server: msys-http"),
    hosts=("spgo.io", "e.sparkpost.com"),
    managing=("v2.spgo.io",),
    may_be_plain=True,
    certificates="tracking domains made since December 2025 (V2) have certificates of its own; a proxy stays possible",
    support="set the tracking domain's port to 443 and secure to true, or ask SparkPost's support",
)
_MAILGUN = Esp(
    # "We do not support HTTPS connections to mailgun.org."
    name="mailgun",
    upstream="http://mailgun.org",
    hosts=("mailgun.org",),
    managing=("mailgun.org",),
    may_be_plain=True,
    certificates="on paid plans it gets certificates itself, by one click, where nothing stands before it",
    support="set web_scheme of the domain to https in Mailgun's control panel",
)
_CUSTOMER_IO = Esp(
    name="customer.io",
    upstream="https://track.customer.io",
    hosts=("track.customer.io",),
    certificates="domains added since 2025-10-07 get certificates of its own; older ones need a proxy",
    support="press Verify for HTTPS link tracking in Customer.io; it looks at the host and its certificate",
)
_ITERABLE = Esp(
    name="iterable",
    upstream="https://links.iterable.com",
    hosts=("links.iterable.com",),
    certificates="it keeps none for link domains: a CDN or a proxy is needed",
    support="ask Iterable's support to switch the link domain to HTTPS",
)
_MAILJET = Esp(
    name="mailjet",
    upstream="https://t.mailjet.com",
    hosts=("t.mailjet.com",),
    managing=("t.mailjet.com",),
    certificates="it gets certificates itself, by one click",
    support="activate HTTPS for the tracking domain in Mailjet's sender settings",
)
_SES = Esp(
    # The host's pattern is from memory; SES refuses headers above 8192 octets.
    name="amazon-ses",
    upstream="https://r.us-east-1.awstrack.me",
    hosts=("awstrack.me",),
    certificates="it keeps none for custom tracking domains: a CDN or a proxy is needed",
    support='set HttpsPolicy of the tracking options to "REQUIRE" (sesv2 PutConfigurationSetTrackingOptions)',
)
_BRAZE = replace(
    _SENDGRID,
    name="braze",
    # Braze sends by SendGrid, SparkPost or Amazon SES, and its page (braze-inc/braze-docs, ssl.md, 2026-11) asks for
    # X-Forwarded-Host before all of them.
    hosts=(*_SENDGRID.hosts, *_SPARKPOST.hosts, *_SES.hosts),
    forwarded_host=True,
    certificates="Braze requests and manages none: a CDN or a proxy is needed",
    support="ask your Braze customer success manager to switch SSL click tracking on",
)
# CleverTap, "SSL Click Tracking": links go to SendGrid, and CleverTap's support passes the request on.
_CLEVERTAP = replace(
    _SENDGRID,
    name="clevertap",
    sends_by="SendGrid",
    certificates="CleverTap keeps none: a CDN or a proxy is needed",
    support="CleverTap's support has SendGrid switch SSL click and open tracking on, for the whole account: every link "
    "branding of it must serve HTTPS first",
)
# developer.optimove.com, "Guide to SSL Click Tracking for Optimove and SendGrid" (a stored copy, read in 2026-12).
_OPTIMOVE = replace(
    _SENDGRID,
    name="optimove",
    sends_by="SendGrid",
    certificates="Optimove keeps none: a CDN or a proxy is needed",
    support="ask Optimove's support to have SSL click tracking switched on at SendGrid",
)

PRESETS: Mapping[str, Esp] = {
    esp.name: esp
    for esp in (
        _SENDGRID,
        replace(_SENDGRID, name="sendgrid-eu", upstream="https://eu.sendgrid.net"),
        _SPARKPOST,
        replace(_SPARKPOST, name="sparkpost-eu", upstream="https://eu.spgo.io", managing=("eu.v2.spgo.io",)),
        _MAILGUN,
        replace(_MAILGUN, name="mailgun-eu", upstream="http://eu.mailgun.org"),
        _CUSTOMER_IO,
        replace(
            _CUSTOMER_IO,
            name="customer.io-eu",
            upstream="https://track-eu.customer.io",
            hosts=("track-eu.customer.io",),
        ),
        _ITERABLE,
        replace(
            _ITERABLE, name="iterable-eu", upstream="https://links.eu.iterable.com", hosts=("links.eu.iterable.com",)
        ),
        _BRAZE,
        _CLEVERTAP,
        _OPTIMOVE,
        _SES,
        _MAILJET,
    )
}
