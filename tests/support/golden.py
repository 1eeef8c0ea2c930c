"""Wire data in `shared/data` beside the checkout, if there is any.

Kubernetes' fields as facts, and one golden object of each kind.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from vaina.api.runtime.v1 import runtime_pb2
from vaina.kinds import KINDS, Kind

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
MISSING = "the wire data (the folder shared/data) is not beside this checkout"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=MISSING)


def golden_path(kind: Kind[Any], suffix: str) -> Path:
    """Return where the golden object of a kind is, if there is one."""
    return DATA / "golden" / f"{kind.group or 'core'}.{kind.version}.{kind.kind}.{suffix}"


def golden_kinds() -> list[Kind[Message]]:
    """Return the kinds that upstream has too."""
    return [kind for kind in KINDS if not kind.group.endswith("vaina.dev")]


def stored_kinds() -> list[Kind[Message]]:
    """Return the kinds of which there is a golden object here."""
    return [kind for kind in golden_kinds() if not DATA.is_dir() or golden_path(kind, "pb").exists()]


def golden_bytes(kind: Kind[Any]) -> bytes:
    """Return the stored bytes of the object inside upstream's envelope."""
    stored = golden_path(kind, "pb").read_bytes()
    assert stored[:4] == b"k8s\x00"
    return runtime_pb2.Unknown.FromString(stored[4:]).raw


def golden_json(kind: Kind[Any]) -> dict[str, Any]:
    """Return the object as upstream's JSON."""
    value = json.loads(golden_path(kind, "json").read_text())
    assert isinstance(value, dict)
    return value
