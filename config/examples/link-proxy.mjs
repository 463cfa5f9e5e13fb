// A link domain's proxy as a small Node program, for those who run no proxy: nothing but Node's own modules.
//
// certd's side, in certd.toml:
//
//   [proxy.app]
//   kind = "files"
//   paths = { combined = "/srv/link/link.pem" }    # one file, replaced by rename: key and certificate never differ
//   reload = "none"                                # this program looks for itself; systemd:UNIT or signal:HUP:PIDFILE
//                                                  # have it look at once
//   endpoints = ["127.0.0.1:443"]
//
// Run it with UPSTREAM=https://sendgrid.net CERTIFICATE=/srv/link/link.pem HTTP_PORT=80 HTTPS_PORT=443.

import { readFileSync, statSync } from "node:fs";
import http from "node:http";
import https from "node:https";

const upstream = new URL(process.env.UPSTREAM);
const certificate = process.env.CERTIFICATE;
const tls = upstream.protocol === "https:";

// Headers that belong to one connection alone (RFC 9110 section 7.6.1).
const hopByHop = new Set(["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]);
const kept = (raw) => {
  const pairs = [];
  for (let i = 0; i < raw.length; i += 2) if (!hopByHop.has(raw[i].toLowerCase())) pairs.push(raw[i], raw[i + 1]);
  return pairs;
};

function forward(request, response) {
  const proto = request.socket.encrypted ? "https" : "http";
  const client = request.socket.remoteAddress.replace(/^::ffff:/, "");
  const asked = (tls ? https : http).request({
    host: upstream.hostname,
    port: upstream.port || (tls ? 443 : 80),
    servername: upstream.hostname, // SNI and the certificate's name are the e-mail service's
    method: request.method,
    path: request.url, // as it came, and no redirect is followed
    headers: [...kept(request.rawHeaders), "X-Forwarded-For", client, "X-Forwarded-Proto", proto], // Host stays
    timeout: 30000,
  });
  asked.on("timeout", () => asked.destroy(new Error("timeout")));
  asked.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
  asked.on("response", (answer) => {
    response.sendDate = false;
    response.writeHead(answer.statusCode, answer.statusMessage, kept(answer.rawHeaders));
    answer.pipe(response);
  });
  request.pipe(asked);
}

const pair = () => {
  const pem = readFileSync(certificate);
  return { cert: pem, key: pem, minVersion: "TLSv1.2" };
};
const options = { maxHeaderSize: 32768 };
const server = https.createServer({ ...pair(), ...options }, forward);
const identity = () => { const { mtimeMs, ino } = statSync(certificate); return `${mtimeMs} ${ino}`; };
let seen = identity();
const look = () => {
  try {
    const now = identity();
    if (now === seen) return;
    server.setSecureContext(pair()); // a pair that does not match throws, and the old one stays
    seen = now;
  } catch (error) {
    console.error(`${certificate}: ${error.message}`);
  }
};
setInterval(look, 1000);
process.on("SIGHUP", look);

server.listen(Number(process.env.HTTPS_PORT || 443));
http.createServer(options, forward).listen(Number(process.env.HTTP_PORT || 80));
