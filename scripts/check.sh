#!/bin/sh
# Runs every static check, to the end, and fails when one of them complained.
set -u
cd "$(dirname "$0")/.."
complaints=0

step() {
    title=$1
    shift
    printf '» %s\n' "$title"
    if ! "$@"; then
        complaints=$((complaints + 1))
        printf '✗ %s complained; see above.\n' "$title" >&2
    fi
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
step 'mypy: types' .venv/bin/mypy
step 'import-linter: order of imports' imports
# These tests need no database and no browser: neither the fixtures of the other tests, nor two plug-ins
# that take seconds to load.
step 'tidy: layout, documents, locks' \
    .venv/bin/pytest -q --tb=short -o truncation_limit_lines=0 -o truncation_limit_chars=0 --confcutdir tests/tidy \
    -p no:schemathesis -p no:hypothesispytest tests/tidy

if [ "$complaints" -gt 0 ]; then
    echo "$complaints of the checks complained." >&2
    exit 1
fi
echo 'All checks are content.'
