"""Rules for IP addresses and networks, as fields of Services, their endpoints and network policies have them.

Follows `apimachinery/pkg/util/validation/ip.go`, with StrictIPCIDRValidation on, as it is upstream by default:
fields that are older than the strict rules keep the addresses that a stored object has already
(`IsValidIPForLegacyField`).
"""

import re
from collections.abc import Container, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from apiserver.validation.place import Place
from vaina.objects import names
from vaina.quoting import go_quote

#: a zero that Go's strict reading refuses: before another digit of a part
_LEADING_ZEROS: Final = re.compile(r"(?<![0-9a-fA-F:])0+(?=\d)")
_LINK_LOCAL_MULTICAST_4: Final = IPv4Network("224.0.0.0/24")
#: as Go's IsLinkLocalMulticast has it: ff?2, whatever the flags
_LINK_LOCAL_MULTICAST_6: Final = 2


def parse_sloppily(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a text stands for, zeros before its numbers or not; None: it is none."""
    return names.parse_ip(text) or names.parse_ip(_LEADING_ZEROS.sub("", text))


def _is_mapped(address: IPv4Address | IPv6Address) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def _parse_network_sloppily(text: str) -> IPv4Network | IPv6Network | None:
    return names.parse_cidr(text) or names.parse_cidr(_LEADING_ZEROS.sub("", text))


def ip_warnings(path: object, text: str) -> Iterator[str]:
    """Warn of an address in an odd spelling (`GetWarningsForIP`); nothing for what is no address."""
    address = parse_sloppily(text)
    if address is None:
        return
    if names.parse_ip(text) is None or _is_mapped(address):
        plain = address.ipv4_mapped if isinstance(address, IPv6Address) else address
        yield f'{path}: non-standard IP address {go_quote(text)} is invalid: use "{plain}"'
    elif isinstance(address, IPv6Address) and str(address) != text:
        yield f'{path}: IPv6 address {go_quote(text)} should be in RFC 5952 canonical format ("{address}")'


def cidr_warnings(path: object, text: str) -> Iterator[str]:
    """Warn of a network in an odd spelling (`GetWarningsForCIDR`); nothing for what is no network."""
    network, address = _parse_network_sloppily(text), parse_sloppily(text.partition("/")[0])
    if network is None or address is None:
        return
    quoted, is_odd = go_quote(text), False
    if address != network.network_address:
        is_odd = True
        single = f"{address}/{address.max_prefixlen}"
        yield f'{path}: CIDR value {quoted} is ambiguous in this context (should be "{network}" or "{single}"?)'
    if names.parse_cidr(text) is None or _is_mapped(address):
        yield f'{path}: non-standard CIDR value {quoted} is invalid: use "{network}"'
    elif not is_odd and isinstance(network, IPv6Network) and str(network) != text:
        yield f'{path}: IPv6 CIDR value {quoted} should be in RFC 5952 canonical format ("{network}")'


def legacy_ip(text: str) -> names.Problems:
    """Check the address of a field that takes addresses in any spelling."""
    address = parse_sloppily(text)
    if address is None:
        return names.ip("")
    if names.parse_ip(text) is None:
        return ("must not have leading 0s",)
    return ("must not be an IPv4-mapped IPv6 address",) if _is_mapped(address) else ()


def strict_ip(text: str) -> names.Problems:
    """Check the address of a field that takes the canonical spelling alone (`IsValidIP`)."""
    if problems := legacy_ip(text):
        return problems
    canonical = str(names.parse_ip(text))
    return () if text == canonical else (f"must be in canonical form ({go_quote(canonical)})",)


def legacy_cidr(text: str) -> names.Problems:
    """Check a network of a field that takes networks in any spelling."""
    network = _parse_network_sloppily(text)
    if network is None:
        return names.cidr("")
    address, _, prefix = text.partition("/")
    if names.parse_cidr(text) is None or prefix != str(int(prefix)):
        return ("must not have leading 0s in IP or prefix length",)
    if isinstance(network, IPv6Network) and _is_mapped(IPv6Address(address)):
        return ("must not have an IPv4-mapped IPv6 address",)
    if names.parse_ip(address) != network.network_address:
        return ("must not have bits set beyond the prefix length",)
    return ()


def interface_address(text: str) -> names.Problems:
    """Check the address of an interface with the length of its network (`IsValidInterfaceAddress`)."""
    address, _, prefix = text.partition("/")
    if _parse_network_sloppily(text) is None:
        return ("must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)",)
    found = parse_sloppily(address)
    length = int(prefix)
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found, length = found.ipv4_mapped, length - 96 if length > 32 else length
    canonical = f"{found}/{length}"
    return () if text == canonical else (f"must be in canonical form ({go_quote(canonical)})",)


def check_legacy_ip(path: Place, text: str, known: Container[str] = ()) -> bool:
    """Report an address that is none, unless the stored object has it; say whether it was in order."""
    return text in known or path.check_value(text, legacy_ip)


def check_endpoint_ip(path: Place, text: str) -> None:
    """Report an address at which no endpoint can be (`ValidateEndpointIP`)."""
    address = parse_sloppily(text)
    if address is None:
        path.invalid(text, "must be a valid IP address")
        return
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified:
        path.invalid(text, f"may not be unspecified ({text})")
    if address.is_loopback:
        path.invalid(text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        path.invalid(text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if _is_link_local_multicast(address):
        path.invalid(text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def _is_link_local_multicast(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return address in _LINK_LOCAL_MULTICAST_4
    first, second = address.packed[:2]
    return first == 0xFF and second & 0x0F == _LINK_LOCAL_MULTICAST_6
