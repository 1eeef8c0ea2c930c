"""Names of Pods, their /etc/hosts, and their DNS."""

import pytest

from kubelet.pod.config import (
    NameTooLong,
    NodeSettings,
    dns_config,
    full_name,
    host_network_hosts_file,
    hosts_file,
    kernel_name,
    short_name,
)
from kubelet.runtime.records import DnsConfig
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_pod

DOMAIN = "cluster.local"
NODE = DnsConfig(("192.0.2.1", "192.0.2.2"), ("example.com",), ("timeout:2",))
CLUSTER = ("10.96.0.10",)


def dns(pod: pod_pb2.Pod, cluster_dns: tuple[str, ...] = CLUSTER) -> DnsConfig | None:
    return dns_config(pod, NodeSettings(cluster_dns=cluster_dns, cluster_domain=DOMAIN, node_dns=NODE))


def named(**fields: object) -> pod_pb2.Pod:
    pod = make_pod("web")
    for name, value in fields.items():
        setattr(pod.spec, name, value)
    return pod


@pytest.mark.requirement("B3")
def test_the_hostname_is_the_pods_name_unless_it_says_otherwise() -> None:
    assert short_name(make_pod("jumpod")) == "jumpod"
    assert short_name(make_pod("a" * 62 + ".b")) == "a" * 62
    assert kernel_name(named(hostname="other", subdomain="sub"), DOMAIN) == "other"
    assert (
        kernel_name(named(hostname="other", hostname_override="full.name.example"), DOMAIN)
        == "full.name.example"
    )


@pytest.mark.requirement("B3")
def test_the_full_name_may_be_the_hostname() -> None:
    pod = named(hostname="one", subdomain="sub", set_hostname_as_fqdn=True)

    assert full_name(pod, DOMAIN) == "one.sub.default.svc.cluster.local"
    assert kernel_name(pod, DOMAIN) == full_name(pod, DOMAIN)
    # Without a subdomain there is no full name.
    assert kernel_name(named(set_hostname_as_fqdn=True), DOMAIN) == "web"


def test_a_full_name_that_the_kernel_does_not_take_is_refused() -> None:
    pod = named(hostname="h" * 40, subdomain="sub", set_hostname_as_fqdn=True)
    with pytest.raises(
        NameTooLong, match=r"is too long \(64 characters is the max, 70 characters requested\)"
    ):
        kernel_name(pod, DOMAIN)


@pytest.mark.requirement("B3")
def test_the_hosts_file_is_as_the_kubelet_writes_it() -> None:
    pod = named(subdomain="sub")
    pod.spec.host_aliases.add(ip="192.0.2.9", hostnames=["foo.local", "bar.local"])
    pod.spec.host_aliases.add(ip="192.0.2.10", hostnames=["baz"])
    text = hosts_file(pod, pod_ip="10.244.0.9", cluster_domain=DOMAIN)

    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert text.endswith(
        "\n10.244.0.9\tweb.sub.default.svc.cluster.local\tweb\n"
        "\n# Entries added by HostAliases.\n192.0.2.9\tfoo.local\tbar.local\n192.0.2.10\tbaz\n"
    )
    assert hosts_file(make_pod("web"), pod_ip="10.244.0.9", cluster_domain=DOMAIN).endswith(
        "10.244.0.9\tweb\n"
    )
    assert host_network_hosts_file(pod, "127.0.0.1 node\n") == (
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1 node\n"
        "\n# Entries added by HostAliases.\n192.0.2.9\tfoo.local\tbar.local\n192.0.2.10\tbaz\n"
    )


@pytest.mark.requirement("B3")
def test_dns_follows_the_policy() -> None:
    own = ("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.com")
    assert dns(named()) == DnsConfig(CLUSTER, own, ("ndots:5",))
    assert dns(named(), ()) is None
    assert dns(named(dns_policy="Default")) is None
    assert dns(named(host_network=True)) is None
    assert dns(named(host_network=True, dns_policy="ClusterFirstWithHostNet")) == DnsConfig(
        CLUSTER, own, ("ndots:5",)
    )


@pytest.mark.requirement("B3")
def test_what_a_pod_adds_comes_after_what_its_policy_gives() -> None:
    pod = named(dns_policy="None")
    pod.spec.dns_config.nameservers.extend(["192.0.2.53", "192.0.2.1"])
    pod.spec.dns_config.searches.append("mine.example")
    pod.spec.dns_config.options.add(name="edns0")
    pod.spec.dns_config.options.add(name="timeout", value="9")
    assert dns(pod) == DnsConfig(("192.0.2.53", "192.0.2.1"), ("mine.example",), ("edns0", "timeout:9"))

    pod.spec.dns_policy = "Default"
    assert dns(pod) == DnsConfig(
        ("192.0.2.1", "192.0.2.2", "192.0.2.53"), ("example.com", "mine.example"), ("timeout:9", "edns0")
    )


def test_what_the_c_library_does_not_read_is_left_out() -> None:
    pod = named(dns_policy="None")
    pod.spec.dns_config.nameservers.extend(f"192.0.2.{number}" for number in range(9))
    pod.spec.dns_config.searches.extend(f"{'a' * 60}.{number}.example" for number in range(40))
    made = dns(pod)

    assert made is not None
    assert len(made.nameservers) == 3
    assert len(" ".join(made.searches)) <= 2048
    assert len(made.searches) > 20
