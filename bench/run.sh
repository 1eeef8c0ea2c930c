#!/usr/bin/env bash
# The benchmarks (`make bench`): tables on standard output, JSON in bench/results. On a cluster of their own, which is
# taken away again; COMPOSE_PROJECT_NAME names one that runs already. Nothing is sent anywhere but to this machine.
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/../deploy/lib.sh"
# shellcheck source=bench/cluster.sh
source "$(dirname "$0")/cluster.sh"

cd "$ROOT"
# First what needs the machine for itself: etcd, apiserver and scheduler as processes, no containers.
"$ROOT/deploy/trixie.sh" etcd
say "bench: Pods bound a second, by workload"
.venv/bin/python -m bench.scheduler
say "bench: the scheduler's cycle alone"
.venv/bin/python -m bench.decide --nodes 5000 --output bench/results/decide.json
say "bench: the apiserver's writes beside a no-op server and etcd"
.venv/bin/python -m bench.apiserver_writes
say "bench: watches, lists and restarts of the apiserver"
.venv/bin/python -m bench.apiserver_reads
say "bench: storage over etcd"
.venv/bin/python -m bench.storage
say "bench: an informer of 20,000 Pods"
.venv/bin/python -m bench.informer
.venv/bin/python -m bench.authorization
say "bench: controllers, in short (python -m bench.controllers has the full sizes)"
.venv/bin/python -m bench.controllers --pods 500 --sets 50 --deployments 100 --rest-seconds 20 --nodes 20

bring_up

say "bench: what a kubelet costs, beside the engine's floor"
.venv/bin/python -m bench.kubelet --apiserver "$address" --node "$COMPOSE_PROJECT_NAME-node-1" "$@"
