"""Rules for how a Pod is named and names others: DNS, host aliases, host name.

Follows `pkg/apis/core/validation`: validateDNSPolicy, validatePodDNSConfig, ValidateHostAliases.
"""

from collections.abc import Iterable
from typing import Final

from apiserver.validation.place import Place
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names

_DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MAX_NAMESERVERS: Final = 3
_MAX_SEARCHES: Final = 32
_MAX_SEARCH_CHARS: Final = 2048
_MAX_HOSTNAME_OVERRIDE: Final = 64


def check_dns_policy(path: Place, policy: str) -> None:
    """Check where a Pod's resolv.conf comes from."""
    path.check_choice(policy, _DNS_POLICIES)


def check_dns_config(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Check what a Pod adds to its resolv.conf, or all of it with policy None."""
    config = spec.dns_config
    if spec.dns_policy == "None":
        if not spec.HasField("dns_config"):
            path.required("must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not config.nameservers:
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            path.child("nameservers").required(detail)
            return
    if not spec.HasField("dns_config"):
        return
    _check_nameservers(path.child("nameservers"), list(config.nameservers))
    _check_searches(path.child("searches"), list(config.searches))
    for index, option in enumerate(config.options):
        if not option.name:
            path.child("options").index(index).required("must not be empty")


def _check_nameservers(path: Place, servers: list[str]) -> None:
    if len(servers) > _MAX_NAMESERVERS:
        path.invalid(servers, f"must not have more than {_MAX_NAMESERVERS} nameservers")
    for index, server in enumerate(servers):
        path.index(index).check_value(server, names.ip)


def _check_searches(path: Place, searches: list[str]) -> None:
    if len(searches) > _MAX_SEARCHES:
        path.invalid(searches, f"must not have more than {_MAX_SEARCHES} search paths")
    if names.size(" ".join(searches)) > _MAX_SEARCH_CHARS:
        detail = (
            f"must not have more than {_MAX_SEARCH_CHARS} characters (including spaces) in the search list"
        )
        path.invalid(searches, detail)
    for index, search in enumerate(searches):
        if search != ".":
            domain = search.removesuffix(".")
            path.index(index).check_value(domain, names.dns_1123_subdomain_with_underscore)


def check_host_aliases(path: Place, aliases: Iterable[pod_pb2.HostAlias]) -> None:
    """Check lines for /etc/hosts."""
    for index, alias in enumerate(aliases):
        path.index(index).child("ip").check_value(alias.ip, names.ip)
        for position, name in enumerate(alias.hostnames):
            path.index(index).child("hostnames").index(position).check_value(name, names.dns_1123_subdomain)


def check_names(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Check the host name and subdomain that a Pod asks for."""
    if spec.hostname:
        path.child("hostname").check_value(spec.hostname, names.dns_1123_label)
    if spec.subdomain:
        path.child("subdomain").check_value(spec.subdomain, names.dns_1123_label)


def check_hostname_override(path: Place, spec: pod_pb2.PodSpec) -> None:
    """Check the host name that stands over all else (KEP-4762)."""
    if not spec.HasField("hostname_override"):
        return
    at, name = path.child("hostnameOverride"), spec.hostname_override
    if spec.set_hostname_as_fqdn:
        at.forbidden("may not be specified when setHostnameAsFQDN is true")
    if spec.host_network:
        at.forbidden("may not be specified when hostNetwork is true")
    if names.size(name) > _MAX_HOSTNAME_OVERRIDE:
        at.too_long(_MAX_HOSTNAME_OVERRIDE)
    at.check_value(name, names.dns_1123_subdomain)
