#!/bin/sh
# Runs every static check, to the end, and fails when one of them complained.
set -u
cd "$(dirname "$0")/.."
complaints=0
folder=$(mktemp -d)

step() {
    title=$1
    shift
    printf '» %s\n' "$title"
    if ! "$@"; then
        complaints=$((complaints + 1))
        printf '✗ %s complained; see above.\n' "$title" >&2
    fi
}

# Looking at the types takes as long as all else together, on one core: it is done beside the others,
# and what it says is shown after them. What runs in the background does not hear Ctrl-C.
.venv/bin/mypy >"$folder/types" 2>&1 &
mypy=$!
trap 'kill "$mypy" 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

types() {
    wait "$mypy"
    status=$?
    cat "$folder/types"
    return "$status"
}

# import-linter has no quiet mode: its report is shown only when there is something to read.
imports() {
    report=$(.venv/bin/lint-imports --no-cache 2>&1) || {
        printf '%s\n' "$report" >&2
        return 1
    }
}

step 'ruff: style' .venv/bin/ruff check --quiet --output-format concise .
step 'ruff: format' .venv/bin/ruff format --check --quiet --output-format concise .
step 'import-linter: order of imports' imports
# These tests need no database and no browser: neither the fixtures of the other tests, nor two plug-ins
# that take seconds to load.
step 'tidy: layout, documents, locks' \
    .venv/bin/pytest -q --tb=short -o truncation_limit_lines=0 -o truncation_limit_chars=0 --confcutdir tests/tidy \
    -p no:schemathesis -p no:hypothesispytest tests/tidy
step 'mypy: types' types

if [ "$complaints" -gt 0 ]; then
    echo "$complaints of the checks complained." >&2
    exit 1
fi
echo 'All checks are content.'
