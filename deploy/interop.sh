#!/usr/bin/env bash
# Builds tests/interop, which speaks Kubernetes' published API module, into .tools/bin/k8s-interop, and
# tests/interop/clientgo, which uses client-go, into .tools/bin/k8s-client-go; lays the API module's
# golden objects into .tools/interop/testdata. Needs the Go module proxy that the machine is set up for.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

SOURCE=$ROOT/tests/interop
BUILT=$TOOLS/interop
# What was built, and from what.
stamp=$(cat "$SOURCE"/go.mod "$SOURCE"/go.sum "$SOURCE"/*.go "$SOURCE"/*/*.go | sha256sum)
if [[ -x $TOOLS/bin/k8s-interop && -x $TOOLS/bin/k8s-client-go && $(cat "$BUILT/stamp" 2>/dev/null) == "$stamp" ]]; then exit 0; fi

go=$("$ROOT/deploy/go.sh")
say "interop: building with Kubernetes' API module (once, about a minute)"
# The module names the Go it wants; an older one fetches it.
export GOTOOLCHAIN=auto GOFLAGS=-mod=readonly GOWORK=off
cd "$SOURCE"
mkdir -p "$TOOLS/bin" "$BUILT"
"$go" build -buildvcs=false -o "$TOOLS/bin/k8s-interop" .
"$go" build -buildvcs=false -o "$TOOLS/bin/k8s-client-go" ./clientgo
rm -rf "$BUILT/testdata"
cp -r "$("$go" list -m -f '{{.Dir}}' k8s.io/api)/testdata" "$BUILT/testdata"
chmod -R u+w "$BUILT/testdata"
echo "$stamp" >"$BUILT/stamp"
