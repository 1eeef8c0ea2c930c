#!/usr/bin/env bash
# Tests with a real etcd: fetches the binary where it is missing, then runs every test that is marked `component`.
set -euo pipefail
cd "$(dirname "$0")/.."
bash deploy/trixie.sh etcd
exec .venv/bin/python -m pytest tests/component tests/conformance -m component -n 2 -q "$@"
