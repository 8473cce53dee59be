#!/bin/sh
# Make the virtual environment in $1 hold this project with the extras in $2.
#
# Quick with uv when it is there, pip otherwise. Does nothing when the stamp is newer
# than everything the environment is made from. Works as root or not, on a Debian
# whose python3 lacks ensurepip too (then with apt, where we may, or with uv).
set -eu

venv=$1
extras=${2:-}
top=$(cd "$(dirname "$0")/.." && pwd)
stamp="$venv/.ready-$(printf '%s' "${extras:-server}" | tr ',' '-')"

if [ -e "$stamp" ] && [ "$stamp" -nt "$top/pyproject.toml" ] \
    && [ "$stamp" -nt "$top/constraints.txt" ]; then
    exit 0
fi

say() { printf 'setup: %s\n' "$*" >&2; }

find_python() {
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c \
            'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    say "Python 3.11 or newer is needed and was not found (set PYTHON=...)"
    exit 1
}

python=$(find_python)
target="$top${extras:+[$extras]}"

if command -v uv >/dev/null 2>&1; then
    [ -x "$venv/bin/python" ] || uv venv -q --python "$python" "$venv"
    say "installing ${extras:-the server} with uv"
    uv pip install -q --python "$venv/bin/python" \
        -c "$top/constraints.txt" -e "$target"
else
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        if ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
            if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
                say "installing python3-venv with apt"
                apt-get update -qq
                apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
            else
                say "this Python has no ensurepip: install python3-venv, or uv"
                exit 1
            fi
        fi
        "$python" -m venv --clear "$venv"
    fi
    say "installing ${extras:-the server} with pip (uv would be quicker)"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check \
        --root-user-action=ignore -c "$top/constraints.txt" -e "$target"
fi
touch "$stamp"
