#!/usr/bin/env bash
# grpcurl with the administrator's certificate: deploy/grpcurl.sh 127.0.0.1:6443 list. Without arguments it only makes sure of
# .tools/bin/grpcurl: built by Go, from the module proxy that this machine is set up for. Ends with 1 where it cannot be built
# (the page's tests then use a client in Python).
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

VERSION=v1.9.3
PROGRAM=${GRPCURL:-$TOOLS/bin/grpcurl}
CERTS=${VAINA_CERT_DIR:-$ROOT/deploy/admin/${COMPOSE_PROJECT_NAME:-vaina}}

if [[ ! -x $PROGRAM ]]; then
  go=$("$ROOT/deploy/go.sh") || exit 1
  say "grpcurl: building $VERSION (once, about a minute)"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if ! GOBIN=$TOOLS/bin GOFLAGS='' GOTOOLCHAIN=auto "$go" install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$VERSION" >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    exit 1
  fi
fi
(($#)) || exit 0
exec "$PROGRAM" -cacert "$CERTS/ca.crt" -cert "$CERTS/tls.crt" -key "$CERTS/tls.key" "$@"
