#!/bin/sh
# See that a browser is there for its tests; install Debian's where we may.
#
#     scripts/browser.sh [chromium|firefox]     (chromium)
set -eu

case ${1:-chromium} in
    firefox)
        names='firefox-esr'
        packages='firefox-esr pulseaudio pulseaudio-utils fonts-dejavu-core'
        command -v pulseaudio >/dev/null 2>&1 || names='' ;;
    *)
        names='chromium chromium-browser google-chrome'
        packages='chromium fonts-dejavu-core' ;;
esac

for name in $names; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    printf 'setup: installing %s with apt\n' "$packages" >&2
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $packages >/dev/null
    exit 0
fi
printf 'setup: no %s here and no right to install one: %s\n' "${1:-chromium}" \
    'its tests will be SKIPPED' >&2
