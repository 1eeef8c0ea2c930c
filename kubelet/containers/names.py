"""A Pod's names: host name, full name, the /etc/hosts and resolv.conf of its containers. PURE.

Follows GeneratePodHostNameAndDomain and hostsFileContent (`pkg/kubelet/kubelet_pods.go`),
GetNodenameForKernel (`pkg/kubelet/util/util.go`) and `pkg/kubelet/network/dns/dns.go`.
"""

from collections.abc import Iterable

from kubelet.runtime.records import DnsConfig
from vaina.api.core.v1 import pod_pb2

MAX_HOSTNAME = 63
#: of a full name as the kernel's host name
MAX_FQDN = 64

_HEAD = "# Kubernetes-managed hosts file.\n"
_HOST_HEAD = "# Kubernetes-managed hosts file (host network).\n"
_LOCAL = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
_ALIASES = "\n# Entries added by HostAliases.\n"


class NameTooLong(Exception):
    """The full name is longer than the kernel takes; the message is upstream's."""


def short_name(pod: pod_pb2.Pod) -> str:
    """Return the Pod's host name: its own choice, else its name, cut to 63 characters (row B3)."""
    return (pod.spec.hostname or pod.metadata.name)[:MAX_HOSTNAME].rstrip("-.")


def full_name(pod: pod_pb2.Pod, cluster_domain: str) -> str:
    """Return the Pod's full name; "": it has no subdomain, or an override takes the place of all names."""
    if not pod.spec.subdomain or pod.spec.hostname_override:
        return ""
    return f"{short_name(pod)}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}"


def kernel_name(pod: pod_pb2.Pod, cluster_domain: str) -> str:
    """Return what `hostname` says in the Pod. Raises NameTooLong."""
    if pod.spec.hostname_override:
        return pod.spec.hostname_override
    whole = full_name(pod, cluster_domain)
    if not pod.spec.set_hostname_as_fqdn or not whole:
        return short_name(pod)
    if len(whole) > MAX_FQDN:
        raise NameTooLong(
            f"failed to construct FQDN from Pod hostname and cluster domain, FQDN {whole} is too long "
            f"({MAX_FQDN} characters is the max, {len(whole)} characters requested)"
        )
    return whole


def hosts_file(pod: pod_pb2.Pod, *, pod_ip: str, cluster_domain: str) -> str:
    """Return the /etc/hosts of a Pod with a network of its own."""
    names = [
        name
        for name in (full_name(pod, cluster_domain), pod.spec.hostname_override or short_name(pod))
        if name
    ]
    return f"{_HEAD}{_LOCAL}{pod_ip}\t" + "\t".join(names) + "\n" + _aliases(pod)


def host_network_hosts_file(pod: pod_pb2.Pod, node: str) -> str:
    """Return the /etc/hosts of a Pod on the node's network: the node's own file, and the Pod's aliases."""
    return _HOST_HEAD + node + _aliases(pod)


def _aliases(pod: pod_pb2.Pod) -> str:
    lines = [f"{alias.ip}\t" + "\t".join(alias.hostnames) + "\n" for alias in pod.spec.host_aliases]
    return _ALIASES + "".join(lines) if lines else ""


#: as the C library reads them, and as upstream allows
MAX_NAMESERVERS, MAX_SEARCHES, MAX_SEARCH_CHARACTERS = 3, 32, 2048


def dns_config(
    pod: pod_pb2.Pod, *, cluster_dns: tuple[str, ...], cluster_domain: str, node: DnsConfig
) -> DnsConfig | None:
    """Return the Pod's resolv.conf by its dnsPolicy and dnsConfig; None: as the node's own.

    Without `cluster_dns` ClusterFirst is as Default.
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
    while len(" ".join(searches)) > MAX_SEARCH_CHARACTERS:
        searches = searches[:-1]
    return searches
