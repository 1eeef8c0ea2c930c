#!/usr/bin/env bash
# Brings the whole cluster up and sends a first Pod through its seven steps (`make up`).
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

PYTHON=$ROOT/.venv/bin/python
export VAINA_SERVER=127.0.0.1:${VAINA_PORT:-6443}
export VAINA_CERT_DIR=$ROOT/deploy/admin/${COMPOSE_PROJECT_NAME:-vaina}
FIRST_POD=$ROOT/examples/jumpod.yaml

"$PYTHON" "$ROOT/tools/check_ports.py" "$ROOT/docker-compose.yml" "make up" || exit 1
"$ROOT/deploy/build.sh"
"$ROOT/deploy/etcd-volume.sh"

say "cluster: starting etcd, the registry, apiserver, scheduler, controller, the page and ${VAINA_NODES:-3} nodes"
if ! "$ROOT/deploy/compose.sh" --progress quiet up -d --no-build --wait; then
  "$ROOT/deploy/compose.sh" ps -a >&2
  "$ROOT/deploy/compose.sh" logs --tail 15 >&2
  fail "the cluster did not come up; the last lines of every service are above"
fi
say "cluster: everything is healthy after $SECONDS s"

cd "$ROOT"
say "a first Pod: vaina apply -f examples/jumpod.yaml"
"$PYTHON" -m cli apply -f "$FIRST_POD"
say "its seven steps: vaina trace pod/jumpod --watch"
"$PYTHON" -m cli trace pod/jumpod --watch
say "the apiserver listens at $VAINA_SERVER; try: .venv/bin/vaina get pods. \`make down\` removes everything."
say "the page: $("$PYTHON" -m cli dashboard)"
say "with kubectl: export KUBECONFIG=$VAINA_CERT_DIR/kubeconfig"
