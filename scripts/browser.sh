#!/bin/sh
# See that a Chromium is there for tests/browser; install Debian's where we may.
set -eu

for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    printf 'setup: installing chromium with apt\n' >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        chromium fonts-dejavu-core >/dev/null
    exit 0
fi
printf 'setup: no Chromium here and no right to install one: %s\n' \
    'the browser tests will be SKIPPED' >&2
