"""A link domain's proxy as a small Python program, for those who run no proxy: standard library only.

certd's side, in certd.toml:

    [proxy.app]
    kind = "files"
    paths = { combined = "/srv/link/link.pem" }    # one file, replaced by rename: key and certificate never differ
    reload = "none"                                # this program looks for itself; systemd:UNIT or signal:HUP:PIDFILE
                                                   # have it look at once
    endpoints = ["127.0.0.1:443"]

Run it with UPSTREAM=https://sendgrid.net CERTIFICATE=/srv/link/link.pem HTTP_PORT=80 HTTPS_PORT=443.
"""

import http.client
import os
import signal
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

UPSTREAM = urlsplit(os.environ["UPSTREAM"])
CERTIFICATE = os.environ["CERTIFICATE"]

# Headers that belong to one connection alone (RFC 9110 section 7.6.1).
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


class Forward(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def forward(self):
        # The path as it came: self.path has lost a slash where there were two in front.
        path = self.requestline.split(" ")[1]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = http.client.HTTPSConnection if UPSTREAM.scheme == "https" else http.client.HTTPConnection
        # SNI and the certificate's name are the e-mail service's; the Host header stays the link's own.
        upstream = kind(UPSTREAM.hostname, UPSTREAM.port, timeout=30)
        try:
            upstream.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    upstream.putheader(name, value)
            upstream.putheader("X-Forwarded-For", self.client_address[0])
            upstream.putheader("X-Forwarded-Proto", "https" if isinstance(self.connection, ssl.SSLSocket) else "http")
            upstream.endheaders(body or None)
            answer = upstream.getresponse()  # a redirect is the reader's to follow
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            self.send_response(502)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        finally:
            upstream.close()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = forward  # noqa: N815 (http.server's names)

    def log_message(self, format, *args):
        """Links are personal: they are not logged."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that hang up, or do not like the certificate, are no news."""


def load_again(context, called):
    """The live context takes the new certificate; a pair that does not match raises, and the old one stays."""
    seen = None
    while True:
        try:
            now = os.stat(CERTIFICATE).st_mtime_ns, os.stat(CERTIFICATE).st_ino
            if now != seen:
                context.load_cert_chain(CERTIFICATE)
                seen = now
        except (OSError, ssl.SSLError) as error:
            print(f"{CERTIFICATE}: {error}", flush=True)
        called.wait(1)
        called.clear()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(CERTIFICATE)
    called = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: called.set())
    threading.Thread(target=load_again, args=(context, called), daemon=True).start()
    plain = Server(("", int(os.environ.get("HTTP_PORT", "80"))), Forward)
    tls = Server(("", int(os.environ.get("HTTPS_PORT", "443"))), Forward)
    # The handshake belongs to the connection's own thread: a silent client holds up nobody.
    tls.socket = context.wrap_socket(tls.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    tls.serve_forever()


if __name__ == "__main__":
    main()
