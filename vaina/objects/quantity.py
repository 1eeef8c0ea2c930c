"""Quantities: amounts of resources as text ("100m", "1Gi", "2e3") and the integers that they stand for.

Behaves as `apimachinery/pkg/api/resource`: at most nine decimal places (finer amounts are rounded away from
zero), amounts beyond int64 are cut to it, and three ways of writing (decimal suffixes, binary suffixes,
decimal exponents), of which the canonical text keeps the one that was used. No floats anywhere: an amount is
an int of nano-units.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

MAX_INT64: Final = (1 << 63) - 1
#: longer texts are refused: nobody writes them, and they would cost time
MAX_TEXT: Final = 256
_NANO: Final = 10**9
#: digits that Go's fast path takes; longer numbers are cut to int64
_EXACT_DIGITS: Final = 18
#: 10^60 is far outside int64; larger exponents are cut instead of being computed
_MAX_EXPONENT: Final = 60

_FORMAT_WRONG: Final = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_SUFFIX_WRONG: Final = "unable to parse quantity's suffix"

_SHAPE: Final = re.compile(r"([+-]?)([0-9]*)(\.?)([0-9]*)([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX: Final = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX: Final = {exponent: suffix for suffix, exponent in _BINARY.items()}
_EXPONENT: Final = re.compile(r"[eE]([+-]?[0-9]+)", re.ASCII)


class QuantityError(ValueError):
    """The text is no quantity. The message is upstream's."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A parsed quantity: an amount and the way in which it was written."""

    #: in units of 10^-9
    nanos: int
    format: Format

    def value(self) -> int:
        """Return the amount in whole units, rounded away from zero and cut to int64."""
        return _scaled(self.nanos, _NANO)

    def milli_value(self) -> int:
        """Return the amount in thousandths, rounded away from zero and cut to int64."""
        return _scaled(self.nanos, 10**6)

    def __str__(self) -> str:
        """Return the canonical text: the way of writing is kept."""
        nanos = self.nanos
        if nanos == 0:
            return "0"
        form = self.format
        if form == "BinarySI" and (abs(nanos) < 1024 * _NANO or nanos % _NANO):
            form = "DecimalSI"
        if form == "BinarySI":
            whole, exponent = nanos // _NANO, 0
            while whole % 1024 == 0 and exponent < 60:
                whole, exponent = whole // 1024, exponent + 10
            return f"{whole}{_BINARY_SUFFIX.get(exponent, '')}"
        exponent = -9
        while nanos % 1000 == 0 and (form == "DecimalExponent" or exponent < 18):
            nanos, exponent = nanos // 1000, exponent + 3
        if form == "DecimalExponent":
            return f"{nanos}e{exponent}" if exponent else str(nanos)
        return f"{nanos}{_DECIMAL_SUFFIX[exponent]}"


def _div_away(number: int, divisor: int) -> int:
    """Divide, rounding away from zero."""
    return -(-number // divisor) if number >= 0 else number // divisor


def _scaled(nanos: int, unit: int) -> int:
    whole = _div_away(nanos, unit)
    return max(-MAX_INT64 - 1, min(MAX_INT64, whole))


def _suffix(text: str) -> tuple[int, int, Format]:
    """Return (base, exponent, format) of a suffix. Raises QuantityError: there is no such suffix."""
    if text in _DECIMAL:
        return 10, _DECIMAL[text], "DecimalSI"
    if text in _BINARY:
        return 2, _BINARY[text], "BinarySI"
    match = _EXPONENT.fullmatch(text)
    if match is None or len(match[1]) > 19:
        raise QuantityError(_SUFFIX_WRONG)
    return 10, int(match[1]), "DecimalExponent"


@lru_cache(maxsize=8192)
def parse(text: str) -> Amount:
    """Read a quantity. Raises QuantityError: the text is none; the message is upstream's."""
    if text.isdigit() and text.isascii() and len(text) <= _EXACT_DIGITS:
        # Bytes, mostly: the short way to what follows.
        return Amount(int(text) * _NANO, "DecimalSI")
    match = _SHAPE.fullmatch(text)
    if not text or match is None or len(text) > MAX_TEXT:
        raise QuantityError(_FORMAT_WRONG)
    sign, whole, _, fraction, suffix = match.groups()
    base, exponent, form = _suffix(suffix)
    # Without a digit it is none: upstream says 0 of nothing before a suffix (parseQuantityString).
    digits = int(whole + fraction or "0")
    exact = base == 10 and len(whole.lstrip("0")) + len(fraction) <= _EXACT_DIGITS
    nanos = _nanos(digits, len(fraction), base, exponent)
    limit = MAX_INT64 * _NANO
    if nanos > limit and not (exact and exponent <= _MAX_EXPONENT):
        nanos = limit
    if form == "BinarySI" and 0 < nanos < _NANO:
        form = "DecimalSI"
    return Amount(-nanos if sign == "-" else nanos, form)


def _nanos(digits: int, places: int, base: int, exponent: int) -> int:
    """Return digits * 10^-places * base^exponent in nano-units, rounded up; the exponent's size is bounded."""
    if digits == 0:
        return 0
    if base == 2:
        return _div_away((digits << exponent) * _NANO, 10**places)
    power = 9 + exponent - places
    if power >= 0:
        return digits * int(10 ** min(power, _MAX_EXPONENT + MAX_TEXT))
    # 256 digits at most stand before this, so a larger power leaves less than one nano-unit.
    return _div_away(digits, 10 ** min(-power, 2 * MAX_TEXT))


def value(text: str) -> int:
    """Return a quantity in whole units, rounded up (bytes, numbers of things). Raises QuantityError."""
    return parse(text).value()


def milli_value(text: str) -> int:
    """Return a quantity in thousandths, rounded up (milli-CPU). Raises QuantityError."""
    return parse(text).milli_value()


def canonical(text: str) -> str:
    """Return the one way to write an amount in its format: 0.5 -> 500m, 1024Mi -> 1Gi. Raises QuantityError."""
    return str(parse(text))


def round_up_milli(text: str) -> str:
    """Return the canonical text with at most three decimals, as upstream defaults requests. Raises
    QuantityError.
    """
    amount = parse(text)
    return str(Amount(_div_away(amount.nanos, 10**6) * 10**6, amount.format))


def compare(left: str, right: str) -> int:
    """Return -1, 0 or 1: the left amount is less than, equal to or more than the right. Raises QuantityError."""
    a, b = parse(left).nanos, parse(right).nanos
    return (a > b) - (a < b)


def format_millis(millis: int) -> str:
    """Write thousandths as a quantity: 1500 -> 1500m, 2000 -> 2."""
    return str(Amount(millis * 10**6, "DecimalSI"))


def format_bytes(number: int) -> str:
    """Write bytes as a quantity with binary suffixes: 1073741824 -> 1Gi."""
    return str(Amount(number * _NANO, "BinarySI"))


def format_count(number: int) -> str:
    """Write a number of things as a quantity: 110 -> 110, 2000 -> 2k."""
    return str(Amount(number * _NANO, "DecimalSI"))
