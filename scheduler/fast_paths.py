"""The scheduler's accelerators, by name (`--fast-paths`, docs/fast-paths.md)."""

from collections.abc import Mapping
from typing import Final

SHARED_ROWS: Final = "shared-rows"

FAST_PATHS: Final[Mapping[str, str]] = {
    SHARED_ROWS: "classes with the same requests share what filters and scores say of a node's room",
}
