"""What Pods leave on a node, if anything: a count of containers, links, mounts, addresses, cgroups, files."""

from collections.abc import Mapping

from tests.support.cluster import Cluster

#: one line a thing: its sort and its name
_SCRIPT = r"""
docker ps -aq --no-trunc 2>/dev/null | sed 's/^/container /'
ctr -n k8s.io containers ls -q 2>/dev/null | sed 's/^/container /'
ip -o link show type veth | awk -F': ' '{sub(/@.*/, "", $2); print "link " $2}'
ip netns list 2>/dev/null | awk '{print "namespace " $1}'
awk '{print "mount " $2}' /proc/mounts
ls /var/lib/vaina/kubelet/pods 2>/dev/null | sed 's/^/folder /'
find /var/log/pods -mindepth 1 -maxdepth 1 2>/dev/null | sed 's/^/log /'
find /var/lib/cni/networks -type f -name '[0-9]*' 2>/dev/null | sed 's/^/address /'
# Those of the QoS classes come with the first Pod of each and stay.
find /sys/fs/cgroup/vaina/"$1" /sys/fs/cgroup/*/vaina/"$1" -mindepth 1 -type d 2>/dev/null |
  grep -vE '/(kubepods|burstable|besteffort)$' | sed 's/^/cgroup /'
for table in $(nft list tables ip 2>/dev/null | awk '/vaina/ {print $3}'); do
  nft list table ip "$table" | grep -E 'dnat|snat' | sed 's/^[ \t]*/rule /'
done
true
"""


def things(cluster: Cluster, node: str) -> frozenset[str]:
    """Return everything of a node that Pods bring along, those of running ones included: a sort and a name
    each.
    """
    return frozenset(cluster.execute(node, "sh", "-c", _SCRIPT, "sh", node).splitlines())


def left(before: frozenset[str], after: frozenset[str]) -> Mapping[str, list[str]]:
    """Return what is there and was not before, by sort; empty when Pods have left nothing."""
    found: dict[str, list[str]] = {}
    for thing in sorted(after - before):
        sort, _, name = thing.partition(" ")
        found.setdefault(sort, []).append(name)
    return found
