#!/usr/bin/env bash
# Nodes on a machine of today (`make vm-test`): Debian 13 with systemd, cgroup version 2 and its own engine, in qemu. The runtimes' spec and
# the tests of all that cgroups carry run on it; the report goes to bench/reports. Where KVM does not help, one processor is emulated, and
# takes an hour. So only nodes are in there: etcd, apiserver, scheduler, controllers and the tests run out here (docs/machines.md).
#   VM_KEEP=1 leaves all of it running, to look at: ssh -i .cache/vm/key -p 10022 vaina@127.0.0.1
set -euo pipefail
# shellcheck source=deploy/lib.sh
source "$(dirname "$0")/../deploy/lib.sh"

VM=$ROOT/.cache/vm
REPORT=$ROOT/bench/reports/vm-test-debian-13.md
PYTHON=$ROOT/.venv/bin/python
SSH_PORT=10022
APISERVER=127.0.0.1:16443 BOOTSTRAP=127.0.0.1:16444
CERTS=$VM/certs
export VAINA_CERT_DIR=$CERTS/admin
TAG=vaina-vm
DOCKER_NODE=$TAG-node-1 CRI_NODE=$TAG-node-containerd-1
# Of tests/cluster: what the kernel's cgroups decide. All others are the same there.
TESTS=(test_pod_sharing.py test_running_pods.py test_node_resources.py test_images_and_use.py)
WANTED='takes_more_memory or cpu_request_and_limit or resize or cgroup_of_its_own or fork_bomb or short_of_memory or is_seen'

[[ $(id -u) == 0 ]] || fail "vm-test: making a machine's files takes root (debootstrap, chroot): sudo make vm-test"
on_debian || fail "vm-test: the machine is made of Debian's packages, from a Debian"
command -v qemu-system-x86_64 >/dev/null && command -v debootstrap >/dev/null && command -v ssh >/dev/null || {
  say "vm-test: installing qemu, debootstrap and ssh from the distribution's packages"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    qemu-system-x86 ipxe-qemu seabios debootstrap openssh-client >/dev/null
}

# An emulated processor: one, for Debian 12's qemu (7.2) loses what a second one writes; and its kernel, for Debian 13's own panics there.
accelerator=tcg,thread=single cpu=Nehalem processors=1 suite=bookworm slower=8
if grep -qwE 'vmx|svm' /proc/cpuinfo && [[ -w /dev/kvm ]]; then
  accelerator=kvm cpu=host processors=2 suite=trixie slower=1
fi

# A machine that was made a minute ago has no key that anybody could know.
into=(-i "$VM/key" -p "$SSH_PORT" -o LogLevel=ERROR -o ConnectTimeout=20 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null)
guest() { ssh "${into[@]}" vaina@127.0.0.1 "$@"; }
answers() { guest docker version >/dev/null 2>&1; }
listens() { (exec 3<>"/dev/tcp/${1%:*}/${1#*:}") 2>/dev/null; }
# Out here all of the guest's nodes come from one address, which is none of theirs: a person approves their certificates.
approve() {
  local name
  for name in $("$PYTHON" -m cli --server "$APISERVER" get csr -o name 2>/dev/null); do
    "$PYTHON" -m cli --server "$APISERVER" certificate approve "${name#*/}" >/dev/null 2>&1 || true
  done
}
nodes_ready() { approve; [[ $("$PYTHON" -m cli --server "$APISERVER" get nodes 2>/dev/null | grep -cw Ready) == 2 ]]; }

# Else its guest would be taken for the one that is booted here.
! listens "127.0.0.1:$SSH_PORT" || fail "vm-test: port $SSH_PORT is taken: end the run that VM_KEEP left, or that goes on"

started=()
finish() {
  local pid
  if [[ -n ${VM_KEEP:-} ]]; then
    ((${#started[@]} == 0)) || say "vm-test: left running: kill ${started[*]}; ip addr del 10.123.0.10/32 dev lo, and .11"
    return 0
  fi
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  ip addr del 10.123.0.10/32 dev lo 2>/dev/null || true
  ip addr del 10.123.0.11/32 dev lo 2>/dev/null || true
}
trap finish EXIT
# start LOG COMMAND...: as long as this script runs.
start() {
  local log=$VM/$1
  shift
  "$@" >"$log" 2>&1 &
  started+=($!)
}

cd "$ROOT"
VAINA_TAG=$TAG deploy/build.sh
deploy/trixie.sh etcd
tools/vm/image.sh "$suite"

say "vm-test: booting ($accelerator)"
# Each run on a disk of its own: what a run leaves there is no other's.
cp --sparse=always "$VM/disk.img" "$VM/run.img"
start qemu.log nice -n 15 qemu-system-x86_64 -accel "$accelerator" -cpu "$cpu" -smp "$processors" -m 4096 -nodefaults -no-reboot -display none \
  -kernel "$VM/vmlinuz" -initrd "$VM/initrd.gz" -append 'root=/dev/vda console=ttyS0 quiet mitigations=off' \
  -drive "file=$VM/run.img,format=raw,if=virtio,cache=unsafe" -device virtio-net-pci,netdev=net -device virtio-rng-pci \
  -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$SSH_PORT-:22" -serial "file:$VM/serial.log"
wait_for 600 answers || { tail -n 20 "$VM/serial.log" >&2; fail "vm-test: the guest's engine did not answer"; }

say "vm-test: bringing the images (emulated: five minutes)"
docker save "vaina-node:$TAG" "vaina-registry:$TAG" | guest docker load --quiet
"$PYTHON" -m cli certs make "$CERTS" --host 10.0.2.2 >/dev/null
tar -C "$CERTS" -c registry node | guest "docker run --rm -i --user 0 -v ${TAG}_certs-registry:/certs/registry \
  -v ${TAG}_certs-node:/certs/node vaina-node:$TAG sh -c 'tar -x -C /certs && chown -R 65532:65532 /certs/registry && chown -R 0:0 /certs/node'"
git archive HEAD docker-compose.yml deploy tools/vm | guest 'mkdir -p vaina && tar -x -C vaina'

say "vm-test: a control plane out here, nodes in there"
rm -rf "$VM/etcd"
start etcd.log "$TOOLS/bin/etcd" --name=etcd --data-dir="$VM/etcd" --max-txn-ops=1024 --log-level=warn \
  --listen-client-urls=http://127.0.0.1:12379 --advertise-client-urls=http://127.0.0.1:12379 \
  --listen-peer-urls=http://127.0.0.1:12380 --initial-advertise-peer-urls=http://127.0.0.1:12380 --initial-cluster=etcd=http://127.0.0.1:12380
start apiserver.log env VAINA_ETCD_ENDPOINTS=127.0.0.1:12379 VAINA_LISTEN="$APISERVER" VAINA_METRICS_LISTEN=127.0.0.1:18080 \
  VAINA_CERT_DIR="$CERTS/apiserver" VAINA_KUBELET_CLIENT_CERT_DIR="$CERTS/apiserver-kubelet-client" VAINA_BOOTSTRAP_LISTEN="$BOOTSTRAP" \
  VAINA_BOOTSTRAP_TOKEN_FILE="$CERTS/apiserver/token" "$PYTHON" -m apiserver
wait_for 60 listens "$APISERVER" || { tail "$VM/apiserver.log" >&2; fail "vm-test: the apiserver did not start"; }
start scheduler.log env VAINA_APISERVER="$APISERVER" VAINA_CERT_DIR="$CERTS/scheduler" VAINA_LISTEN=127.0.0.1:16259 VAINA_METRICS_LISTEN=127.0.0.1:16251 "$PYTHON" -m scheduler
start controller.log env VAINA_APISERVER="$APISERVER" VAINA_LISTEN=127.0.0.1:16257 VAINA_METRICS_LISTEN=127.0.0.1:16252 \
  VAINA_CERT_DIR="$CERTS/controller" VAINA_CLUSTER_SIGNING_CERT_DIR="$CERTS/ca" \
  VAINA_NODE_MONITOR_GRACE_SECONDS=300 "$PYTHON" -m controller
# The guest's engine, and its nodes at their own addresses, from out here.
ip addr add 10.123.0.10/32 dev lo 2>/dev/null || true
ip addr add 10.123.0.11/32 dev lo 2>/dev/null || true
start forward.log ssh -N "${into[@]}" -o StreamLocalBindUnlink=yes -L "$VM/docker.sock:/var/run/docker.sock" \
  -L 10.123.0.10:10250:10.123.0.10:10250 -L 10.123.0.11:10250:10.123.0.11:10250 vaina@127.0.0.1
guest "cd vaina && VAINA_TAG=$TAG COMPOSE_PROJECT_NAME=$TAG VM_APISERVER_PORT=${APISERVER#*:} VM_BOOTSTRAP_PORT=${BOOTSTRAP#*:} VAINA_NODES=1 VAINA_CONTAINERD_NODES=1 \
  VAINA_EVICTION_INTERVAL_SECONDS=5 VAINA_SAMPLE_SECONDS=5 VAINA_POD_PIDS_LIMIT=300 VAINA_LEASE_RENEW_SECONDS=20 \
  docker compose -f docker-compose.yml -f tools/vm/compose.yml --progress quiet up -d --no-build --no-deps registry node node-containerd"
wait_for 900 nodes_ready || fail "vm-test: the nodes did not get ready; their logs: ssh in with VM_KEEP=1"

failed=0
export DOCKER_HOST=unix://$VM/docker.sock
export VAINA_TEST_APISERVER=$APISERVER VAINA_TEST_SLOWER=$slower VAINA_TEST_PROJECT=$TAG VAINA_TEST_NODES=1 VAINA_TEST_CONTAINERD_NODES=1
say "vm-test: Pods: limits, classes, process ids, memory that runs out, evictions, top, resizes (emulated: half an hour)"
"$PYTHON" -m pytest "${TESTS[@]/#/tests/cluster/}" -k "$WANTED" -v -p no:xdist -p no:randomly >"$VM/pods.log" 2>&1 || failed=1
for runtime in docker cri; do
  node=$DOCKER_NODE network=10.244.200.0/24
  [[ $runtime == docker ]] || node=$CRI_NODE network=10.244.201.0/24
  say "vm-test: the runtimes' spec on $node (emulated: a quarter of an hour)"
  "$PYTHON" -m tools.vm.spec "$runtime" "$node" "$network" >"$VM/spec-$runtime.log" 2>&1 || failed=1
done

say "vm-test: writing ${REPORT#"$ROOT"/}"
{
  echo "# The last \`make vm-test\`: nodes on Debian 13"
  echo
  echo "$(git log -1 --format='%h, %cs'), $accelerator. In the guest: $(guest '. /etc/os-release && echo $PRETTY_NAME'), Linux $(guest uname -r), \
systemd $(guest 'systemctl --version | sed -n "1s/systemd \([0-9]*\).*/\1/p"'), cgroup version $(docker info --format '{{.CgroupVersion}} ({{.CgroupDriver}})'), \
engine $(docker version --format '{{.Server.Version}}'), Compose $(guest docker compose version --short), a user who is not root."
  for part in pods spec-docker spec-cri; do
    printf '\n## %s\n\n' "$part"
    grep -E '^=+ .*(passed|failed|error).* =+$' "$VM/$part.log" | tail -n 1 | tr -d = | sed 's/^ *//; s/ *$//'
    printf '\n| test | outcome |\n| --- | --- |\n'
    grep -aoE '^tests/\S+::\S.* (PASSED|FAILED|ERROR|SKIPPED|XFAIL)' "$VM/$part.log" | sed -E 's#^tests/(cluster/)?##; s/(.*) ([A-Z]+)$/| `\1` | \2 |/'
  done
} >"$REPORT"
exit "$failed"
