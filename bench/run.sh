#!/usr/bin/env bash
# The benchmarks (`make bench`): tables on standard output, JSON in bench/results. Uses a cluster that runs, else brings
# one up and takes it away again. Nothing is sent anywhere but to this machine.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/../deploy/lib.sh"

PROJECT=${COMPOSE_PROJECT_NAME:-vaina}
NODE=$PROJECT-node-1

cd "$ROOT"
if [[ -z $(docker ps -q --filter "name=^$NODE\$" 2>/dev/null) ]]; then
  deploy/build.sh
  say "bench: bringing up a cluster for it"
  deploy/compose.sh --progress quiet up -d --no-build --wait
  trap 'deploy/down.sh' EXIT
fi
address=$(deploy/compose.sh port apiserver 6443)

say "bench: create to Running beside the engine's floor"
.venv/bin/python -m bench.pod_start --apiserver "$address" --node "$NODE" "$@"
