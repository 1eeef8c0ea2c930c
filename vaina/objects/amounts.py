"""PURE: amounts of several resources by name, as quotas and limits reckon with them.

An amount is exact, and keeps the way in which it was written. Follows `apiserver/pkg/quota/v1/resources.go` and
`apimachinery/pkg/api/resource`.
"""

from collections.abc import Iterable, Mapping, MutableMapping

from vaina.api.meta.v1 import meta_pb2
from vaina.objects.quantity import Amount, QuantityError, parse

#: resource -> how much
Amounts = Mapping[str, Amount]
Quantities = Mapping[str, meta_pb2.Quantity]

ZERO = Amount(0, "DecimalSI")
ONE = parse("1")


def read(quantities: Quantities) -> dict[str, Amount]:
    """Return the amounts of a map of an object; a text that is no quantity counts as nothing."""
    return {name: _parse(quantities[name].string) for name in quantities}


def _parse(text: str) -> Amount:
    try:
        return parse(text) if text else ZERO
    except QuantityError:
        return ZERO


def write(amounts: Amounts, quantities: MutableMapping[str, meta_pb2.Quantity]) -> None:
    """Make a map of an object hold these amounts, and no others."""
    for name in [name for name in quantities if name not in amounts]:
        del quantities[name]
    for name, amount in amounts.items():
        quantities[name].string = str(amount)


def plus(left: Amounts, right: Amounts) -> dict[str, Amount]:
    """Return the sums. Written as the left one is, unless that is nothing."""
    total = dict(left)
    for name, amount in right.items():
        before = total.get(name)
        if before is None or not before.nanos:
            total[name] = amount
        else:
            total[name] = Amount(before.nanos + amount.nanos, before.format)
    return total


def minus(left: Amounts, right: Amounts) -> dict[str, Amount]:
    """Return the left amounts less the right ones, none of them below nothing."""
    return {
        name: Amount(max(0, amount.nanos - right[name].nanos), amount.format) if name in right else amount
        for name, amount in left.items()
    }


def times(amounts: Amounts, count: int) -> dict[str, Amount]:
    """Return so many times the amounts."""
    return {name: Amount(amount.nanos * count, amount.format) for name, amount in amounts.items()}


def only(amounts: Amounts, names: Iterable[str]) -> dict[str, Amount]:
    """Return the amounts of some resources."""
    return {name: amounts[name] for name in names if name in amounts}


def equal(left: Amounts, right: Amounts) -> bool:
    """Say whether the same resources have the same amounts, however they are written."""
    return left.keys() == right.keys() and all(left[name].nanos == right[name].nanos for name in left)


def show(amounts: Amounts) -> str:
    """Write amounts as errors do: cpu=1,memory=1Gi."""
    return ",".join(f"{name}={amounts[name]}" for name in sorted(amounts))
