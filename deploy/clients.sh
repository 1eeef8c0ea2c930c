#!/usr/bin/env bash
# Makes .tools/clients, a virtual environment with Kubernetes' client libraries for Python (requirements/clients.txt), which
# the tests of the REST API run: apart from .venv, so that they can want other releases than the product has.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

LOCK=$ROOT/requirements/clients.txt
CLIENTS=$TOOLS/clients
# What was installed, for which Python.
stamp=$("$ROOT/.venv/bin/python" -VV | cat - "$LOCK" | sha256sum)
if [[ $(cat "$CLIENTS/stamp" 2>/dev/null) == "$stamp" ]]; then exit 0; fi

say "clients: a virtual environment with $(grep -oE '^(kubernetes|lightkube|kr8s)==[0-9.]+' "$LOCK" | paste -sd ' ') (once, about a minute)"
rm -rf "$CLIENTS"
"$ROOT/.venv/bin/python" -m venv "$CLIENTS"
"$CLIENTS/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$LOCK" >&2
# The lock names every package that is needed.
"$CLIENTS/bin/python" -m pip check >/dev/null || fail "clients: $LOCK lacks packages: make update-locks"
echo "$stamp" >"$CLIENTS/stamp"
