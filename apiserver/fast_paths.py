"""The apiserver's accelerators, by name (`--fast-paths`, docs/fast-paths.md)."""

from collections.abc import Mapping
from typing import Final

SPEC_MEMO: Final = "spec-memo"
BATCH_TEMPLATES: Final = "batch-templates"
GRPC_CORE: Final = "grpc-core"

FAST_PATHS: Final[Mapping[str, str]] = {
    SPEC_MEMO: "what follows from a Pod's spec is found once for all Pods with that spec",
    BATCH_TEMPLATES: "of the objects of a CreateBatch that differ in their names alone, one is read and validated",
    GRPC_CORE: "each method has tasks of its own that take its calls over, instead of one loop for all methods",
}
