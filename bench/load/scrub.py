"""Other names for everything that could tell whose cluster it is, so that what matched still matches. PURE.

One word always becomes the same other word, and two never become one: equality is all that selectors,
affinity, spread and taints ask of names and values. Where an operator asks more (Gt, Lt), numbers of that key
stay as they are.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

Tree = dict[str, Any]

#: that an apiserver has by itself
_KEPT_NAMES: Final = frozenset(
    ("default", "kube-system", "kube-public", "kube-node-lease", "system-cluster-critical", "system-node-critical")
)  # fmt: skip
_KEPT_RESOURCES: Final = ("hugepages-", "attachable-volumes-")
#: vendors whose devices many have
_KEPT_VENDORS: Final = frozenset(("nvidia.com", "amd.com", "intel.com", "gpu.intel.com", "habana.ai"))
_NUMERIC: Final = ("Gt", "Lt")
_ANY_ADDRESS: Final = frozenset(("", "0.0.0.0", "::", "127.0.0.1"))


def is_well_known(key: str) -> bool:
    """Say whether a label's key is Kubernetes' own: kubernetes.io/hostname, topology.ebs.csi.aws.com/zone."""
    prefix, slash, _ = key.partition("/")
    if not slash:
        return False
    ours = any(prefix == one or prefix.endswith(f".{one}") for one in ("kubernetes.io", "k8s.io"))
    return ours or prefix.startswith("topology.")


class Scrubber:
    """Replaces words; the same for all objects of an export."""

    def __init__(self, trees: Iterable[Mapping[str, Any]] = ()) -> None:
        """Make it. Args: trees: everything that will be scrubbed.

        What is compared as a number is known beforehand.
        """
        self._words: dict[str, str] = {}
        self._numeric: set[str] = set()
        for tree in trees:
            self._find_numeric(tree)

    def _find_numeric(self, value: Any) -> None:
        if isinstance(value, Mapping):
            if value.get("operator") in _NUMERIC and isinstance(value.get("key"), str):
                self._numeric.add(value["key"])
            for item in value.values():
                self._find_numeric(item)
        elif isinstance(value, list):
            for item in value:
                self._find_numeric(item)

    def word(self, text: str) -> str:
        """Return the other name of a name or a value."""
        if not text or text in _KEPT_NAMES:
            return text
        return self._words.setdefault(text, f"s{len(self._words):06}")

    def key(self, key: str) -> str:
        """Return what a label, a taint or a topology is called by."""
        return key if is_well_known(key) else self.word(key)

    def value(self, key: str, value: str) -> str:
        """Return the other value of a label or a taint."""
        if key in self._numeric and value.removeprefix("-").isdigit():
            return value
        return self.word(value)

    def labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return other labels."""
        return {self.key(key): self.value(key, value) for key, value in labels.items()}

    def resources(self, amounts: Mapping[str, Any]) -> dict[str, Any]:
        """Return amounts by other names where these are not known to everybody."""
        return {self._resource(name): amount for name, amount in amounts.items()}

    def _resource(self, name: str) -> str:
        vendor, slash, _ = name.partition("/")
        kept = not slash or vendor in _KEPT_VENDORS or name.startswith(_KEPT_RESOURCES) or is_well_known(name)
        return name if kept else f"example.com/{self.word(name)}"

    def image(self, name: str) -> str:
        """Return the other name of an image; those that a node calls the same stay the same."""
        last = name.rpartition("/")[2]
        # As pkg/scheduler/framework/plugins/imagelocality has it: no tag means :latest.
        whole = name if ":" in last else f"{name}:latest"
        return f"image.invalid/{self.word(whole)}:1"

    def address(self, text: str) -> str:
        """Return the other address that a host port is bound to."""
        if text in _ANY_ADDRESS:
            return text
        number = int(self.word(f"address {text}")[1:])
        return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    def scrub(self, tree: Mapping[str, Any]) -> Tree:
        """Return an object as `reduced` leaves it (and `manifest` writes it) with everything replaced."""
        return {name: self._field(name, value) for name, value in tree.items()}

    def _field(self, name: str, value: Any) -> Any:  # noqa: C901, PLR0912 - one kind of field a case
        match name, value:
            case (("labels" | "matchLabels" | "nodeSelector"), dict()) if not value or all(
                isinstance(one, str) for one in value.values()
            ):
                return self.labels(value)
            case (("capacity" | "allocatable" | "requests" | "limits" | "overhead"), dict()):
                return self.resources(value)
            case (("matchExpressions" | "matchFields" | "matchLabelExpressions"), list()):
                return [self._requirement(one) for one in value]
            case (("taints" | "tolerations"), list()):
                return [self._taint(one) for one in value]
            case (("topologyKey" | "key"), str()):
                return self.key(value)
            case (("topologyKeys" | "matchLabelKeys" | "mismatchLabelKeys"), list()):
                return [self.key(one) for one in value]
            case (("namespaces" | "values"), list()):
                return [self.word(one) for one in value]
            case "selector", dict() if value and all(isinstance(one, str) for one in value.values()):
                return self.labels(value)  # of a ReplicationController
            case "names", list():  # of a node's images
                return [self.image(one) for one in value]
            case "image", str():
                return self.image(value)
            case "hostIP", str():
                return self.address(value)
            case "ownerReferences", list():
                return [self._owner(one) for one in value]
            case (("containers" | "initContainers"), list()):
                return [{**self.scrub(one), "name": one["name"]} for one in value]
            case "volumes", list():
                return [{**self.scrub(one), "name": one["name"]} for one in value]
            case "conditions", list():
                return [{**one} for one in value]
            case "claimRef", dict():
                return {**value, "name": self.word(value.get("name", "")), "namespace": self.word(value.get("namespace", ""))}  # fmt: skip
            case (("annotations" | "os" | "apiVersion" | "kind"), _):
                return value
            case "provisioner", str():
                # What says that nobody makes volumes is no name.
                return value if value == "kubernetes.io/no-provisioner" else self.word(value)
            case (
                "name" | "namespace" | "nodeName" | "priorityClassName" | "storageClassName" | "claimName" | "volumeName"
                | "driver" | "volumeHandle" | "nodeID"
            ), str():  # fmt: skip
                return self.word(value)
            case _, dict():
                return self.scrub(value)
            case _, list():
                return [self.scrub(one) if isinstance(one, dict) else one for one in value]
            case _:
                return value

    def _requirement(self, tree: Tree) -> Tree:
        key = tree.get("key", "")
        found = dict(tree)
        if key == "metadata.name":  # a field, not a label
            found["values"] = [self.word(one) for one in tree.get("values", [])]
            return found
        found["key"] = self.key(key)
        if "values" in tree:
            found["values"] = [self.value(key, one) for one in tree["values"]]
        return found

    def _taint(self, tree: Tree) -> Tree:
        found = dict(tree)
        if tree.get("key"):
            found["key"] = self.key(tree["key"])
        if tree.get("value"):
            found["value"] = self.value(tree.get("key", ""), tree["value"])
        found.pop("timeAdded", None)
        return found

    def _owner(self, tree: Tree) -> Tree:
        return {**tree, "name": self.word(tree["name"]), "uid": self.word(tree["uid"])}
