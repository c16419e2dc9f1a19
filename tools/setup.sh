#!/bin/sh
# Makes .venv from requirements-dev.lock, and says plainly what is missing if it cannot.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for name in ${PYTHON:-} python3.14 python3.13 python3.12 python3.11 python3; do
        if command -v "$name" >/dev/null 2>&1 && usable "$name"; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

# A system Python may come without the parts that make a virtual environment.
complete() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

install_with_apt() {
    command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ] || return 1
    say "setup: installing with apt-get: $*"
    { apt-get update && apt-get install -y --no-install-recommends "$@"; } >&2
}

python=$(find_python || true)
if [ -z "$python" ] || ! complete "$python"; then
    install_with_apt python3 python3-venv || true
    python=$(find_python || true)
fi
if [ -z "$python" ]; then
    say "setup: Python 3.11 or newer is needed and was not found on PATH."
    say "       Install it (Debian and Ubuntu: apt-get install python3 python3-venv), or name it: PYTHON=/path/to/python3 make setup"
    exit 1
fi
if ! complete "$python"; then
    say "setup: $python lacks the venv module."
    say "       Install it (Debian and Ubuntu: apt-get install python3-venv), or name another: PYTHON=/path/to/python3 make setup"
    exit 1
fi

if usable .venv/bin/python; then
    say "setup: bringing .venv up to date"
else
    say "setup: making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
say "setup: installing the locked packages (some minutes the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
touch .venv/.ready
say "setup: ready"
