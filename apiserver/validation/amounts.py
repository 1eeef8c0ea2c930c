"""Rules for amounts that are a number of Pods, or a share of them in per cent.

Follows `pkg/apis/apps/validation`.
"""

import re
from typing import Final

from apiserver.validation.place import Place
from vaina.api.meta.v1 import meta_pb2

_STRING: Final = 1
_PERCENT = re.compile("[0-9]+%", re.ASCII).fullmatch
_NO_PERCENT: Final = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)


def check_amount(path: Place, amount: meta_pb2.IntOrString) -> None:
    """Report a negative number, and a text that is no share."""
    if amount.type != _STRING:
        path.check_non_negative(amount.int_val)
    elif not _PERCENT(amount.str_val):
        path.invalid(amount.str_val, _NO_PERCENT)


def check_at_most_all(path: Place, amount: meta_pb2.IntOrString) -> None:
    """Report a share of more than all."""
    text = amount.str_val
    if amount.type != _STRING or not _PERCENT(text):
        return
    # Zeros before it change nothing, as upstream. Not read when it is long: int() of thousands of digits raises.
    digits = text[:-1].lstrip("0") or "0"
    if len(digits) > len("100") or int(digits) > 100:
        path.invalid(text, "must not be greater than 100%")


def is_zero(amount: meta_pb2.IntOrString) -> bool:
    """Say whether an amount is none at all; a text that is no share counts as none, as upstream."""
    if amount.type != _STRING:
        return amount.int_val == 0
    return not _PERCENT(amount.str_val) or not amount.str_val[:-1].strip("0")
