"""Texts of the cluster, bounded. PURE. They stay what they are: the browser shows them as text."""

from collections.abc import Callable
from typing import Final, TypeAlias

#: says a text in the language of whoever looks
Say: TypeAlias = Callable[[str], str]

#: letters of a message; Kubernetes' own bound of an Event's is 1,024
MAX_LETTERS: Final = 2000


def cut(text: str, letters: int = MAX_LETTERS) -> str:
    """Return a text that is not longer than this; what was cut is shown by an ellipsis."""
    # Of plain text, whatever it was made of: that is what JSON takes.
    return str(text) if len(text) <= letters else f"{text[: letters - 1]}…"
