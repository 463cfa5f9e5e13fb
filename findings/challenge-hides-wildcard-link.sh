#!/usr/bin/env bash
# Publishing a dns-01 value takes a link host off the DNS when a wildcard answers for it.
#
# Guess: a TXT record at _acme-challenge.a.links.test touches nothing but that name. The host
#   a.links.test is answered by "*.links.test CNAME proxy.links.test" before, during and after.
# What happens: while the TXT record exists, a.links.test exists too, as an empty non-terminal
#   (RFC 4592, section 2.2.2). A wildcard never answers for a name that exists, so BIND answers
#   NOERROR without an address. A resolver keeps that empty answer for the negative TTL of the
#   zone. Unbound still has no address for the host after the TXT record is gone from BIND.
# Why it matters: a daemon that renews a certificate for such a host stops its clicks during the
#   challenge, and for up to the negative TTL after it, for every resolver that asks meanwhile.
#   The way out: give the host a CNAME of its own, as own.links.test has here.
# Control: b.links.test, under the same wildcard, keeps its address throughout.
# Seen with: BIND and nsupdate 9.18.49, Unbound 1.17.1, on 2026-12-01.
# Installs: the packages below, pinned, from Debian 12 by apt-get, into a temporary folder. The servers
#   listen on loopback at high ports.
set -u

fail() { echo "NOT AS STATED: $*" >&2; exit 1; }

dir=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
    rm -rf "$dir"
}
trap finish EXIT

pinned=(
    bind9=1:9.18.49-1~deb12u3 bind9-libs=1:9.18.49-1~deb12u3 bind9-dnsutils=1:9.18.49-1~deb12u3
    unbound=1.17.1-2+deb12u4
)
libraries=(
    libevent-2.1-7 libfstrm0 libhiredis0.14 libjemalloc2 libjson-c5 liblmdb0 libmaxminddb0 libnghttp2-14
    libprotobuf-c1 libpython3.11 libuv1 libxml2
)
mkdir "$dir/packages" "$dir/root"
chmod 755 "$dir" "$dir/packages"
(cd "$dir/packages" && apt-get download -qq "${pinned[@]}" "${libraries[@]}" >/dev/null) ||
    { echo "apt-get has not these packages: ${pinned[*]}" >&2; exit 2; }
for package in "$dir"/packages/*.deb; do dpkg-deb -x "$package" "$dir/root"; done
export PATH="$dir/root/usr/sbin:$dir/root/usr/bin:$PATH"
LD_LIBRARY_PATH=$(echo "$dir"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
named -v
unbound -V | head -n 1

bind_port=$((20000 + RANDOM % 20000))
unbound_port=$((bind_port + 1))

cat >"$dir/zone" <<'ZONE'
$TTL 1800
@ SOA ns.links.test. admin.links.test. 1 3600 600 86400 1800
@ NS ns
ns A 127.0.0.1
proxy A 192.0.2.10
* CNAME proxy
own CNAME proxy
ZONE
cat >"$dir/named.conf" <<CONF
options {
    directory "$dir"; pid-file none; session-keyfile none; recursion no;
    listen-on port $bind_port { 127.0.0.1; }; listen-on-v6 { none; };
};
controls { };
zone "links.test" { type primary; file "$dir/zone"; allow-update { 127.0.0.1; }; };
CONF
cat >"$dir/unbound.conf" <<CONF
server:
    interface: 127.0.0.1
    port: $unbound_port
    do-not-query-localhost: no
    chroot: ""
    username: ""
    directory: "$dir"
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    local-zone: "test." nodefault
stub-zone:
    name: "links.test"
    stub-addr: 127.0.0.1@$bind_port
remote-control:
    control-enable: no
CONF
named -c "$dir/named.conf" -f -g 2>"$dir/named.log" &
pids+=($!)
unbound -d -c "$dir/unbound.conf" 2>"$dir/unbound.log" &
pids+=($!)

# The address of a host: "-" when the answer is NOERROR without one.
ask() {
    local answer
    answer=$(dig +tries=1 +time=2 @127.0.0.1 -p "$1" "$2" A)
    grep -q 'status: NOERROR' <<<"$answer" || { echo "no NOERROR"; return; }
    awk '$4 == "A" { found = $5 } END { print found ? found : "-" }' <<<"$answer"
}
update() {
    printf 'server 127.0.0.1 %s\nzone links.test\nupdate %s\nsend\n' "$bind_port" "$1" | nsupdate ||
        { echo "nsupdate failed" >&2; exit 2; }
}
expect() {
    printf '%-46s %s\n' "$1" "$2"
    [ "$2" = "$3" ] || fail "$1: expected $3, saw $2"
}

for _ in $(seq 50); do
    [ "$(ask "$bind_port" ns.links.test)" = 127.0.0.1 ] &&
        [ "$(ask "$unbound_port" ns.links.test)" = 127.0.0.1 ] && break
    sleep 0.2
done
for port in "$bind_port" "$unbound_port"; do
    [ "$(ask "$port" ns.links.test)" = 127.0.0.1 ] ||
        { echo "no server answers at port $port" >&2; cat "$dir"/*.log >&2; exit 2; }
done

expect "before: BIND, a.links.test" "$(ask "$bind_port" a.links.test)" 192.0.2.10
update "add _acme-challenge.a.links.test 60 TXT value"
expect "challenge published: BIND, a.links.test" "$(ask "$bind_port" a.links.test)" -
expect "challenge published: BIND, b.links.test" "$(ask "$bind_port" b.links.test)" 192.0.2.10
expect "challenge published: Unbound, a.links.test" "$(ask "$unbound_port" a.links.test)" -
update "add _acme-challenge.own.links.test 60 TXT value"
expect "challenge published: BIND, own.links.test" "$(ask "$bind_port" own.links.test)" 192.0.2.10
update "delete _acme-challenge.a.links.test TXT"
expect "challenge removed: BIND, a.links.test" "$(ask "$bind_port" a.links.test)" 192.0.2.10
sleep 2
expect "challenge removed: Unbound, a.links.test" "$(ask "$unbound_port" a.links.test)" -
expect "challenge removed: Unbound, b.links.test" "$(ask "$unbound_port" b.links.test)" 192.0.2.10
left=$(dig @127.0.0.1 -p "$unbound_port" a.links.test A | awk '$4 == "SOA" { print $2 }')
[ "${left:-0}" -gt 1700 ] || fail "Unbound keeps the empty answer for ${left:-0} s only"
echo "Unbound keeps the empty answer for $left more seconds"
echo "as stated: the challenge hides the link host, and a resolver remembers that"
