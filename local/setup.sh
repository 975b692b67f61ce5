#!/bin/sh
# Finds a Python that works and hands over to local/toolchain.py, which sets up the named parts.
# A name proves nothing (a pyenv shim may exist and fail), so each candidate is run.
set -eu
cd "$(dirname "$0")/.."

works='import sys
if sys.version_info < (3, 11):
    sys.exit("is older than 3.11")
try:
    import ensurepip, ssl, venv
except ImportError as error:
    sys.exit(f"has no {error.name}")'

try() { # sets `problem` when $1 does not serve
    if ! command -v "$1" >/dev/null 2>&1; then problem="$1 is not there"; return 1; fi
    if said=$("$1" -c "$works" 2>&1 </dev/null); then return 0; fi
    case $said in
    is* | has*) problem="$1 $said" ;;
    *) problem="$1 does not run" ;;
    esac
    return 1
}

made_by=.venv/.made-by # the interpreter of last time: no need to search again
if [ -n "${PYTHON:-}" ]; then
    try "$PYTHON" || { echo "error: PYTHON=$PYTHON cannot be used: $problem" >&2; exit 1; }
    exec "$PYTHON" -E -s -m local.toolchain "$@"
fi
if [ -r "$made_by" ] && read -r python <"$made_by" && try "$python"; then
    exec "$python" -E -s -m local.toolchain "$@"
fi
problems=
for python in python3.13 python3.12 python3.11 python3; do
    if try "$python"; then exec "$python" -E -s -m local.toolchain "$@"; fi
    problems="$problems${problems:+, }$problem"
done
echo "error: no usable Python 3.11 or newer ($problems): install one (Debian: python3 and" \
    "python3-venv), or name one: make PYTHON=/path/to/python3" >&2
exit 1
