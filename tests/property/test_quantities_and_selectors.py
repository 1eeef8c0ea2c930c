"""Quantities against exact fractions, selectors against their text."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from vaina.objects import quantity
from vaina.objects.selectors import LabelSelector, Requirement, parse_field_selector, parse_label_selector

UNITS = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1), "k": Fraction(1000),
         "M": Fraction(10**6), "G": Fraction(10**9), "Ki": Fraction(1 << 10), "Mi": Fraction(1 << 20), "Gi": Fraction(1 << 30),
         "e3": Fraction(1000), "E-2": Fraction(1, 100)}  # fmt: skip
AMOUNTS = st.tuples(
    st.decimals(min_value=0, max_value=99999, places=4, allow_nan=False), st.sampled_from(sorted(UNITS))
)
NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,5}[a-z0-9])?", fullmatch=True)


def up(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


@given(AMOUNTS)
def test_an_amount_is_its_fraction_rounded_up(amount: tuple[object, str]) -> None:
    number, unit = amount
    exact = Fraction(str(number)) * UNITS[unit]
    text = f"{number}{unit}"
    nanos = up(exact * 10**9)
    assert quantity.parse(text).nanos == nanos
    assert quantity.value(text) == up(Fraction(nanos, 10**9))
    assert quantity.milli_value(text) == up(Fraction(nanos, 10**6))


@given(AMOUNTS)
def test_the_canonical_text_is_the_same_amount_and_stays(amount: tuple[object, str]) -> None:
    text = f"{amount[0]}{amount[1]}"
    canonical = quantity.canonical(text)
    assert quantity.compare(text, canonical) == 0
    assert quantity.canonical(canonical) == canonical


@given(st.integers(0, 2**62))
def test_formats_lose_nothing(number: int) -> None:
    assert quantity.value(quantity.format_bytes(number)) == number
    assert quantity.value(quantity.format_count(number)) == number
    assert quantity.parse(quantity.format_millis(number)).nanos == number * 10**6


REQUIREMENTS = st.one_of(
    st.builds(lambda key, value: Requirement(key, "=", (value,)), NAMES, NAMES | st.just("")),
    st.builds(lambda key, value: Requirement(key, "!=", (value,)), NAMES, NAMES),
    st.builds(
        lambda key, values: Requirement(key, "in", tuple(sorted(values))),
        NAMES,
        st.sets(NAMES, min_size=1, max_size=3),
    ),
    st.builds(
        lambda key, values: Requirement(key, "notin", tuple(sorted(values))),
        NAMES,
        st.sets(NAMES, min_size=1, max_size=3),
    ),
    st.builds(lambda key: Requirement(key, "exists"), NAMES),
    st.builds(lambda key: Requirement(key, "!"), NAMES),
)


@given(st.lists(REQUIREMENTS, max_size=4), st.dictionaries(NAMES, NAMES, max_size=4))
def test_a_selector_means_the_same_as_its_text(
    requirements: list[Requirement], labels: dict[str, str]
) -> None:
    selector = LabelSelector(tuple(sorted(requirements, key=lambda item: item.key)))
    read = parse_label_selector(str(selector))
    assert read.matches(labels) == selector.matches(labels)
    assert str(read) == str(selector)


@given(st.dictionaries(NAMES, st.text(max_size=8), min_size=1, max_size=3))
def test_field_selectors_carry_any_value(fields: dict[str, str]) -> None:
    def escape(value: str) -> str:
        return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")

    text = ",".join(f"{name}={escape(value)}" for name, value in fields.items())
    assert parse_field_selector(text).matches(fields)
    assert parse_field_selector(str(parse_field_selector(text))) == parse_field_selector(text)


@given(st.text(max_size=40))
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (parse_label_selector, parse_field_selector, quantity.canonical):
        error = None
        try:
            parse(text)
        except ValueError as caught:
            error = caught
        assert error is None or str(error)
