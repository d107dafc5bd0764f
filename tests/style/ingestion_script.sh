#!/bin/sh
# The script that runs as the job is Python: its golden copy compiles.
set -e
for script in tests/golden/ingestion/*.py; do
    out=$(mktemp)
    python3 -c 'import py_compile, sys; py_compile.compile(sys.argv[1], cfile=sys.argv[2], doraise=True)' \
        "$script" "$out"
    rm -f "$out"
done
