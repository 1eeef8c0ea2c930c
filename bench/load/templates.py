"""Manifests with holes: what each of a workload's objects is made from. PURE but for `Template.read`.

A template is a manifest (strictly read, as any) of one object, without or with holes in its strings: `${run}`
is the name of the run, `${index}` the number of the object in its step, `${index:06}` the same with six
digits, `${index/10}` and `${index%10}` the quotient and the rest of a division. Where the workload gives
parameters to a template, each is a hole as well. An object with `metadata.name` is called so; otherwise it is
called `metadata.generateName` and a number, so that what a watch tells can be found again.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from google.protobuf.message import Message

from vaina.errors import ApiError
from vaina.kinds import Kind
from vaina.objects.manifest import decode_dict

_HOLE = re.compile(r"\$\{([^}]*)\}")
_INDEX = re.compile(r"index(?:([/%])([1-9]\d{0,5}))?(?::0?(\d{1,2}))?")
_NO_PARAMS: Mapping[str, str] = {}

NODE_DEFAULT: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"generateName": "${run}-node-"},
    "status": {
        "capacity": {"pods": "110", "cpu": "4", "memory": "32Gi"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
    },
}
POD_DEFAULT: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "pod-"},
    "spec": {
        "containers": [
            {
                "name": "pause",
                "image": "registry.k8s.io/pause:3.10.1",
                "ports": [{"containerPort": 80}],
                "resources": {
                    "limits": {"cpu": "100m", "memory": "500Mi"},
                    "requests": {"cpu": "100m", "memory": "500Mi"},
                },
            }
        ]
    },
}
#: a load may have Pods with host ports, or what a cluster's exported Pods ask for
NAMESPACE_DEFAULT: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
}


class TemplateError(Exception):
    """A template that cannot be used."""


class Template:
    """One manifest with holes. Immutable."""

    def __init__(
        self,
        tree: Mapping[str, Any],
        source: str = "template",
        samples: Sequence[Mapping[str, str]] = (_NO_PARAMS,),
    ) -> None:
        """Check it by filling it.

        Args:
            tree: the manifest.
            source: how errors call it.
            samples: what its parameters may be, at least one: their names are holes, and it is filled with each.

        Raises:
            TemplateError: a hole that is unknown, or what is filled is no object.
        """
        self.tree, self.source = tree, source
        #: the names of its holes
        self.holes = _holes(tree, source, tuple(samples[0]))
        try:
            for sample in samples:
                self.kind: Kind[Message] = decode_dict(fill(tree, "run", 0, sample)).kind
        except ApiError as error:
            raise TemplateError(f"{source}: {error.message}") from error
        metadata = tree.get("metadata") or {}
        #: a fixed name, or what names begin with
        self.name = str(metadata.get("name", ""))
        self.generate_name = str(metadata.get("generateName", ""))

    @classmethod
    def read(cls, path: Path, samples: Sequence[Mapping[str, str]] = (_NO_PARAMS,)) -> "Template":
        """Read a file, and check it with these parameters.

        Raises:
            TemplateError: it is not there, no YAML, or no object.
        """
        try:
            tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise TemplateError(f"{path.name}: {getattr(error, 'strerror', None) or error}") from error
        except yaml.YAMLError as error:
            raise TemplateError(f"{path.name}: {error}") from error
        if not isinstance(tree, dict):
            raise TemplateError(f"{path.name}: one object is expected")
        return cls(tree, path.name, samples)

    def maker(self, run: str, params: Mapping[str, str] = _NO_PARAMS) -> "Maker":
        """Return what makes the objects of a run, with these parameters."""
        return Maker(self, run, params)

    @property
    def has_gates(self) -> bool:
        """Whether its Pods, or those of its template of Pods, wait for gates to be lifted."""
        spec = self.tree.get("spec") or {}
        template = spec.get("template") or {}
        return bool(spec.get("schedulingGates") or (template.get("spec") or {}).get("schedulingGates"))

    @property
    def varies(self) -> bool:
        """Whether objects differ in more than their names."""
        return "index" in self.holes


class Maker:
    """Makes a run's objects of one template: parsed once where they are all alike."""

    def __init__(self, template: Template, run: str, params: Mapping[str, str] = _NO_PARAMS) -> None:
        self.template, self._run, self._params = template, run, params
        self._base = self._decode(0)

    def _decode(self, index: int) -> Message:
        message = decode_dict(fill(self.template.tree, self._run, index, self._params)).message
        message.metadata.generate_name = ""  # type: ignore[attr-defined]  # every kind has metadata
        return message

    def name(self, number: str, index: int = 0) -> str:
        """Return the name of the object with this number, or what the template calls object `index`."""
        fixed = fill(self.template.name, self._run, index, self._params)
        return str(fixed or fill(self.template.generate_name, self._run, 0, self._params) + number)

    def make(self, index: int, number: str) -> Any:
        """Return object `index` of its step, called after `number`; yours to change."""
        if self.template.varies:
            message: Any = self._decode(index)
        else:
            message = type(self._base)()
            message.CopyFrom(self._base)
        message.metadata.name = self.name(number, index)
        return message


def fill(value: Any, run: str, index: int, params: Mapping[str, str] = _NO_PARAMS) -> Any:
    """Return plain values with their holes filled."""
    if isinstance(value, str):
        if "${" not in value:
            return value
        return _HOLE.sub(lambda hole: _filled(hole, run, index, params), value)
    if isinstance(value, Mapping):
        return {key: fill(item, run, index, params) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, run, index, params) for item in value]
    return value


def _filled(hole: re.Match[str], run: str, index: int, params: Mapping[str, str]) -> str:
    if hole[1] == "run":
        return run
    if hole[1] in params:
        return params[hole[1]]
    found = _INDEX.fullmatch(hole[1])
    assert found is not None, "templates are checked when they are read"
    by = int(found[2] or 1)
    value = index % by if found[1] == "%" else index // by
    return f"{value:0{found[3] or 1}}"


def _holes(value: Any, source: str, params: Sequence[str]) -> set[str]:
    """Return which holes there are: run, index, parameters.

    Raises:
        TemplateError: there is another.
    """
    if isinstance(value, str):
        names: set[str] = set()
        for hole in _HOLE.finditer(value):
            if _INDEX.fullmatch(hole[1]):
                names.add("index")
            elif hole[1] == "run" or hole[1] in params:
                names.add(hole[1])
            else:
                known = ", ".join(f"${{{name}}}" for name in ("run", *params, "index"))
                raise TemplateError(
                    f"{source}: {hole[0]}: a hole is {known}, ${{index:06}}, ${{index/10}} or ${{index%10}}"
                )
        return names
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return set().union(*(_holes(item, source, params) for item in items)) if items else set()
