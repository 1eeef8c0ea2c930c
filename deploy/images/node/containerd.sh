# shellcheck shell=bash
# The engine of a node whose kubelet speaks CRI (VAINA_RUNTIME=cri). Sourced by node.sh.

export VAINA_CNI_CONF_DIR=/run/vaina/cni

engine_answers() { ctr version >/dev/null 2>&1; }

run_engine() {
  mkdir -p "$VAINA_CNI_CONF_DIR"
  exec containerd --config /usr/local/lib/vaina/containerd/config.toml --log-level=warn
}

load_pause() {
  local name=docker.io/$PAUSE_IMAGE
  ctr -n k8s.io images ls -q | grep -qxF "$name" || ctr -n k8s.io images import "$PAUSE_FILE" >/dev/null
  # No garbage collection takes it away.
  ctr -n k8s.io images label "$name" io.cri-containerd.pinned=pinned >/dev/null
}
