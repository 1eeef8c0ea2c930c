"""Random objects, and parts of them, as managers apply and update them: every kind of list and map is in
them.
"""

import random
from typing import Any

Tree = dict[str, Any]

_WORDS = ("a", "b", "c<d", 'e"f')


def _some(rng: random.Random, chance: float = 0.5) -> bool:
    return rng.random() < chance


def _pick(rng: random.Random, words: tuple[str, ...], most: int = 3) -> list[str]:
    return rng.sample(words, rng.randint(0, min(most, len(words))))


def _map(rng: random.Random, words: tuple[str, ...] = _WORDS) -> dict[str, str]:
    return {word: rng.choice("xyz") for word in _pick(rng, words)}


def _maybe(rng: random.Random, tree: Tree, name: str, value: Any, chance: float = 0.5) -> None:
    if _some(rng, chance):
        tree[name] = value


def metadata(rng: random.Random) -> Tree:
    """Return metadata: labels, annotations, finalizers (a set), owners (by uid)."""
    tree: Tree = {"name": "web", "namespace": "default"}
    _maybe(rng, tree, "labels", _map(rng))
    _maybe(rng, tree, "annotations", _map(rng), 0.3)
    _maybe(rng, tree, "finalizers", [f"example.com/{w}" for w in _pick(rng, ("a", "b", "c"))], 0.3)
    owners = [
        {"apiVersion": "v1", "kind": "Node", "name": rng.choice("mn"), "uid": uid}
        for uid in _pick(rng, ("u1", "u2"))
    ]
    _maybe(rng, tree, "ownerReferences", owners, 0.2)
    return tree


def _ports(rng: random.Random) -> list[Tree]:
    ports: list[Tree] = []
    for number in _pick(rng, ("80", "81", "53")):
        for protocol in _pick(rng, ("TCP", "UDP", ""), 2):
            port: Tree = {"containerPort": int(number)}
            if protocol:
                port["protocol"] = protocol
            _maybe(rng, port, "name", f"p{number}")
            if not any((p["containerPort"], p.get("protocol", "TCP")) == (int(number), protocol or "TCP") for p in ports):  # fmt: skip
                ports.append(port)
    return ports


def _env(rng: random.Random) -> list[Tree]:
    entries: list[Tree] = []
    for name in _pick(rng, ("A", "B", "C")):
        entry: Tree = {"name": name}
        if _some(rng, 0.7):
            entry["value"] = rng.choice("xyz")
        else:
            entry["valueFrom"] = {"configMapKeyRef": {"name": rng.choice("mn"), "key": "k"}}
        entries.append(entry)
    return entries


def _container(rng: random.Random, name: str) -> Tree:
    tree: Tree = {"name": name}
    _maybe(rng, tree, "image", rng.choice(("i:1", "i:2")), 0.7)
    _maybe(rng, tree, "ports", _ports(rng))
    _maybe(rng, tree, "env", _env(rng))
    _maybe(rng, tree, "args", [rng.choice("xy") for _ in range(rng.randint(0, 2))], 0.3)
    requests = {name: rng.choice(("1", "500m")) for name in _pick(rng, ("cpu", "memory"))}
    _maybe(rng, tree, "resources", {"requests": requests} if _some(rng, 0.8) else {}, 0.3)
    _maybe(rng, tree, "securityContext", {"runAsUser": rng.randint(1, 2)} if _some(rng) else {}, 0.2)
    if _some(rng, 0.2):
        tree["livenessProbe"] = {"httpGet": {"path": "/", "port": rng.choice((80, "http"))}}
    return tree


def pod_spec(rng: random.Random) -> Tree:
    """Return a Pod's spec: lists by name, atomic ones, structs that are one value."""
    tree: Tree = {}
    names = _pick(rng, ("one", "two", "three"))
    _maybe(rng, tree, "containers", [_container(rng, name) for name in names], 0.8)
    volumes: list[Tree] = [
        {"name": name, **({"emptyDir": {}} if _some(rng) else {"configMap": {"name": rng.choice("mn")}})}
        for name in _pick(rng, ("v", "w"))
    ]
    _maybe(rng, tree, "volumes", volumes, 0.3)
    _maybe(rng, tree, "tolerations", [{"key": w, "operator": "Exists"} for w in _pick(rng, ("a", "b"))], 0.3)
    _maybe(rng, tree, "nodeSelector", _map(rng, ("a", "b")), 0.3)
    _maybe(rng, tree, "imagePullSecrets", [{"name": w} for w in _pick(rng, ("a", "b"))], 0.2)
    spread = [
        {"topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "maxSkew": rng.randint(1, 2),
         "labelSelector": {"matchLabels": _map(rng, ("a", "b"))}}
        for key in _pick(rng, ("zone", "host"))
    ]  # fmt: skip
    _maybe(rng, tree, "topologySpreadConstraints", spread, 0.2)
    _maybe(rng, tree, "nodeName", rng.choice("mn"), 0.2)
    _maybe(rng, tree, "securityContext", {}, 0.2)
    return tree


def pod_status(rng: random.Random) -> Tree:
    """Return a Pod's status: conditions by type."""
    tree: Tree = {}
    conditions = [
        {"type": kind, "status": rng.choice(("True", "False"))}
        for kind in _pick(rng, ("Ready", "Other", "My"))
    ]
    _maybe(rng, tree, "conditions", conditions, 0.8)
    _maybe(rng, tree, "phase", rng.choice(("Pending", "Running")))
    _maybe(rng, tree, "podIPs", [{"ip": ip} for ip in _pick(rng, ("1.2.3.4", "1.2.3.5"))])
    return tree


def pod(rng: random.Random) -> Tree:
    tree: Tree = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata(rng)}
    _maybe(rng, tree, "spec", pod_spec(rng), 0.9)
    _maybe(rng, tree, "status", pod_status(rng), 0.3)
    return tree


def deployment(rng: random.Random) -> Tree:
    spec: Tree = {}
    _maybe(rng, spec, "replicas", rng.randint(0, 3))
    _maybe(rng, spec, "selector", {"matchLabels": _map(rng, ("a", "b"))})
    template: Tree = {}
    _maybe(rng, template, "metadata", {"labels": _map(rng)})
    _maybe(rng, template, "spec", pod_spec(rng), 0.8)
    _maybe(rng, spec, "template", template, 0.8)
    rolling = {"maxSurge": rng.choice((1, "25%"))} if _some(rng) else {}
    _maybe(rng, spec, "strategy", {"rollingUpdate": rolling} if _some(rng) else {}, 0.3)
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(rng), "spec": spec}


def config_map(rng: random.Random) -> Tree:
    tree: Tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(rng)}
    _maybe(rng, tree, "data", _map(rng), 0.8)
    _maybe(rng, tree, "immutable", _some(rng), 0.2)
    return tree


KINDS = (pod, deployment, config_map)


def part(rng: random.Random, value: Any, chance: float = 0.8) -> Any:
    """Return a part of a value: fields are left out, but for those that name what it is."""
    kept = {"apiVersion", "kind", "metadata", "name", "namespace", "containerPort", "protocol", "uid", "type",
            "topologyKey", "whenUnsatisfiable", "key", "ip"}  # fmt: skip
    if isinstance(value, dict):
        return {n: part(rng, v, chance) for n, v in value.items() if n in kept or rng.random() < chance}
    if isinstance(value, list):
        return [part(rng, v, chance) for v in value if rng.random() < chance]
    return value


def mixed(rng: random.Random, one: Any, other: Any) -> Any:
    """Return a value with something of two: an update that changes some of an object."""
    if isinstance(one, dict) and isinstance(other, dict):
        out: Tree = {}
        for name in {**one, **other}:
            if name in one and name in other:
                out[name] = mixed(rng, one[name], other[name])
            elif _some(rng):
                out[name] = one[name] if name in one else other[name]
        return out
    return one if _some(rng, 0.7) else other
