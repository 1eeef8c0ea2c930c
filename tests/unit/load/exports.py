"""Small exports for tests: objects as kubectl writes them."""

import json
from typing import Any

Tree = dict[str, Any]


def a_list(*items: Tree, **changes: Any) -> bytes:
    """Return a List as kubectl writes it."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items), **changes}).encode()


def thing(kind: str, name: str, api_version: str = "v1", **fields: Any) -> Tree:
    """Return an object; metadata is merged with its name."""
    metadata = {"name": name, **fields.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def node(name: str = "n1", **fields: Any) -> Tree:
    """Return a node that has room."""
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    ready = [{"type": "Ready", "status": "True"}]
    status = {"capacity": amounts, "allocatable": amounts, "conditions": ready, **fields.pop("status", {})}
    return thing("Node", name, status=status, **fields)


def pod(name: str = "p", namespace: str = "a", **fields: Any) -> Tree:
    """Return a Pod; `spec` and `metadata` are merged with what every Pod has."""
    metadata = {
        "namespace": namespace,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **fields.pop("metadata", {}),
    }
    spec = {"containers": [{"name": "main", "image": "web"}], **fields.pop("spec", {})}
    return thing("Pod", name, metadata=metadata, spec=spec, **fields)
