"""PURE: the names of new Pods.

A name follows from the controller's uid and a number, the smallest ones first whose names are not taken, not
from chance: whoever decides on the same state gives the same names. So a creation whose answer was lost can
be asked for again without making two Pods (I10), and two processes that both think they lead, or one that
died in the middle and its successor, make one set of Pods (I18). Names of Pods that went lately count as
taken, so that a Pod is not followed by another of its name.
"""

import hashlib
from collections.abc import Container

#: letters and digits that make no words and are not mistaken for one another; upstream's
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5
#: the rest of a generated name is cut to this
MAX_BASE = 58


def pod_names(owner: str, uid: str, count: int, taken: Container[str] = frozenset()) -> tuple[str, ...]:
    """Return names for `count` new Pods.

    Args:
        owner: name of the controller's object.
        uid: its uid.
        count: how many.
        taken: names in use in the namespace, or lately so.
    """
    base = f"{owner}-"[:MAX_BASE]
    names: dict[str, None] = {}
    number = 0
    while len(names) < count:
        name = base + _suffix(f"{uid}/{number}")
        number += 1
        if name not in taken:
            names[name] = None
    return tuple(names)


def suffixed(owner: str, seed: str) -> str:
    """Return the name of a Pod that follows from a seed: always the same."""
    return f"{owner}-"[:MAX_BASE] + _suffix(seed)


def _suffix(seed: str) -> str:
    value = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    letters = []
    for _ in range(SUFFIX_LENGTH):
        value, index = divmod(value, len(ALPHABET))
        letters.append(ALPHABET[index])
    return "".join(letters)
