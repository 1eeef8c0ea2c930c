"""The apiserver's accelerators, by name (`--fast-paths`, docs/fast-paths.md)."""

from collections.abc import Mapping
from typing import Final

FAST_PATHS: Final[Mapping[str, str]] = {}
