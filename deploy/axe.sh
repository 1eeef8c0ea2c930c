#!/usr/bin/env bash
# Brings axe-core, which the tests of the page ask what a screen reader would miss, to .tools/axe: the script alone, out of a
# package of PyPI that has it (requirements/axe.txt).
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

LOCK=$ROOT/requirements/axe.txt
AXE=$TOOLS/axe
stamp=$(sha256sum <"$LOCK")
if [[ $(cat "$AXE/stamp" 2>/dev/null) == "$stamp" ]]; then exit 0; fi

say "axe: $(grep -oE '^axe[^ ]+' "$LOCK")"
rm -rf "$AXE"
"$ROOT/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile \
  --target "$AXE/package" -r "$LOCK" >&2
mv "$AXE/package/axe_playwright_python/axe.min.js" "$AXE/axe.min.js"
rm -rf "$AXE/package"
echo "$stamp" >"$AXE/stamp"
