#!/usr/bin/env bash
# Makes sure of .tools/bin/grpcurl: built by Go, from the module proxy that this machine is set up for. Ends with 1
# where there is no Go (the page's tests then use a client in Python).
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

VERSION=v1.9.3

if [[ -x $TOOLS/bin/grpcurl ]]; then exit 0; fi
command -v go >/dev/null || exit 1
say "grpcurl: building $VERSION (once, about a minute)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! GOBIN=$TOOLS/bin GOFLAGS='' go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$VERSION" >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  exit 1
fi
