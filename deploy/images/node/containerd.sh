# shellcheck shell=bash
# The engine of a node whose kubelet speaks CRI (VAINA_RUNTIME=cri). Sourced by node.sh.

export VAINA_CNI_CONF_DIR=/run/vaina/cni

engine_answers() { ctr version >/dev/null 2>&1; }

# The registries of the compose network speak plain HTTP.
trust_registries() {
  local host
  for host in registry:5000 private-registry:5000; do
    mkdir -p "/etc/containerd/certs.d/$host"
    printf 'server = "http://%s"\n' "$host" >"/etc/containerd/certs.d/$host/hosts.toml"
  done
}

run_engine() {
  mkdir -p "$VAINA_CNI_CONF_DIR"
  trust_registries
  exec containerd --config /usr/local/lib/vaina/containerd/config.toml --log-level=warn
}

load_pause() {
  local name=docker.io/$PAUSE_IMAGE
  ctr -n k8s.io images ls -q | grep -qxF "$name" || ctr -n k8s.io images import "$PAUSE_FILE" >/dev/null
  # No garbage collection takes it away.
  ctr -n k8s.io images label "$name" io.cri-containerd.pinned=pinned >/dev/null
}
