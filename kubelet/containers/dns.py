"""A Pod's resolv.conf: dnsPolicy and dnsConfig. PURE.

Follows upstream's `pkg/kubelet/network/dns/dns.go` and https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/.
"""

from collections.abc import Iterable

from kubelet.runtime.records import DnsConfig
from vaina.api.core.v1 import pod_pb2

#: as the C library reads them, and as upstream allows
MAX_NAMESERVERS, MAX_SEARCHES, MAX_SEARCH_CHARACTERS = 3, 32, 2048


def dns_config(
    pod: pod_pb2.Pod, *, cluster_dns: tuple[str, ...], cluster_domain: str, node: DnsConfig
) -> DnsConfig | None:
    """Return the Pod's resolv.conf; None: as the node's own.

    Args:
        pod: with its policy: ClusterFirst (not with hostNetwork), ClusterFirstWithHostNet, Default or None.
        cluster_dns: addresses; () while there is no cluster DNS: then ClusterFirst is as Default.
        cluster_domain: cluster.local
        node: what the node itself uses, as Pods can.
    """
    policy = pod.spec.dns_policy or "ClusterFirst"
    asks_cluster = policy == "ClusterFirstWithHostNet" or (
        policy == "ClusterFirst" and not pod.spec.host_network
    )
    extra = pod.spec.dns_config
    if policy == "None":
        base = DnsConfig()
    elif asks_cluster and cluster_dns:
        own = (f"{pod.metadata.namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain)
        base = DnsConfig(cluster_dns, (*own, *node.searches), ("ndots:5",))
    elif not pod.spec.HasField("dns_config"):
        return None
    else:
        base = node
    options = dict(_option(text) for text in base.options)
    options.update({item.name: item.value for item in extra.options})
    return DnsConfig(
        _once((*base.nameservers, *extra.nameservers))[:MAX_NAMESERVERS],
        _fitting(_once((*base.searches, *extra.searches))[:MAX_SEARCHES]),
        tuple(f"{name}:{value}" if value else name for name, value in options.items()),
    )


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name, value


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _fitting(searches: tuple[str, ...]) -> tuple[str, ...]:
    """Return as many of the first as a line takes."""
    while len(" ".join(searches)) > MAX_SEARCH_CHARACTERS:
        searches = searches[:-1]
    return searches
