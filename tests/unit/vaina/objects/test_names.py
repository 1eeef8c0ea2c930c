"""Names and texts: which are in order, and what is said of those that are not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.apiserver.validation.cases import (
    CONFIG_KEY,
    ENV_NAME,
    IP,
    LABEL,
    PORT,
    QUALIFIED,
    SUBDOMAIN,
    VALUE,
)
from vaina.objects import names

CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
TEXT_LONG = {limit: f"must be no more than {limit} characters" for limit in (63, 253)}


@pytest.mark.parametrize(
    ("rule", "value", "want"),
    [
        (names.dns_1123_label, "a", ()),
        (names.dns_1123_label, "", (LABEL,)),
        (names.dns_1123_label, "a\n", (LABEL,)),
        (names.dns_1123_label, "é", (LABEL,)),
        (names.dns_1123_label, "a.b", ("must not contain dots",)),
        (names.dns_1123_label, "a" * 64, (TEXT_LONG[63],)),
        (names.dns_1123_label, "A" * 64, (TEXT_LONG[63], LABEL)),
        (names.dns_1123_subdomain, "a.b-c.1", ()),
        (names.dns_1123_subdomain, "a..b", (SUBDOMAIN,)),
        (names.dns_1123_subdomain, "a" * 254, (TEXT_LONG[253],)),
        (names.dns_1123_subdomain_with_underscore, "_a._b", ()),
        (names.dns_1123_subdomain_with_underscore, "a" * 254, (TEXT_LONG[253],)),
        (names.qualified_name, "example.com/My_Name.1", ()),
        (names.qualified_name, "/x", ("prefix part must be non-empty",)),
        (names.qualified_name, "A/x", (f"prefix part {SUBDOMAIN}",)),
        (names.qualified_name, "a/", ("name part must be non-empty", QUALIFIED)),
        (names.qualified_name, "a" * 64, ("name part must be no more than 63 bytes",)),
        (names.label_value, "", ()),
        (names.label_value, "-x", (VALUE,)),
        (names.label_value, "a" * 64, ("must be no more than 63 bytes",)),
        (names.env_name, "1-any printable~", ()),
        (names.env_name, "a=b", (ENV_NAME,)),
        (names.env_name, "a\tb", (ENV_NAME,)),
        (names.env_name, "", ("environment variable name must be non-empty",)),
        (names.config_key, "a.b-c_D", ()),
        (names.config_key, "a/b", (CONFIG_KEY,)),
        (names.config_key, ".", ("must not be '.'",)),
        (names.config_key, "..", ("must not be '..'",)),
        (names.config_key, "..a", ("must not start with '..'",)),
        (names.config_key, "a" * 254, ("must be no more than 253 characters",)),
        (names.port_number, 1, ()),
        (names.port_number, 65535, ()),
        (names.port_number, 65536, (PORT,)),
        (names.user_or_group_id, 2**31 - 1, ()),
        (names.user_or_group_id, 2**31, ("must be between 0 and 2147483647, inclusive",)),
        (names.ip, "10.1.2.3", ()),
        (names.ip, "2001:db8::1", ()),
        (names.ip, "fe80::1%eth0", (IP,)),
        (names.ip, "10.1.2", (IP,)),
        (names.ip, "", (IP,)),
        (names.cidr, "10.244.1.0/24", ()),
        (names.cidr, "10.244.1.7/24", ()),
        (names.cidr, "fd00::/64", ()),
        (names.cidr, "10.244.1.0", (CIDR,)),
        (names.cidr, "10.244.1.0/33", (CIDR,)),
        (names.cidr, "10.244.1.0/255.255.255.0", (CIDR,)),
        (names.local_descending_path, "a/b", ()),
        (names.local_descending_path, "/a/..", ("must be a relative path", "must not contain '..'")),
        (names.local_non_reserved_path, "..a/b", ("must not start with '..'",)),
        (names.local_non_reserved_path, "../b", ("must not contain '..'",)),
        (names.local_non_reserved_path, "..", ("must not contain '..'", "must not start with '..'")),
        (names.domain_prefixed_path, "acme.io/foo", ()),
    ],
)
def test_texts(rule: object, value: object, want: tuple[str, ...]) -> None:
    assert rule(value) == want  # type: ignore[operator]


@pytest.mark.parametrize(
    ("prefix", "checked"), [("web-", "wea"), ("web", "web"), ("-", "-"), ("a--", "aa"), ("", "")]
)
def test_a_prefix_may_end_in_a_dash(prefix: str, checked: str) -> None:
    assert names.generated(prefix) == checked


@given(st.text(alphabet="aA0-._/é", max_size=70))
def test_a_label_is_also_a_subdomain_and_both_are_label_values(text: str) -> None:
    if not names.dns_1123_label(text):
        assert names.dns_1123_subdomain(text) == ()
        assert names.label_value(text) == ()
        assert names.qualified_name(text) == ()


@given(st.text(alphabet="a0-.", max_size=20))
def test_a_subdomain_is_labels_joined_by_dots(text: str) -> None:
    labels = text.split(".")
    assert (not names.dns_1123_subdomain(text)) == all(
        re.fullmatch("[a0]([-a0]*[a0])?", each) for each in labels
    )


def test_lengths_are_counted_in_bytes() -> None:
    assert [names.size("abc"), names.size("é"), names.size("\ud800")] == [3, 2, 1]
