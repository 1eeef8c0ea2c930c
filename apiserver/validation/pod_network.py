"""Rules for how a Pod is named and names others: DNS, host aliases, host name.

Follows `pkg/apis/core/validation`: validateDNSPolicy, validatePodDNSConfig, ValidateHostAliases.
"""

from collections.abc import Iterable
from typing import Final

from apiserver.validation.metadata import Errors, check_text
from vaina.api.core.v1 import pod_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, forbidden, invalid, not_supported, required, too_long

_DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MAX_NAMESERVERS: Final = 3
_MAX_SEARCHES: Final = 32
_MAX_SEARCH_CHARS: Final = 2048
_MAX_HOSTNAME_OVERRIDE: Final = 64


def check_dns_policy(errors: Errors, path: Path, policy: str) -> None:
    """Check where a Pod's resolv.conf comes from."""
    if not policy:
        errors.append(required(path))
    elif policy not in _DNS_POLICIES:
        errors.append(not_supported(path, policy, _DNS_POLICIES))


def check_dns_config(errors: Errors, path: Path, spec: pod_pb2.PodSpec) -> None:
    """Check what a Pod adds to its resolv.conf, or all of it with policy None."""
    config = spec.dns_config
    if spec.dns_policy == "None":
        if not spec.HasField("dns_config"):
            errors.append(required(path, "must provide `dnsConfig` when `dnsPolicy` is None"))
            return
        if not config.nameservers:
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            errors.append(required(path.child("nameservers"), detail))
            return
    if not spec.HasField("dns_config"):
        return
    _check_nameservers(errors, path.child("nameservers"), list(config.nameservers))
    _check_searches(errors, path.child("searches"), list(config.searches))
    for index, option in enumerate(config.options):
        if not option.name:
            errors.append(required(path.child("options").index(index), "must not be empty"))


def _check_nameservers(errors: Errors, path: Path, servers: list[str]) -> None:
    if len(servers) > _MAX_NAMESERVERS:
        errors.append(invalid(path, servers, f"must not have more than {_MAX_NAMESERVERS} nameservers"))
    for index, server in enumerate(servers):
        check_text(errors, path.index(index), server, names.ip)


def _check_searches(errors: Errors, path: Path, searches: list[str]) -> None:
    if len(searches) > _MAX_SEARCHES:
        errors.append(invalid(path, searches, f"must not have more than {_MAX_SEARCHES} search paths"))
    if names.size(" ".join(searches)) > _MAX_SEARCH_CHARS:
        detail = (
            f"must not have more than {_MAX_SEARCH_CHARS} characters (including spaces) in the search list"
        )
        errors.append(invalid(path, searches, detail))
    for index, search in enumerate(searches):
        if search != ".":
            domain = search.removesuffix(".")
            check_text(errors, path.index(index), domain, names.dns_1123_subdomain_with_underscore)


def check_host_aliases(errors: Errors, path: Path, aliases: Iterable[pod_pb2.HostAlias]) -> None:
    """Check lines for /etc/hosts."""
    for index, alias in enumerate(aliases):
        check_text(errors, path.index(index).child("ip"), alias.ip, names.ip)
        for position, name in enumerate(alias.hostnames):
            at = path.index(index).child("hostnames").index(position)
            check_text(errors, at, name, names.dns_1123_subdomain)


def check_names(errors: Errors, path: Path, spec: pod_pb2.PodSpec) -> None:
    """Check the host name and subdomain that a Pod asks for."""
    if spec.hostname:
        check_text(errors, path.child("hostname"), spec.hostname, names.dns_1123_label)
    if spec.subdomain:
        check_text(errors, path.child("subdomain"), spec.subdomain, names.dns_1123_label)


def check_hostname_override(errors: Errors, path: Path, spec: pod_pb2.PodSpec) -> None:
    """Check the host name that stands over all else (KEP-4762)."""
    if not spec.HasField("hostname_override"):
        return
    at, name = path.child("hostnameOverride"), spec.hostname_override
    if spec.set_hostname_as_fqdn:
        errors.append(forbidden(at, "may not be specified when setHostnameAsFQDN is true"))
    if spec.host_network:
        errors.append(forbidden(at, "may not be specified when hostNetwork is true"))
    if names.size(name) > _MAX_HOSTNAME_OVERRIDE:
        errors.append(too_long(at, _MAX_HOSTNAME_OVERRIDE))
    check_text(errors, at, name, names.dns_1123_subdomain)
