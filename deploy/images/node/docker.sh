# shellcheck shell=bash
# The engine of a docker node. Sourced by node.sh.

engine_answers() { docker version >/dev/null 2>&1; }

# The unix socket only: a TCP listener without TLS delays the start by 15 s. No bridge and no iptables rules:
# the Pod network is the kubelet's. For anything named docker.io the engine would ask the DNS first whether it may push
# layers of a licence to there: ten seconds a pull, mirror or not, on a machine whose DNS does not answer. It may.
run_engine() {
  # The registries' certificates are of the cluster's authority, and they ask for one of their own. Read at each pull.
  local registry folder
  for registry in registry private-registry; do
    folder=/etc/docker/certs.d/$registry:5000
    mkdir -p "$folder"
    ln -sf /certs/node/ca.crt "$folder/ca.crt"
    ln -sf /certs/node/registry/tls.crt "$folder/client.cert"
    ln -sf /certs/node/registry/tls.key "$folder/client.key"
  done
  exec dockerd --log-level=warn --host=unix:///var/run/docker.sock --live-restore \
    --bridge=none --iptables=false --ip6tables=false --userland-proxy=false \
    --exec-opt=native.cgroupdriver=cgroupfs --cgroup-parent="/vaina/$VAINA_NODE_NAME" \
    --registry-mirror=https://registry:5000 --allow-nondistributable-artifacts=docker.io \
    2> >(grep --line-buffered -v level=info >&2)
}

load_pause() {
  docker image inspect "$PAUSE_IMAGE" >/dev/null 2>&1 || docker load -q -i "$PAUSE_FILE" >/dev/null
}
