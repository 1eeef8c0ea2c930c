#!/usr/bin/env bash
# Makes sure of an engine, compose and the base image, and builds the cluster's images. With BUNDLE it takes them out of
# that folder (bundle.sh) instead, and fetches nothing.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

CERTIFICATES=$ROOT/deploy/images/certificates

images=(etcd registry certs node)
[[ ,${COMPOSE_PROFILES:-}, != *,monitoring,* ]] || images+=(prometheus)

"$ROOT/deploy/engine.sh"
if [[ -n ${BUNDLE:-} ]]; then
  "$ROOT/deploy/unbundle.sh"
  exit 0
fi
"$ROOT/deploy/trixie.sh" compose
"$ROOT/deploy/base-image.sh"

# pip inside the build must trust what this machine trusts besides the public authorities.
rm -f "$CERTIFICATES"/*.crt
if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
  say "images: this machine has CA certificates of its own; the images get them too"
  cp /usr/local/share/ca-certificates/*.crt "$CERTIFICATES/"
fi

# Debian 12's engine (20.10) has its own builder only when asked through the classic interface.
engine=$(docker version --format '{{.Server.Version}}')
if [[ $engine =~ ^([0-9]+)\. ]] && ((BASH_REMATCH[1] < 23)); then export DOCKER_BUILDKIT=0; fi

say "images: building (some minutes the first time, seconds later)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
started=$SECONDS
if ! "$ROOT/deploy/compose.sh" build "${images[@]}" >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  fail "building the images failed"
fi
say "images: built in $((SECONDS - started)) s"
