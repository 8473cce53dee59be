#!/bin/sh
# Run one of the tools that check the voice page (eslint, tsc, lighthouse), installing
# them with npm when they are missing. Where there is no npm, or no way to the packages,
# it says so and lets the rest go on; in CI that is a failure.
#
#     scripts/page_tools.sh eslint|tsc|lighthouse [ARGUMENTS]
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
tools="$top/scripts/page_tools"
stamp="$tools/node_modules/.ready"
tool=$1
shift

give_up() {
    printf 'page tools: %s: %s NOT run\n' "$1" "$tool" >&2
    [ -z "${CI:-}" ]
    exit
}

command -v npm >/dev/null 2>&1 || give_up 'no npm here (Debian: apt-get install npm)'
if ! [ -e "$stamp" ] || [ "$tools/package.json" -nt "$stamp" ]; then
    printf 'page tools: installing with npm\n' >&2
    (cd "$tools" && npm install --no-package-lock --no-audit --no-fund --silent >&2) \
        || give_up 'npm could not install them'
    touch "$stamp"
fi

cd "$top"
case $tool in
    eslint) exec "$tools/node_modules/.bin/eslint" \
        --config "$tools/eslint.config.js" --max-warnings 0 "$@" ;;
    tsc) exec "$tools/node_modules/.bin/tsc" -p web/jsconfig.json "$@" ;;
    lighthouse) exec "$tools/node_modules/.bin/lighthouse" "$@" ;;
    *) printf 'page tools: no tool named %s\n' "$tool" >&2; exit 2 ;;
esac
