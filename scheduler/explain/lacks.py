"""PURE: what is in the way on one node, in numbers and names; and which nodes are refused alike.

A plugin's reason says what kind of thing is missing ("Insufficient cpu"); here it is said how much, or which. A
plugin of ours names its `describer`, which works on columns. One of others may have a method `describe(pod,
nodes, row)`, which returns what is in the way on one node. A plugin without either is described by its reasons.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from scheduler.columns.node_info import NodeInfo, Taint
from scheduler.columns.node_selection import term_matches
from scheduler.columns.pod_asks import NodeTerm
from scheduler.columns.pod_info import PodClass
from scheduler.columns.pod_terms import Peers, PodTerm, TermKind
from scheduler.columns.snapshot import Snapshot
from scheduler.explain.evaluate import Evaluation, FilterAnswer
from scheduler.framework.checked import text
from vaina.objects.quantity import format_bytes, format_count, format_millis

log = structlog.stdlib.get_logger(__name__)

_INSUFFICIENT: Final = "Insufficient "
_BYTES: Final = ("memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True)
class Asked:
    """One filter's refusals, about to be described. An index is the place of a node in the evaluation."""

    evaluation: Evaluation
    answer: FilterAnswer

    @property
    def pod(self) -> PodClass:
        return self.evaluation.pod

    @property
    def nodes(self) -> Snapshot:
        return self.evaluation.nodes

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Which nodes the filter refuses (bool[R])."""
        refused: NDArray[np.bool_] = self.answer.codes != 0
        return refused

    def row(self, index: int) -> int:
        return int(self.evaluation.rows[index])

    def code(self, index: int) -> int:
        return int(self.answer.codes[index])

    def node(self, index: int) -> NodeInfo:
        found = self.nodes.infos[self.row(index)]
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Describer:
    """How the refusals of one plugin are described."""

    #: the words for one node, by its index
    words: Callable[[Asked, int], str]
    #: int64[R] each: what else the words depend on, besides the code
    tells_apart: Callable[[Asked], list[NDArray[np.int64]]] = lambda _asked: []
    #: float64[R]: how much is lacking of what is asked for; by default 1 where it refuses
    relative: Callable[[Asked], NDArray[np.float64]] = lambda asked: asked.refused.astype(np.float64)


def by_words(words: Callable[[Asked, int], str]) -> Describer:
    """Return a describer that asks for the words of each refused node, to see which are the same."""

    def apart(asked: Asked) -> list[NDArray[np.int64]]:
        numbers: dict[str, int] = {}
        told = np.zeros(asked.evaluation.count, np.int64)
        for index in np.flatnonzero(asked.refused).tolist():
            told[index] = numbers.setdefault(words(asked, index), len(numbers) + 1)
        return [told]

    return Describer(words, apart)


def by_masks(lacks: Callable[[Asked], Sequence[tuple[NDArray[np.bool_], str]]]) -> Describer:
    """Return a describer of what is lacking on which rows of the columns (bool[N]), each in words."""

    def words(asked: Asked, index: int) -> str:
        row = asked.row(index)
        return " and ".join(what for mask, what in lacks(asked) if mask[row]) or by_reasons(asked, index)

    return Describer(
        words, lambda asked: [mask[asked.evaluation.rows].astype(np.int64) for mask, _ in lacks(asked)]
    )


def by_reasons(asked: Asked, index: int) -> str:
    """Return the plugin's own reasons."""
    return ", ".join(reason.removeprefix("node(s) ") for reason in asked.answer.words(index))


BY_REASONS: Final = Describer(by_reasons)


def describer_of(answer: FilterAnswer) -> Describer:
    """Return how the refusals of a plugin are described."""
    found = getattr(answer.plugin, "describer", None)
    describe = getattr(answer.plugin, "describe", None)
    if answer.rejected:
        return BY_REASONS
    if isinstance(found, Describer):
        return found
    return _by_method(answer.plugin.name, describe) if callable(describe) else BY_REASONS


def _by_method(name: str, describe: Callable[[PodClass, Snapshot, int], str]) -> Describer:
    def words(asked: Asked, index: int) -> str:
        try:
            said = text(name, "describe", describe(asked.pod, asked.nodes, asked.row(index)))
        except Exception:
            # It is about words alone: those of its reasons will do.
            log.exception("describe failed", plugin=name)
            said = ""
        return said or by_reasons(asked, index)

    return by_words(words)


def format_amount(resource: str, amount: int) -> str:
    """Write an amount of a resource as a quantity: 250m, 1Gi, 2."""
    if resource == "cpu":
        return format_millis(amount)
    is_bytes = resource in _BYTES or resource.startswith("hugepages-")
    return format_bytes(amount) if is_bytes else format_count(amount)


def _lacking(asked: Asked) -> list[tuple[int, str]]:
    """Return the bits of the reasons that speak of a resource, each with its name."""
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
    code, node = asked.code(index), asked.node(index)
    parts = [f"takes no more than {node.max_pods} Pods"] if code & 1 else []
    rows = asked.evaluation.rows[index : index + 1]
    for bit, resource in _lacking(asked):
        if not code >> bit & 1:
            continue
        amount, has = asked.pod.request(resource), node.allocatable.get(resource, 0)
        free = max(int(_free(asked.nodes, resource, rows)[0]), 0)
        lack, asks, left = (format_amount(resource, number) for number in (amount - free, amount, free))
        in_all = f", {format_amount(resource, has)} in all" if amount > has else ""
        if has == 0:
            parts.append(f"has no {resource} (asks {asks})")
        else:
            parts.append(f"lacks {lack} {resource} (asks {asks}, {left} free{in_all})")
    return " and ".join(parts)


def _taints_words(asked: Asked, index: int) -> str:
    return f"untolerated taint {' and '.join(map(_format_taint, asked.pod.untolerated(asked.node(index).taints)))}"


def _format_taint(taint: Taint) -> str:
    """Write a taint as kubectl does: {key=value:NoSchedule}."""
    value = f"={taint.value}" if taint.value else ""
    return f"{{{taint.key}{value}:{taint.effect}}}"


def _node_affinity_words(asked: Asked, index: int) -> str:
    pod, node = asked.pod, asked.node(index)
    missed = [
        f"nodeSelector {key}={value}" for key, value in pod.node_selector if node.labels.get(key) != value
    ]
    terms = pod.node_affinity
    if terms is not None and not any(term_matches(term, node.name, node.labels) for term in terms):
        missed.append(_nearest_term(terms, node))
    return " and ".join(f"remove {item}" for item in missed) if missed else by_reasons(asked, index)


def _nearest_term(terms: Sequence[NodeTerm], node: NodeInfo) -> str:
    """Return what fails of the term that fails in the fewest conditions."""
    failing: list[list[NodeTerm]] = []
    for term in terms:
        alone = [NodeTerm(expressions=(item,)) for item in term.expressions]
        alone += [NodeTerm(fields=(item,)) for item in term.fields]
        failing.append([part for part in alone if not term_matches(part, node.name, node.labels)])
    nearest = min(failing, key=len, default=[])
    return f"required node affinity {' and '.join(map(str, nearest)) or 'without a term'}"


def _node_affinity_apart(asked: Asked) -> list[NDArray[np.int64]]:
    """Number the words: nodes whose looked-at labels are the same get the same."""
    terms = asked.pod.node_affinity or ()
    keys = {key for key, _ in asked.pod.node_selector}
    keys |= {item.key for term in terms for item in term.expressions}
    by_name = any(term.fields for term in terms)
    told = np.zeros(asked.evaluation.count, np.int64)
    numbers: dict[object, int] = {}
    words: dict[str, int] = {}
    for index in np.flatnonzero(asked.refused).tolist():
        labels = asked.node(index).labels
        seen = index if by_name else tuple(labels.get(key) for key in keys)
        if seen not in numbers:
            numbers[seen] = words.setdefault(_node_affinity_words(asked, index), len(words) + 1)
        told[index] = numbers[seen]
    return [told]


def _ports_words(asked: Asked, index: int) -> str:
    row = asked.row(index)
    taken = [
        f"{port.port}/{port.protocol}"
        for port in asked.pod.host_ports
        if (found := asked.nodes.port_conflicts(port, slice(row, row + 1))) is not None and found[0]
    ]
    return f"host port {' and '.join(taken)} is taken"


def _ports_apart(asked: Asked) -> list[NDArray[np.int64]]:
    rows = asked.evaluation.rows
    found = [asked.nodes.port_conflicts(port, rows) for port in asked.pod.host_ports]
    return [taken.astype(np.int64) for taken in found if taken is not None]


def _features_words(asked: Asked, index: int) -> str:
    lacking = sorted(asked.pod.features - asked.node(index).features)
    return f"does not declare {' and '.join(lacking)} (status.declaredFeatures)"


NODE_RESOURCES_FIT: Final = Describer(_resources_words, _resources_apart, _resources_relative)
TAINT_TOLERATION: Final = Describer(
    _taints_words, lambda asked: [asked.nodes.taints[asked.evaluation.rows].astype(np.int64)]
)
NODE_AFFINITY: Final = Describer(_node_affinity_words, _node_affinity_apart)
NODE_PORTS: Final = Describer(_ports_words, _ports_apart)
NODE_UNSCHEDULABLE: Final = Describer(lambda _asked, _index: "is cordoned (spec.unschedulable)")
NODE_NAME: Final = Describer(lambda asked, _index: f"is not node {asked.pod.wanted_node}")
NODE_DECLARED_FEATURES: Final = by_words(_features_words)


#: bits of InterPodAffinity's reasons
_NOT_NEAR, _NOT_AWAY, _NOT_WANTED = 1, 2, 4


def _rows_of(nodes: Snapshot, key: str, row: int) -> set[int]:
    """Return the rows of a row's domain; none where it has no such label."""
    column = nodes.label_codes(key)
    code = 0 if column is None else column.codes.item(row)
    if column is None or not code:
        return set()
    return set(np.flatnonzero(column.codes[: nodes.size] == code).tolist())


def _count(nodes: Snapshot, peers: Peers, rows: set[int]) -> int:
    return sum(count for row, count in nodes.topology.column(peers).rows.items() if row in rows)


def _pods(number: int, peers: Peers) -> str:
    return f"{number or 'no'} {'Pod' if number == 1 else 'Pods'} {peers.selector}".rstrip()


def _pod_affinity_words(asked: Asked, index: int) -> str:
    row, code, nodes, labels = asked.row(index), asked.code(index), asked.nodes, asked.node(index).labels
    parts: list[str] = []
    for term in asked.pod.asked.terms:
        key, rows = term.topology_key, _rows_of(nodes, term.topology_key, row)
        number = _count(nodes, term.peers, rows)
        if code & _NOT_NEAR and term.kind is TermKind.REQUIRED:
            if not labels.get(key):
                parts.append(f"has no label {key}, which its affinity asks for")
            elif not number:
                parts.append(f"{_pods(0, term.peers)} in {key}={labels[key]} (affinity)")
        if code & _NOT_AWAY and term.kind is TermKind.ANTI and number:
            parts.append(f"{_pods(number, term.peers)} in {key}={labels.get(key, '')} (anti-affinity)")
    for term in _existing(asked) if code & _NOT_WANTED else ():
        key = term.topology_key
        if not _rows_of(nodes, key, row).isdisjoint(nodes.topology.carriers(term).rows):
            keep_away = f"keep away from Pods {term.peers.selector} (their anti-affinity)"
            parts.append(f"Pods in {key}={labels.get(key, '')} {keep_away}")
    return " and ".join(parts) or by_reasons(asked, index)


def _existing(asked: Asked) -> list[PodTerm]:
    terms = asked.nodes.topology.terms_matching(asked.pod.group)
    return [term for term in terms if term.kind is TermKind.ANTI]


def _spread_words(asked: Asked, index: int) -> str:
    nodes, labels = asked.nodes, asked.node(index).labels
    parts: list[str] = []
    for item in asked.pod.asked.spread:
        key = item.topology_key
        if item.hard and not labels.get(key):
            parts.append(f"has no label {key}, by which it is spread")
        elif item.hard:
            number = _count(nodes, item.peers, _rows_of(nodes, key, asked.row(index)))
            parts.append(f"{key}={labels[key]} has {_pods(number, item.peers)} (maxSkew {item.max_skew})")
    return " and ".join(parts) or by_reasons(asked, index)


def _by_domain(asked: Asked) -> list[NDArray[np.int64]]:
    """Nodes of the same domains are told the same."""
    keys = {term.topology_key for term in (*asked.pod.asked.terms, *_existing(asked))}
    keys |= {item.topology_key for item in asked.pod.asked.spread}
    columns = [asked.nodes.label_codes(key) for key in sorted(keys)]
    rows = asked.evaluation.rows
    return [column.codes[rows].astype(np.int64) for column in columns if column is not None]


INTER_POD_AFFINITY: Final = Describer(_pod_affinity_words, _by_domain)
POD_TOPOLOGY_SPREAD: Final = Describer(_spread_words, _by_domain)
