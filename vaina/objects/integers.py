"""PURE: whole numbers that a text tells, as Go reads them (strconv.ParseInt and ParseUint with base 10).

What stands in annotations, labels and names may have been written by anybody: a text that is no such number
is None.
"""

import re
from typing import Final

#: signs and digits; leading zeros count for nothing, but there are not thousands of them
_SIGNED: Final = re.compile(r"[+-]?[0-9]{1,63}", re.ASCII).fullmatch
_UNSIGNED: Final = re.compile(r"[0-9]{1,63}", re.ASCII).fullmatch


def parse_int(text: str, *, bits: int = 64) -> int | None:
    """Return a signed number of so many bits; None: the text tells none."""
    if not _SIGNED(text):
        return None
    number, bound = int(text), 1 << bits - 1
    return number if -bound <= number < bound else None


def parse_uint(text: str, *, bits: int = 64) -> int | None:
    """Return a number without a sign, of so many bits; None: the text tells none."""
    if not _UNSIGNED(text):
        return None
    number = int(text)
    return number if number < 1 << bits else None
