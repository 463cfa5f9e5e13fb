"""Other services by the names that they are known by in DNS: those that take the validation name for themselves, and
the e-mail services that a link points at before it points at a proxy.
"""

from __future__ import annotations

from certd.dns.names import is_below

# Whose automatic certificates are validated by a CNAME at the very name that certd would write to.
_VALIDATION = {
    "dcv.cloudflare.com": "Cloudflare for SaaS, such as SendGrid's automatic SSL",
    "acm-validations.aws": "AWS Certificate Manager",
    "authorize.certificatemanager.goog": "Google Certificate Manager",
    "fastly-validations.com": "Fastly",
    "dcv.digicert.com": "DigiCert",
    "comodoca.com": "Sectigo",
    "validation.sendgrid.net": "SendGrid's automatic SSL",
}

_MAIL = {
    "sendgrid.net": "SendGrid",
    "spgo.io": "SparkPost",
    "sparkpostmail.com": "SparkPost",
    "sparkpost.com": "SparkPost",
    "mailgun.org": "Mailgun",
    "mailjet.com": "Mailjet",
    "customer.io": "Customer.io",
    "iterable.com": "Iterable",
    "awstrack.me": "Amazon SES",
    "pstmrk.it": "Postmark",
    "exacttarget.com": "Salesforce Marketing Cloud",
    "hubspotlinks.com": "HubSpot",
    "klaviyomail.com": "Klaviyo",
}


def validation_service(target: str) -> str:
    """Who validates by a CNAME to this name; empty where nobody is known to."""
    return _known(_VALIDATION, target)


def mail_service(target: str) -> str:
    """The e-mail service that a name belongs to; empty where it is none."""
    return _known(_MAIL, target)


def _known(table: dict[str, str], name: str) -> str:
    return next((who for zone, who in table.items() if is_below(name.lower().rstrip("."), zone)), "")
