"""Manifests as tests write them: dictionaries with the fields that matter, everything else by default."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

#: an object as a manifest has it, or the text of one or more
Manifest: TypeAlias = Mapping[str, Any] | str

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
IMAGE = "busybox:1.37"
#: runs until it is told to end, and then ends at once (process 1 gets no signal that it does not ask for)
FOREVER = "trap 'exit 0' TERM; sleep infinity & wait"


def as_text(*manifests: Manifest) -> str:
    """Join manifests into one text of several documents."""
    return "\n---\n".join(one if isinstance(one, str) else json.dumps(one) for one in manifests)


def container(name: str = "main", script: str = FOREVER, **more: Any) -> dict[str, Any]:
    """Make a busybox container that runs a shell script; `command` in `more` replaces it."""
    return {
        "name": name,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
        **more,
    }


def pod(
    name: str, *containers: Mapping[str, Any], labels: Mapping[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    """Make a Pod; one container that stays when none is given. `spec` holds further fields of the spec."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **({"labels": dict(labels)} if labels else {})},
        "spec": pod_spec(*containers, **spec),
    }


def pod_spec(*containers: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Make the spec of a Pod that goes quickly when it is deleted."""
    return {
        "containers": [dict(one) for one in containers] or [container()],
        "terminationGracePeriodSeconds": 5,
        **more,
    }


def replica_set(name: str, replicas: int, *containers: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    """Make a ReplicaSet that selects app=<name>."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(*containers, **spec)},
        },
    }


def config_map(name: str, **data: str) -> dict[str, Any]:
    """Make a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> dict[str, Any]:
    """Make a Secret of plain strings."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def exec_probe(script: str, **more: Any) -> dict[str, Any]:
    """Make a probe that runs a shell script."""
    return {"exec": {"command": ["sh", "-c", script]}, **more}


def on_node(node: str) -> dict[str, Any]:
    """Return the field of a Pod's spec that lets the scheduler choose one node only."""
    return {"nodeSelector": {"kubernetes.io/hostname": node}}


def web_server(name: str = "main", port: int = 8080, answer: str = "hello") -> dict[str, Any]:
    """Make a container that answers every request for / with a text, and is ready when it does."""
    script = (
        f"mkdir -p /www && echo '{answer}' >/www/index.html; "
        f"trap 'exit 0' TERM; httpd -f -p {port} -h /www & wait"
    )
    probe = {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1, "failureThreshold": 60}
    return container(name, script, ports=[{"containerPort": port}], readinessProbe=probe)


def names(items: Sequence[Any]) -> list[str]:
    """Return the names of objects, sorted."""
    return sorted(item.metadata.name for item in items)
