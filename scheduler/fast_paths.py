"""The scheduler's accelerators, by name (`--fast-paths`, docs/fast-paths.md)."""

from collections.abc import Mapping
from typing import Final

EQUAL_PODS: Final = "equal-pods"

FAST_PATHS: Final[Mapping[str, str]] = {
    EQUAL_PODS: "what nodes are worth with some more equal Pods is computed ahead, and these are placed together",
}
