#!/bin/sh
# Finds a Python that is new enough and hands over to scripts/setup.py.
# Usage: scripts/setup.sh runtime|dev        PYTHON=/path/to/python3 names the one to use.
set -eu
cd "$(dirname "$0")/.."

new_enough() {
    # Without site packages it answers in a few milliseconds.
    "$1" -S -E -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    candidates=$PYTHON
else
    # The environment's own comes first: it is there on every run but the first.
    candidates='.venv/bin/python python3 python3.14 python3.13 python3.12 python3.11 python'
fi

for candidate in $candidates; do
    if new_enough "$candidate"; then
        exec "$candidate" -S -E scripts/setup.py "$@"
    fi
done

if [ -n "${PYTHON:-}" ]; then
    echo "$PYTHON is not a Python 3.11 or newer: name another one, as in 'make setup PYTHON=python3.12'." >&2
elif command -v python3 >/dev/null 2>&1; then
    echo "Shanmen needs Python 3.11 or newer, and python3 here is $(python3 -V 2>&1): install a newer one, then name it, as in 'make setup PYTHON=python3.12'." >&2
else
    echo "Shanmen needs Python 3.11 or newer, and there is no python3 here: install it (on Debian and Ubuntu: 'apt-get install python3 python3-venv')." >&2
fi
exit 1
