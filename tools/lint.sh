#!/usr/bin/env bash
# Every static check, each named; all run, the exit code says whether any failed.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
check() { local name=$1; shift; if "$@"; then echo "lint: $name ok"; else echo "lint: $name FAILED"; failed=1; fi; }
check ruff ruff check --quiet .
check format ruff format --check --quiet .
check imports lint-imports --no-cache
check module-size .venv/bin/python tools/check_module_size.py
check mypy mypy --no-error-summary
check buf bash tools/buf.sh
exit $failed
