#!/bin/sh
# Writes requirements/*.txt anew from pyproject.toml: every version pinned, every file by its hash,
# and no address, so that each machine downloads from the index that it is set to.
# Usage: scripts/lock.sh [--upgrade]
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .venv/bin/uv)
if [ ! -x "$uv" ]; then
    .venv/bin/python -m pip install --quiet --require-hashes -r requirements/installer.txt
fi

compile() {
    output=$1
    shift
    echo "» requirements/$output.txt …"
    "$uv" pip compile "$@" --output-file "requirements/$output.txt" --quiet \
        --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command 'make lock'
}

# What runs is locked first; the tools then have to agree with it, not the other way round.
compile base pyproject.toml "$@"
compile server pyproject.toml --extra server --constraint requirements/base.txt "$@"
compile dev pyproject.toml --extra server --group dev --constraint requirements/server.txt "$@"
compile build --group build --constraint requirements/dev.txt "$@"
compile installer --group installer "$@"
compile node --group node "$@"
