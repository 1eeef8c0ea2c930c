# shellcheck shell=bash
# What a container needs before it can be a node: identity, kernel settings, its own corner of the cgroups.
# Sourced by node.sh.

IDENTITY=/var/lib/vaina/identity

# The name Docker's DNS knows this container by ("project-node-2"). /etc/hosts, which the resolver would ask
# first, only has the container's id.
name_in_dns() {
  local reversed
  reversed=$(awk -F. '{print $4"."$3"."$2"."$1".in-addr.arpa"}' <<<"$1")
  busybox nslookup -type=ptr "$reversed" 127.0.0.11 2>/dev/null |
    awk '/name = / {sub(/\..*/, "", $NF); print $NF; exit}'
}

# A DNS label: lower case letters, digits and dashes, at most 63, an alphanumeric at both ends.
valid_name() { tr 'A-Z_.' 'a-z--' <<<"$1" | tr -cd 'a-z0-9-\n' | sed -E 's/^-+//; s/^(.{0,63}).*/\1/; s/-+$//'; }

# Says whether another container of the network is called like that. Somebody who gives two nodes one name by hand
# would have the second clear the first one's cgroups, before any kubelet can ask the apiserver.
taken_in_dns() {
  local address
  address=$(busybox nslookup "$1" 127.0.0.11 2>/dev/null | awk '/^Name:/ {found = 1} found && /^Address/ {print $NF; exit}')
  [[ -n $address && $address != "$VAINA_NODE_IP" ]]
}

# Name and machine id are made once and stay with the node's volume, whatever address it gets later.
take_identity() {
  export VAINA_NODE_IP VAINA_NODE_NAME
  VAINA_NODE_IP=$(hostname -i | awk '{print $1}')
  mkdir -p "$IDENTITY"
  if [[ ! -s $IDENTITY/name ]]; then
    local name=${VAINA_NODE_NAME:-}
    [[ -n $name ]] || name=$(name_in_dns "$VAINA_NODE_IP")
    name=$(valid_name "${name:-$(hostname)}")
    if taken_in_dns "$name"; then
      printf 'node: the name %s belongs to another container of this network\n' "$name" >&2
      exit 1
    fi
    printf '%s\n' "$name" >"$IDENTITY/name"
  fi
  [[ -s $IDENTITY/machine-id ]] || tr -d '-' </proc/sys/kernel/random/uuid >"$IDENTITY/machine-id"
  VAINA_NODE_NAME=$(<"$IDENTITY/name")
  cp "$IDENTITY/machine-id" /etc/machine-id
  hostname "$VAINA_NODE_NAME"
}

# Several nodes on one machine must not each claim the whole of it: unless told, a node has its share.
take_capacity() {
  local nodes=$((${NODES_ON_THIS_MACHINE:-1} + ${CONTAINERD_NODES_ON_THIS_MACHINE:-0})) memory
  ((nodes > 0)) || nodes=1
  memory=$(awk '/^MemTotal:/ {print $2}' /proc/meminfo)
  export VAINA_CAPACITY_CPU=${VAINA_CAPACITY_CPU:-$(($(nproc) * 1000 / nodes))m}
  export VAINA_CAPACITY_MEMORY=${VAINA_CAPACITY_MEMORY:-$((memory / nodes))Ki}
  # The engine and the kubelet need some of it; the rest is what Pods get.
  export VAINA_SYSTEM_RESERVED_CPU=${VAINA_SYSTEM_RESERVED_CPU:-50m}
  export VAINA_SYSTEM_RESERVED_MEMORY=${VAINA_SYSTEM_RESERVED_MEMORY:-200Mi}
  export VAINA_CGROUP_PARENT="/vaina/$VAINA_NODE_NAME"
  # Process ids are the machine's, of which there may be 32,768: no Pod takes them from everybody else.
  export VAINA_POD_PIDS_LIMIT=${VAINA_POD_PIDS_LIMIT:-1024}
  # The disk is the machine's, whose owner fills it with other things too: evicting Pods or removing images would not
  # help, so only memory counts, of which each node has its share (decision 126).
  export VAINA_EVICTION_HARD=${VAINA_EVICTION_HARD:-memory.available<100Mi}
  export VAINA_IMAGE_GC_HIGH_THRESHOLD_PERCENT=${VAINA_IMAGE_GC_HIGH_THRESHOLD_PERCENT:-100}
}

# Devices that privileged containers find on any machine, where the kernel has them now. Not its disks, nor loop devices, which
# are the machine's and would outlive the node.
make_devices() {
  local number name
  while read -r number name; do
    case $name in
      fuse) [[ -e /dev/fuse ]] || mknod -m 666 /dev/fuse c 10 "$number" ;;
      tun) mkdir -p /dev/net && { [[ -e /dev/net/tun ]] || mknod -m 666 /dev/net/tun c 10 "$number"; } ;;
    esac
  done </proc/misc
  [[ -e /dev/kmsg ]] || mknod -m 600 /dev/kmsg c 1 11
}

prepare_kernel() {
  ! mountpoint -q /proc/sys || mount -o remount,rw /proc/sys
  mount --make-rshared /
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

# All of this node's cgroups, in every hierarchy (version 1 has one per controller).
cgroup_roots() {
  local root
  for root in /sys/fs/cgroup/vaina/"$VAINA_NODE_NAME" /sys/fs/cgroup/*/vaina/"$VAINA_NODE_NAME"; do
    [[ ! -d $root ]] || printf '%s\n' "$root"
  done
}

# Ends every process of every Pod and removes the node's cgroups: they live in the machine's hierarchy and
# would outlive this container.
clear_cgroups() {
  local roots pids
  mapfile -t roots < <(cgroup_roots)
  ((${#roots[@]})) || return 0
  mapfile -t pids < <(find "${roots[@]}" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u)
  ((${#pids[@]} == 0)) || kill -KILL "${pids[@]}" 2>/dev/null || true
  for _ in {1..50}; do
    find "${roots[@]}" -depth -type d -exec rmdir {} + 2>/dev/null || true
    mapfile -t roots < <(cgroup_roots)
    ((${#roots[@]})) || break
    sleep 0.1
  done
  # The parent goes with the last node.
  rmdir /sys/fs/cgroup/vaina /sys/fs/cgroup/*/vaina 2>/dev/null || true
}
