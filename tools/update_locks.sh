#!/usr/bin/env bash
# Resolve the lock files: hashed, one set for Python 3.11 to 3.13, naming no index and no host.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() {
  uv pip compile "$@" --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-emit-find-links --custom-compile-command "make update-locks" --quiet
}
lock pyproject.toml -o requirements/runtime.txt
lock pyproject.toml --extra dev -c requirements/runtime.txt -o requirements/dev.txt
lock requirements/clients.in -o requirements/clients.txt
