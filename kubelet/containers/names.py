"""A Pod's names: its host name, its full name, and the /etc/hosts of its containers. PURE.

Follows upstream (`pkg/kubelet/kubelet_pods.go`: GeneratePodHostNameAndDomain, hostsFileContent;
`pkg/kubelet/util/util.go`: GetNodenameForKernel).
"""

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
    """Return the Pod's full name; "" without a subdomain, for then it has none, and where an override takes
    the place of all names.
    """
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
    """Return that of a Pod on the node's network: the node's own file, and the Pod's aliases."""
    return _HOST_HEAD + node + _aliases(pod)


def _aliases(pod: pod_pb2.Pod) -> str:
    lines = [f"{alias.ip}\t" + "\t".join(alias.hostnames) + "\n" for alias in pod.spec.host_aliases]
    return _ALIASES + "".join(lines) if lines else ""
