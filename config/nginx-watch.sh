#!/bin/sh
# In the proxy's container: answers certd's question whether nginx loads its configuration (reload = "touch:STAMP").
# The official nginx image runs it when it lies in /docker-entrypoint.d and is executable. certd writes 32 hexadecimal
# digits into the stamp; what is run here is not certd's to choose, and nothing that certd writes is ever executed.
# certd's user may place links in this folder: the answer is a new file (set -C) with a name that nobody can foresee, and
# what is no regular file is not read.
stamp=${CERTD_STAMP:-/var/lib/certd/reload/nginx}

watch() {
    answered=
    while sleep 1; do
        question=
        [ -f "$stamp" ] && [ ! -L "$stamp" ] && { read -r question <"$stamp"; } 2>/dev/null
        case $question in
            "" | "$answered" | *[!0-9a-f]*) continue ;;
        esac
        words=$(nginx -t -q 2>&1 && nginx -s reload 2>&1)
        code=$?
        new=$stamp.$(cat /proc/sys/kernel/random/uuid)
        (set -C && umask 022 && printf '%s %s\n%s\n' "$question" "$code" "$words" >"$new") &&
            mv -fT "$new" "$stamp.result" && answered=$question
    done
}

watch &
