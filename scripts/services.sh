#!/bin/sh
# See that the servers are there which tests start for themselves: PostgreSQL (the
# store's other database) and coturn (a relay). Install Debian's where we may.
set -eu

missing=
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="postgresql"
command -v turnserver >/dev/null 2>&1 || missing="$missing coturn"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    printf 'setup: installing %s with apt\n' "$missing" >&2
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $missing >/dev/null
    exit 0
fi
printf 'setup: %s missing and no right to install: %s\n' "$missing" \
    'the tests that need it will be SKIPPED' >&2
