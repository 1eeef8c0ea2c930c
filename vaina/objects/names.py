"""Rules for names and other texts: each function returns what is wrong with a value, in Kubernetes' words.

Used by the apiserver's validation, and by the kubelet for static Pods. The rules and words are those of
apimachinery's `util/validation` and `api/validate/content`. Nothing wrong is an empty tuple; lengths are in
bytes of UTF-8, as in Go.
"""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from vaina.objects import selectors

Problems = tuple[str, ...]

MAX_INT32: Final = (1 << 31) - 1
#: characters of an address, with the length of its network; one of IPv6 has 49
_MAX_ADDRESS: Final = 64

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = f"{_LABEL}(\\.{_LABEL})*"
_LABEL_UNDERSCORE: Final = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_UNDERSCORE: Final = f"{_LABEL_UNDERSCORE}(\\.{_LABEL_UNDERSCORE})*"
_CONFIG_KEY: Final = "[-._a-zA-Z0-9]+"
_HEADER: Final = "[-A-Za-z0-9]+"
_SYSCTL_SEGMENT: Final = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
SYSCTL: Final = f"^({_SYSCTL_SEGMENT}[\\./])*{_SYSCTL_SEGMENT}$"

_label = re.compile(_LABEL, re.ASCII).fullmatch
_subdomain = re.compile(_SUBDOMAIN, re.ASCII).fullmatch
_subdomain_underscore = re.compile(_SUBDOMAIN_UNDERSCORE, re.ASCII).fullmatch
_config_key = re.compile(_CONFIG_KEY, re.ASCII).fullmatch
_header = re.compile(_HEADER, re.ASCII).fullmatch
_sysctl = re.compile(SYSCTL.strip("^$"), re.ASCII).fullmatch
_port_charset = re.compile("[-a-z0-9]+", re.ASCII).fullmatch
_letter = re.compile("[a-z]", re.ASCII).search
_http_path = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+", re.ASCII).fullmatch


def size(text: str) -> int:
    """Return the length of a text in bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def max_length(limit: int) -> str:
    """Say how long a text may be, in MaxLenError's words; labels have others (`selectors`)."""
    return f"must be no more than {limit} characters"


def in_range(low: int, high: int) -> str:
    """Say between which numbers a value must be."""
    return f"must be between {low} and {high}, inclusive"


def _shape(rule: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{rule} (e.g. {shown}regex used for validation is '{pattern}')"


_LABEL_RULE: Final = _shape(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
_SUBDOMAIN_RULE: Final = _shape(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_WILDCARD_RULE: Final = _shape(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    rf"\*\.{_SUBDOMAIN}",
    "*.example.com",
)
_SUBDOMAIN_UNDERSCORE_RULE: Final = _shape(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start "
    "and end with an alphanumeric character",
    _SUBDOMAIN_UNDERSCORE,
    "example.com",
)
_CONFIG_KEY_RULE: Final = _shape(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)
_HEADER_RULE: Final = _shape(
    "a valid HTTP header must consist of alphanumeric characters or '-'", _HEADER, "X-Header-Name"
)
_ENV_RULE: Final = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
SYSCTL_RULE: Final = f"must have at most 253 characters and match regex {SYSCTL}"


@lru_cache(maxsize=4096)
def dns_1123_label(value: str) -> Problems:
    """Check a DNS label: names of containers, volumes, namespaces."""
    problems = [max_length(63)] if size(value) > 63 else []
    if not _label(value):
        problems.append("must not contain dots" if _subdomain(value) else _LABEL_RULE)
    return tuple(problems)


@lru_cache(maxsize=4096)
def dns_1123_subdomain(value: str) -> Problems:
    """Check a DNS subdomain: names of most objects."""
    problems = [max_length(253)] if size(value) > 253 else []
    if not _subdomain(value):
        problems.append(_SUBDOMAIN_RULE)
    return tuple(problems)


def is_dns_1123_label(value: str) -> bool:
    """Say whether nothing is wrong with a DNS label. Remembers nothing: for names, which are new each time."""
    return _label(value) is not None and len(value) <= 63


def wildcard_dns_1123_subdomain(value: str) -> Problems:
    """Check a subdomain whose first part is a star: *.example.com."""
    problems = [max_length(253)] if size(value) > 253 else []
    if not value.startswith("*.") or not _subdomain(value[2:]):
        problems.append(_WILDCARD_RULE)
    return tuple(problems)


def dns_1123_subdomain_with_underscore(value: str) -> Problems:
    """Check a search domain, whose labels may begin with an underscore."""
    problems = [max_length(253)] if size(value) > 253 else []
    if not _subdomain_underscore(value):
        problems.append(_SUBDOMAIN_UNDERSCORE_RULE)
    return tuple(problems)


def path_segment(value: str) -> Problems:
    """Check a name that only has to fit in a URL."""
    if value in {".", ".."}:
        return (f"may not be '{value}'",)
    return tuple(f"may not contain '{char}'" for char in ("/", "%") if char in value)


@lru_cache(maxsize=4096)
def qualified_name(value: str) -> Problems:
    """Check a label's key, and all else with an optional DNS prefix: finalizers, gates, conditions."""
    return tuple(selectors.check_label_key(value))


@lru_cache(maxsize=4096)
def label_value(value: str) -> Problems:
    """Check a label's value."""
    return tuple(selectors.check_label_value(value))


def generated(check_prefix: str) -> str:
    """Return what a prefix for generated names is checked as: a trailing dash is allowed there."""
    if check_prefix.endswith("-") and len(check_prefix) > 1:
        return check_prefix[:-2] + "a"
    return check_prefix


def port_number(value: int) -> Problems:
    """Check the number of a port."""
    return () if 1 <= value <= 65535 else (in_range(1, 65535),)


def port_name(value: str) -> Problems:
    """Check the name of a port (an IANA service name)."""
    problems: list[str] = []
    if size(value) > 15:
        problems.append(max_length(15))
    if not _port_charset(value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _letter(value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return tuple(problems)


@lru_cache(maxsize=4096)
def env_name(value: str) -> Problems:
    """Check the name of an environment variable (KEP-4369: all printable ASCII but '=')."""
    if not value:
        return ("environment variable name must be non-empty",)
    if value.isascii() and value.isprintable() and "=" not in value:
        return ()
    return (_ENV_RULE,)


def config_key(value: str) -> Problems:
    """Check a key of a ConfigMap or Secret, which becomes a file's name."""
    problems: list[str] = []
    if size(value) > 253:
        problems.append(max_length(253))
    if not _config_key(value):
        problems.append(_CONFIG_KEY_RULE)
    if value in {".", ".."}:
        problems.append(f"must not be '{value}'")
    elif value.startswith(".."):
        problems.append("must not start with '..'")
    return tuple(problems)


def http_header(value: str) -> Problems:
    """Check the name of an HTTP header."""
    return () if _header(value) else (_HEADER_RULE,)


def sysctl(value: str) -> Problems:
    """Check the name of a kernel parameter."""
    return () if size(value) <= 253 and _sysctl(value) else (SYSCTL_RULE,)


def user_or_group_id(value: int) -> Problems:
    """Check the number of a user or group."""
    return () if 0 <= value <= MAX_INT32 else (in_range(0, MAX_INT32),)


def parse_ip(value: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a text stands for, or None. Zones (`%eth0`) are refused."""
    return _parse_ip(value) if len(value) <= _MAX_ADDRESS and "%" not in value else None


# Rules read an address once for each thing that they ask of it.
@lru_cache(maxsize=256)
def _parse_ip(value: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(value)
    except ValueError:
        return None


def ip(value: str) -> Problems:
    """Check an IP address."""
    return () if parse_ip(value) else ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)


def parse_cidr(value: str) -> IPv4Network | IPv6Network | None:
    """Return the network that a text stands for, or None; an address and a prefix length are needed."""
    return _parse_cidr(value) if len(value) <= _MAX_ADDRESS else None


@lru_cache(maxsize=256)
def _parse_cidr(value: str) -> IPv4Network | IPv6Network | None:
    address, slash, prefix = value.partition("/")
    if not slash or not (prefix.isascii() and prefix.isdigit()) or parse_ip(address) is None:
        return None
    try:
        return ip_network(value, strict=False)
    except ValueError:
        return None


def cidr(value: str) -> Problems:
    """Check a network in CIDR notation."""
    if parse_cidr(value):
        return ()
    return ("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",)


def no_backsteps(value: str) -> Problems:
    """Check that no element of a path is `..`."""
    return ("must not contain '..'",) if ".." in value.split("/") else ()


def local_descending_path(value: str) -> Problems:
    """Check a path that must stay below a directory."""
    absolute = ("must be a relative path",) if value.startswith("/") else ()
    return absolute + no_backsteps(value)


def local_non_reserved_path(value: str) -> Problems:
    """Check a path below a directory whose first name may not begin with `..` either."""
    problems = local_descending_path(value)
    if value.startswith("..") and not value.startswith("../"):
        # Upstream reports a bare ".." twice, by the element and by the prefix.
        problems += ("must not start with '..'",)
    return problems


def domain_prefixed_path(value: str) -> Problems:
    """Check a path after a domain: names of signers."""
    host, slash, rest = value.partition("/")
    if not slash or not host or not rest:
        return ('must be a domain-prefixed path (such as "acme.io/foo")',)
    problems = dns_1123_subdomain(host)
    if not _http_path(rest):
        problems += ("Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",)
    return problems


#: of proxies; empty: http
_SCHEMES = frozenset(("", "http", "https"))


def split_scheme_name_port(text: str) -> tuple[str, str, str] | None:
    """Return scheme, name and port of what a proxy's path calls an object: web, web:80, https:web:443.

    None: it is none of these. Follows apimachinery `pkg/util/net/port_split.go` (SplitSchemeNamePort).
    """
    match text.split(":"):
        case [name]:
            scheme, port = "", ""
        case [name, port]:
            scheme = ""
        case [scheme, name, port]:
            pass
        case _:
            return None
    return (scheme, name, port) if name and scheme in _SCHEMES else None
