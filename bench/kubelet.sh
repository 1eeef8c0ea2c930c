#!/usr/bin/env bash
# What a kubelet costs (`make bench-kubelet`): tables on standard output, JSON in bench/results/kubelet.json.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/../deploy/lib.sh"
# shellcheck source=bench/cluster.sh
source "$(dirname "$0")/cluster.sh"

cd "$ROOT"
export VAINA_NODES=${VAINA_NODES:-1}
bring_up
.venv/bin/python -m bench.kubelet --apiserver "$address" --node "$COMPOSE_PROJECT_NAME-node-1" "$@"
