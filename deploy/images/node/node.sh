#!/usr/bin/env bash
# The node's main program, below the init: makes the container a node (prepare.sh), then keeps the engine and
# the kubelet running. Each is restarted alone: Pods outlive the death of either.
set -euo pipefail
# shellcheck source=deploy/images/node/prepare.sh
source "$(dirname "$0")/prepare.sh"

RUN=/run/vaina
PAUSE_IMAGE=vaina/pause:1
PAUSE_FILE=/usr/local/lib/vaina/pause-image.tar
LONGEST_DELAY=10

say() { printf 'node: %s\n' "$*" >&2; }

# Where the node runs the control plane, it holds the cluster's authorities, makes all certificates but those of other nodes,
# and renews them: VAINA_CERTS are flags of `vaina certs make`. What the control plane reads belongs to its user.
PKI=/var/lib/vaina/pki
make_certificates() {
  local name
  for name in ca apiserver apiserver-etcd-client apiserver-kubelet-client scheduler controller etcd registry; do
    install -d -m 700 -o 65532 -g 65532 "$PKI/$name"
  done
  install -d -m 700 -o 65532 -g 65532 /var/lib/vaina/audit
  # shellcheck disable=SC2086  # several flags
  python -m cli certs make "$PKI" --node "$VAINA_NODE_NAME=$VAINA_NODE_IP" $VAINA_CERTS "$@"
}

run_kubelet() {
  until engine_answers; do sleep 0.2; done
  load_pause
  # Settings that the next start of the kubelet takes: what an administrator would write into its configuration.
  # shellcheck source=/dev/null
  [[ ! -s $RUN/kubelet.env ]] || source "$RUN/kubelet.env"
  exec python -m kubelet
}

# supervise NAME COMMAND: runs it again whenever it ends, later each time, at once again after a good minute.
supervise() {
  local name=$1 delay=1 started code child='' stopping=''
  shift
  trap 'stopping=1; [[ -z $child ]] || kill -TERM "$child" 2>/dev/null || true' TERM
  while [[ -z $stopping ]]; do
    started=$SECONDS
    "$@" &
    child=$!
    echo "$child" >"$RUN/$name.pid"
    code=0
    wait "$child" || code=$?
    # A signal ends `wait` early; the child is still ending then.
    wait "$child" 2>/dev/null || true
    [[ -z $stopping ]] || break
    # What somebody killed (137) does not fail by itself: nobody need wait for it longer each time.
    ((code != 137 && SECONDS - started < 60)) || delay=1
    say "$name ended with code $code; starting it again in $delay s"
    sleep "$delay"
    delay=$((delay * 2 > LONGEST_DELAY ? LONGEST_DELAY : delay * 2))
  done
}

shut_down() {
  trap '' TERM INT
  say "stopping"
  # The kubelet first: it would report what the engine's end does to its Pods.
  for part in "$KUBELET" "$ENGINE"; do
    kill -TERM "$part" 2>/dev/null || true
    wait "$part" || true
  done
  clear_cgroups
  exit 0
}

take_identity
case ${VAINA_RUNTIME:-docker} in
  # shellcheck source=deploy/images/node/docker.sh
  docker) source "$(dirname "$0")/docker.sh" ;;
  # shellcheck source=deploy/images/node/containerd.sh
  cri) source "$(dirname "$0")/containerd.sh" ;;
  *) say "VAINA_RUNTIME is docker or cri, not $VAINA_RUNTIME" && exit 1 ;;
esac
take_capacity
prepare_kernel
make_devices
clear_cgroups
mkdir -p "$RUN"
if [[ -n ${VAINA_CERTS:-} ]]; then
  make_certificates >/dev/null
  export VAINA_CERT_DIR=$PKI/nodes/$VAINA_NODE_NAME/client VAINA_SERVING_CERT_DIR=$PKI/nodes/$VAINA_NODE_NAME/serving
  # What the engine asks of registries.
  [[ -e /certs/node ]] || { mkdir -p /certs && ln -s "$PKI/node" /certs/node; }
  supervise certs make_certificates --watch &
fi
say "$VAINA_NODE_NAME at $VAINA_NODE_IP, $VAINA_CAPACITY_CPU CPU and $VAINA_CAPACITY_MEMORY of memory"

supervise engine run_engine &
ENGINE=$!
supervise kubelet run_kubelet &
KUBELET=$!
trap shut_down TERM INT
wait
