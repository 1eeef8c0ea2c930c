"""PURE: the names of new Pods.

A name follows from the controller's uid and the smallest free number, not from chance: processes that decide
on the same state give the same names. So a creation whose answer was lost can be asked for again without
making two Pods (I10), and two processes that both think they lead make one set of Pods (I18). Names of Pods
that went lately count as taken, so that a Pod is not followed by another of its name.
"""

import hashlib
from collections.abc import Container

#: letters and digits that make no words and are not mistaken for one another; upstream's
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5
#: the rest of a generated name is cut to this
MAX_BASE = 58


def pod_names(owner: str, uid: str, count: int, taken: Container[str] = frozenset()) -> tuple[str, ...]:
    """Return names for `count` new Pods of an owner; `taken` are names in use in the namespace, or lately so."""
    base = f"{owner}-"[:MAX_BASE]
    names: dict[str, None] = {}
    number = 0
    while len(names) < count:
        name = base + hash_letters(f"{uid}/{number}".encode(), SUFFIX_LENGTH)
        number += 1
        if name not in taken:
            names[name] = None
    return tuple(names)


def suffixed(owner: str, seed: str) -> str:
    """Return the name of a Pod that follows from a seed: always the same."""
    return f"{owner}-"[:MAX_BASE] + hash_letters(seed.encode(), SUFFIX_LENGTH)


def hash_letters(data: bytes, count: int) -> str:
    """Return the hash of some bytes in so many letters."""
    value = int.from_bytes(hashlib.sha256(data).digest()[:8], "big")
    letters = []
    for _ in range(count):
        value, index = divmod(value, len(ALPHABET))
        letters.append(ALPHABET[index])
    return "".join(letters)
