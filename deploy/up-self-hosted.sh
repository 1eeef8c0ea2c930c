#!/usr/bin/env bash
# Brings up a cluster whose control plane runs as static Pods of one of its nodes (`make up-self-hosted`, docs/self-hosted.md).
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/lib.sh"

PYTHON=$ROOT/.venv/bin/python
PROJECT=${COMPOSE_PROJECT_NAME:-vaina}
TAG=${VAINA_TAG:-latest}
NODE=$PROJECT-node-control-plane-1
MANIFESTS=/etc/kubernetes/manifests
export VAINA_SERVER=127.0.0.1:${VAINA_PORT:-6443}
export VAINA_CERT_DIR=$ROOT/deploy/admin/$PROJECT
export VAINA_NODES=${VAINA_NODES:-1}
export VAINA_ALL_NODES=$((VAINA_NODES + 1))

"$PYTHON" "$ROOT/tools/check_ports.py" "$ROOT/docker-compose.self-hosted.yml" "make up-self-hosted" || exit 1
# Tests have the images already.
[[ ${VAINA_BUILD:-yes} == no ]] || "$ROOT/deploy/build.sh"

compose() { "$ROOT/deploy/compose.sh" -f "$ROOT/docker-compose.self-hosted.yml" --progress quiet "$@"; }

if docker ps --format '{{.Names}}' | grep -qx "$PROJECT-etcd-1"; then
  fail "project $PROJECT runs with a control plane of its own already; \`make down\` removes it"
fi

# The node brings its images along: it must come up where no registry answers.
bring() {
  docker save "${@/%/:$TAG}" | docker exec -i "$NODE" docker load -q >/dev/null
  local image
  for image in "$@"; do docker exec "$NODE" docker tag "$image:$TAG" "${image/-/\/}:self-hosted"; done
}

# Written beside and moved, so that the kubelet never sees half a manifest; names with a dot in front are not looked at.
put() {
  local name
  name=$(basename "$1")
  docker exec -i "$NODE" sh -c "cat >$MANIFESTS/.$name && mv $MANIFESTS/.$name $MANIFESTS/$name" <"$1"
}

answers() {
  docker exec -e VAINA_CERT_DIR=/var/lib/vaina/pki/admins/$PROJECT "$NODE" python -m vaina.serving.probe 127.0.0.1:6443 >/dev/null 2>&1
}

say "cluster: starting the node that is to run the control plane"
compose up -d --no-build --wait node-control-plane
compose up -d --no-build registry
wait_for 60 docker exec "$NODE" docker version >/dev/null 2>&1 || fail "the engine of $NODE does not answer"
bring vaina-etcd vaina-control-plane
docker exec -i "$NODE" sh -c "cat >/var/lib/vaina/audit/audit-policy.yaml" <"$ROOT/deploy/audit-policy.yaml"
say "cluster: putting the manifests of etcd, apiserver, scheduler and controllers into $MANIFESTS"
for manifest in "$ROOT"/deploy/manifests/*.yaml; do put "$manifest"; done
if ! wait_for 90 answers; then
  docker logs --tail 30 "$NODE" >&2
  fail "the apiserver does not answer; the last lines of its node are above"
fi
say "cluster: the control plane answers; starting $VAINA_NODES more node(s)"
compose up -d --no-build --wait
say "cluster: up after $SECONDS s"

cd "$ROOT"
say "what shows the static Pods: vaina get pods -n kube-system"
"$PYTHON" -m cli get pods -n kube-system
say "the apiserver listens at $VAINA_SERVER. \`make down\` removes everything."
say "the page is not started with it; how to: docs/self-hosted.md"
say "with kubectl: export KUBECONFIG=$VAINA_CERT_DIR/kubeconfig"
