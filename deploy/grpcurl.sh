#!/usr/bin/env bash
# Makes sure of .tools/bin/grpcurl: built by Go, from the module proxy that this machine is set up for. Ends with 1
# where it cannot be built (the page's tests then use a client in Python).
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

VERSION=v1.9.3

if [[ -x $TOOLS/bin/grpcurl ]]; then exit 0; fi
go=$("$ROOT/deploy/go.sh") || exit 1
say "grpcurl: building $VERSION (once, about a minute)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! GOBIN=$TOOLS/bin GOFLAGS='' GOTOOLCHAIN=auto "$go" install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$VERSION" >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  exit 1
fi
