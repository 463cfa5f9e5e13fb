#!/bin/sh
# In the proxy's container: answers certd's question whether nginx loads its configuration (reload = "touch:STAMP").
# The official nginx image runs it when it lies in /docker-entrypoint.d and is executable. certd writes 32 hexadecimal
# digits into the stamp; what is run here is not certd's to choose, and nothing that certd writes is ever executed.
stamp=${CERTD_STAMP:-/var/lib/certd/reload/nginx}

watch() {
    answered=
    while sleep 1; do
        question=
        { read -r question <"$stamp"; } 2>/dev/null
        case $question in
            "" | "$answered" | *[!0-9a-f]*) continue ;;
        esac
        words=$(nginx -t -q 2>&1 && nginx -s reload 2>&1)
        code=$?
        printf '%s %s\n%s\n' "$question" "$code" "$words" >"$stamp.result.new" &&
            chmod 644 "$stamp.result.new" && mv -f "$stamp.result.new" "$stamp.result" && answered=$question
    done
}

watch &
