"""PURE: what is in the way on one node, in numbers and names; and which nodes are refused alike.

A plugin's reason says what kind of thing is missing ("Insufficient cpu"); here it is said how much, or which.
A plugin names its describer; one without is described by its reasons (`describers`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_info import NO_EXECUTE, NO_SCHEDULE, Taint
from scheduler.columns.node_selection import term_matches
from scheduler.columns.pod_asks import NodeRequirement, NodeTerm
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.explain.evaluate import Evaluation, FilterAnswer
from vaina.objects.quantity import format_bytes, format_count, format_millis

_INSUFFICIENT: Final = "Insufficient "
_BYTES: Final = ("memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True)
class Asked:
    """One filter's refusals, about to be described."""

    evaluation: Evaluation
    answer: FilterAnswer

    @property
    def pod(self) -> PodClass:
        """Who asks."""
        return self.evaluation.pod

    @property
    def nodes(self) -> Snapshot:
        """The columns."""
        return self.evaluation.nodes

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Which nodes it refuses (bool[R])."""
        refused: NDArray[np.bool_] = self.answer.codes != 0
        return refused


@dataclass(frozen=True, slots=True)
class Describer:
    """How the refusals of one plugin are described."""

    #: the words for one node, by its index
    words: Callable[[Asked, int], str]
    #: int64[R] each: what else the words depend on, besides the code
    tells_apart: Callable[[Asked], list[NDArray[np.int64]]] = lambda _asked: []
    #: float64[R]: how much is lacking of what is asked for; by default 1 where it refuses
    relative: Callable[[Asked], NDArray[np.float64]] = lambda asked: asked.refused.astype(np.float64)


def format_amount(resource: str, amount: int) -> str:
    """Write an amount of a resource as a quantity: 250m, 1Gi, 2."""
    if resource == "cpu":
        return format_millis(amount)
    is_bytes = resource in _BYTES or resource.startswith("hugepages-")
    return format_bytes(amount) if is_bytes else format_count(amount)


def by_reasons(asked: Asked, index: int) -> str:
    """Return the plugin's own reasons."""
    return ", ".join(reason.removeprefix("node(s) ") for reason in asked.answer.words(index))


BY_REASONS: Final = Describer(words=by_reasons)


def _lacking(asked: Asked) -> list[tuple[int, str]]:
    """The bits of the reasons that speak of a resource, each with its name."""
    return [
        (bit, reason.removeprefix(_INSUFFICIENT))
        for bit, reason in enumerate(asked.answer.reasons)
        if reason.startswith(_INSUFFICIENT)
    ]


def _free(nodes: Snapshot, resource: str, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    index = nodes.resources.get(resource)
    if index is None:
        return np.zeros(len(rows), np.int64)
    return nodes.allocatable[index][rows] - nodes.requested[index][rows]


def _has(nodes: Snapshot, resource: str, row: int) -> int:
    index = nodes.resources.get(resource)
    return 0 if index is None else int(nodes.allocatable[index][row])


def _resources_relative(asked: Asked) -> NDArray[np.float64]:
    codes, rows = asked.answer.codes, asked.evaluation.rows
    total = (codes & 1).astype(np.float64)
    for bit, resource in _lacking(asked):
        amount = asked.pod.request(resource)
        lack = (amount - _free(asked.nodes, resource, rows)) / max(amount, 1)
        total += np.where(codes >> bit & 1 != 0, np.maximum(lack, 0.0), 0.0)
    return total


def _resources_apart(asked: Asked) -> list[NDArray[np.int64]]:
    codes, rows = asked.answer.codes, asked.evaluation.rows
    columns = [np.where(codes & 1 != 0, asked.nodes.max_pods[rows], np.int64(0))]
    for bit, resource in _lacking(asked):
        columns.append(np.where(codes >> bit & 1 != 0, _free(asked.nodes, resource, rows), np.int64(0)))
    return columns


def _resources_words(asked: Asked, index: int) -> str:
    code, row = int(asked.answer.codes[index]), int(asked.evaluation.rows[index])
    parts: list[str] = []
    if code & 1:
        parts.append(f"takes no more than {int(asked.nodes.max_pods[row])} Pods")
    rows = asked.evaluation.rows[index : index + 1]
    for bit, resource in _lacking(asked):
        if not code >> bit & 1:
            continue
        amount, free = asked.pod.request(resource), int(_free(asked.nodes, resource, rows)[0])
        has = _has(asked.nodes, resource, row)
        lack = format_amount(resource, amount - max(free, 0))
        asks, left = format_amount(resource, amount), format_amount(resource, max(free, 0))
        if has == 0:
            parts.append(f"has no {resource} (asks {asks})")
        elif amount > has:
            parts.append(
                f"lacks {lack} {resource} (asks {asks}, {left} free, {format_amount(resource, has)} in all)"
            )
        else:
            parts.append(f"lacks {lack} {resource} (asks {asks}, {left} free)")
    return " and ".join(parts)


def _taints_words(asked: Asked, index: int) -> str:
    row = int(asked.evaluation.rows[index])
    taints = asked.nodes.taint_sets.values[int(asked.nodes.taints[row])] or ()
    found = [taint for taint in taints if _repels(asked.pod, taint)]
    return f"untolerated taint {' and '.join(map(format_taint, found))}"


def _repels(pod: PodClass, taint: Taint) -> bool:
    return taint.effect in (NO_SCHEDULE, NO_EXECUTE) and not pod.tolerates(taint)


def format_taint(taint: Taint) -> str:
    """Write a taint as kubectl does: {key=value:NoSchedule}."""
    value = f"={taint.value}" if taint.value else ""
    return f"{{{taint.key}{value}:{taint.effect}}}"


def _looked_at(pod: PodClass) -> list[str]:
    """The labels that the selector and the terms look at."""
    keys = {key for key, _ in pod.node_selector}
    for term in pod.node_affinity or ():
        keys |= {item.key for item in term.expressions}
    return sorted(keys)


def _labels(asked: Asked, row: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in _looked_at(asked.pod):
        column = asked.nodes.label_codes(key)
        value = None if column is None else column.values.values[column.codes.item(row)]
        if value is not None:
            found[key] = value
    return found


def _selector_misses(asked: Asked, row: int) -> list[str]:
    pod, labels = asked.pod, _labels(asked, row)
    missed = [f"nodeSelector {key}={value}" for key, value in pod.node_selector if labels.get(key) != value]
    name = asked.nodes.names[row] or ""
    terms = pod.node_affinity
    if terms is not None and not any(term_matches(term, name, labels) for term in terms):
        missed.append(_nearest_term(terms, name, labels))
    return missed


def _nearest_term(terms: Sequence[NodeTerm], name: str, labels: dict[str, str]) -> str:
    """Return what fails of the term that fails in the fewest conditions."""
    nearest: list[str] | None = None
    for term in terms:
        failing = [
            _format_requirement(item)
            for item in term.expressions
            if not term_matches(NodeTerm(expressions=(item,)), name, labels)
        ] + [
            _format_requirement(item)
            for item in term.fields
            if not term_matches(NodeTerm(fields=(item,)), name, labels)
        ]
        if nearest is None or len(failing) < len(nearest):
            nearest = failing
    return (
        f"required node affinity {' and '.join(nearest)}"
        if nearest
        else "required node affinity without a term"
    )


def _format_requirement(item: NodeRequirement) -> str:
    match item.operator:
        case "Exists" | "DoesNotExist":
            return f"{item.key} {item.operator}"
        case "Gt" | "Lt":
            return f"{item.key} {item.operator} {' '.join(item.values)}"
        case _:
            return f"{item.key} {item.operator} [{', '.join(item.values)}]"


def _affinity_words(asked: Asked, index: int) -> str:
    missed = _selector_misses(asked, int(asked.evaluation.rows[index]))
    return " and ".join(f"remove {item}" for item in missed) if missed else by_reasons(asked, index)


def _affinity_apart(asked: Asked) -> list[NDArray[np.int64]]:
    """Number the words: nodes whose looked-at labels are the same get the same."""
    rows, told = asked.evaluation.rows, np.zeros(asked.evaluation.count, np.int64)
    columns = [asked.nodes.label_codes(key) for key in _looked_at(asked.pod)]
    codes = [column.codes[rows].tolist() for column in columns if column is not None]
    by_name = any(term.fields for term in asked.pod.node_affinity or ())
    numbers: dict[tuple[int, ...], int] = {}
    words: dict[str, int] = {}
    for index in np.flatnonzero(asked.refused).tolist():
        seen = (index,) if by_name else tuple(column[index] for column in codes)
        number = numbers.get(seen)
        if number is None:
            text = _affinity_words(asked, index)
            number = numbers[seen] = words.setdefault(text, len(words) + 1)
        told[index] = number
    return [told]


def _ports_words(asked: Asked, index: int) -> str:
    row = int(asked.evaluation.rows[index])
    taken = [
        f"{port.port}/{port.protocol}"
        for port in asked.pod.host_ports
        if (found := asked.nodes.port_conflicts(port, slice(row, row + 1))) is not None and found[0]
    ]
    return f"host port {' and '.join(taken)} is taken"


def _ports_apart(asked: Asked) -> list[NDArray[np.int64]]:
    columns: list[NDArray[np.int64]] = []
    for port in asked.pod.host_ports:
        taken = asked.nodes.port_conflicts(port, asked.evaluation.rows)
        if taken is not None:
            columns.append(taken.astype(np.int64))
    return columns


def _features_words(asked: Asked, index: int) -> str:
    node = asked.nodes.infos[int(asked.evaluation.rows[index])]
    declared = frozenset[str]() if node is None else node.features
    return f"does not declare {' and '.join(sorted(asked.pod.features - declared))} (status.declaredFeatures)"


def _features_apart(asked: Asked) -> list[NDArray[np.int64]]:
    needed = sorted(asked.pod.features)
    nodes = [asked.nodes.infos[row] for row in asked.evaluation.rows.tolist()]
    return [
        np.array([node is not None and feature in node.features for node in nodes], np.int64)
        for feature in needed
    ]


NODE_RESOURCES_FIT: Final = Describer(_resources_words, _resources_apart, _resources_relative)
TAINT_TOLERATION: Final = Describer(
    _taints_words, lambda asked: [asked.nodes.taints[asked.evaluation.rows].astype(np.int64)]
)
NODE_AFFINITY: Final = Describer(_affinity_words, _affinity_apart)
NODE_PORTS: Final = Describer(_ports_words, _ports_apart)
NODE_UNSCHEDULABLE: Final = Describer(lambda _asked, _index: "is cordoned (spec.unschedulable)")
NODE_NAME: Final = Describer(lambda asked, _index: f"is not node {asked.pod.wanted_node}")
NODE_DECLARED_FEATURES: Final = Describer(_features_words, _features_apart)
