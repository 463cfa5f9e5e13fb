"""Mail by SMTP (RFC 5321), with STARTTLS where the server offers it and always before a password."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from certd.alarms.channels import DEADLINE_SECONDS
from certd.errors import AlarmFailed
from certd.model import Notice, Secret
from certd.system.tls_rules import with_our_rules

# For the whole of it.
WHOLE_SECONDS = 60.0

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

PORTS = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to all recipients.

    Args:
        server: ``smtp://user@host:587`` or ``smtps://host``.
        password: For the user of ``server``; read at each message.
        plaintext: Another host may get mails without TLS. Else a server that offers no STARTTLS gets none: whoever
            stands between takes the offer out of its answer (RFC 3207, section 6).
    """

    server: str
    sender: str
    recipients: tuple[str, ...]
    node: str
    password: Callable[[], Secret] | None = None
    plaintext: bool = False
    name: str = "smtp"
    deadline: float = WHOLE_SECONDS

    def tell(self, notice: Notice) -> None:
        """Delivered means taken by the server for every recipient. The library's timeout is that of one read; a server
        that drips is waited for from outside, and keeps a daemon thread, not certd.
        """
        outcome: list[AlarmFailed | None] = []

        def deliver() -> None:
            try:
                self._deliver(notice)
                outcome.append(None)
            except AlarmFailed as error:
                outcome.append(error)

        thread = threading.Thread(target=deliver, name=self.name, daemon=True)
        thread.start()
        thread.join(self.deadline)
        if not outcome:
            raise AlarmFailed(f"alarms.smtp: {urlsplit(self.server).hostname} was not told within {self.deadline:g} s")
        if outcome[0] is not None:
            raise outcome[0]

    def _deliver(self, notice: Notice) -> None:
        parts = urlsplit(self.server)
        host = parts.hostname or ""
        port = parts.port or PORTS[parts.scheme]
        try:
            with self._connected(parts.scheme, host, port) as server:
                if parts.username and self.password is not None:
                    server.login(unquote(parts.username), self.password().reveal())
                refused = server.send_message(self._message(notice))
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise AlarmFailed(f"alarms.smtp: {host}:{port}: {_words(error)}") from error
        if refused:
            raise AlarmFailed(f"alarms.smtp: {host} refuses {', '.join(refused)}")

    def _connected(self, scheme: str, host: str, port: int) -> smtplib.SMTP:
        context = client_context()
        is_here = host in LOOPBACK
        if is_here:
            # Nothing leaves this machine; a relay here often has a certificate of its own making.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=DEADLINE_SECONDS, context=context)
        server = smtplib.SMTP(host, port, timeout=DEADLINE_SECONDS)
        try:
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            elif self.password is not None:
                raise AlarmFailed(f"alarms.smtp: {host} offers no STARTTLS; a password is not sent in the clear")
            elif not is_here and not self.plaintext:
                raise AlarmFailed(
                    f"alarms.smtp: {host} offers no STARTTLS; alarms.smtp_plaintext = true sends mails in the clear"
                )
        except BaseException:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.close()
            raise
        return server

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Subject"] = " ".join(f"[certd {self.node}] {notice.title}".split())[:200]
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="certd.invalid")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice.text + "\n")
        return message


def client_context() -> ssl.SSLContext:
    """Verifies a mail server by the system's roots."""
    return with_our_rules(ssl.create_default_context())


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        words = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        return f"{error.smtp_code} {words}"
    return str(error) or type(error).__name__
