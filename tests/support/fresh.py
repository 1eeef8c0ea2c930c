"""Names that nothing has yet: where processes serve a module, a second try meets what the first one left."""

from itertools import count

_NUMBERS = count(1)


def fresh(name: str) -> str:
    """Return a name that no try of a test of this process was given before."""
    return f"{name}-{next(_NUMBERS)}"
