"""The columns as plain values by what they mean, so that two node tables can be compared.

Rows, codes and indexes of theirs differ.

Used by `scheduler.debug.verify`. Taking a readout of 5,000 nodes costs a few milliseconds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_counts import DomainSum
from scheduler.columns.pod_terms import Peers, PodGroup, PodTerm
from scheduler.columns.snapshot import Snapshot

#: of whatever dtype the column has
Column: TypeAlias = NDArray[Any]


class Difference(NamedTuple):
    """Something that is not what follows from the API objects."""

    #: a node, a Pod as namespace/name, or a counter
    subject: str
    #: requested[cpu], podCount, labels[zone], ...
    what: str
    have: str
    want: str


@dataclass(frozen=True, slots=True)
class Readout:
    """A node table at one moment."""

    #: node -> row
    rows: Mapping[str, int]
    #: what -> numbers by row
    numbers: Mapping[str, Column]
    #: what -> codes by row, and the values they stand for
    codes: Mapping[str, tuple[Column, list[object]]]
    #: what -> row -> number; a row that is not there counts 0
    counts: Mapping[str, Mapping[int, int]]
    groups: Mapping[PodGroup, Mapping[int, int]]
    #: namespace -> labels
    namespaces: Mapping[str, Mapping[str, str]]
    #: columns of the topology that somebody holds
    peers: list[tuple[tuple[Peers, ...], dict[int, int]]]
    #: sums that somebody holds: (key, domain -> count as it is, domain -> count by its columns)
    sums: list[tuple[str, dict[str, int], dict[str, int]]]


def read_out(nodes: Snapshot) -> Readout:
    """Copy what the columns say now."""
    return Readout(
        rows=dict(nodes.rows),
        numbers={what: column.copy() for what, column in _numbers(nodes)},
        codes={
            "taints": (nodes.taints.copy(), [*nodes.taint_sets.values]),
            "declaredFeatures": (
                np.arange(nodes.size),
                [None if node is None else sorted(node.features) for node in nodes.infos],
            ),
            **{
                f"labels[{key}]": (column.codes[: nodes.size].copy(), [*column.values.values])
                for key, column in nodes.labels.items()
            },
        },
        counts={what: dict(rows) for what, rows in _counts(nodes)},
        groups=nodes.topology.placed(),
        namespaces=dict(nodes.topology.namespaces),
        peers=nodes.topology.live_columns(),
        sums=[_sum(nodes, found) for found in nodes.topology.live_sums()],
    )


def _numbers(nodes: Snapshot) -> Iterator[tuple[str, Column]]:
    size = nodes.size
    for resource, index in nodes.resources.items():
        yield f"allocatable[{resource}]", nodes.allocatable[index]
        yield f"requested[{resource}]", nodes.requested[index]
    yield "valid", nodes.valid
    yield "requested for scoring[cpu]", nodes.nonzero_cpu
    yield "requested for scoring[memory]", nodes.nonzero_memory
    yield "maxPods", nodes.max_pods
    yield "podCount", nodes.pod_count
    yield "unschedulable", nodes.unschedulable
    for level, counts in nodes.priorities.items():
        yield f"Pods of priority[{level}]", counts[:size]
    for (protocol, port), column in nodes.ports.items():
        yield f"hostPort[{port}/{protocol}]", column.total[:size]
        for address, counts in column.by_address.items():
            yield f"hostPort[{port}/{protocol} at {address}]", counts[:size]


def _counts(nodes: Snapshot) -> Iterator[tuple[str, Mapping[int, int]]]:
    for image, rows in nodes.images.items():
        yield f"image[{image}]", rows
    claims: dict[str, dict[int, int]] = {}
    for row in nodes.rows.values():
        for claim, count in nodes.claims.on(row).items():
            claims.setdefault(claim, {})[row] = count
    for claim, rows in claims.items():
        yield f"Pods with claim[{claim}]", rows
    for group, rows in nodes.topology.placed().items():
        yield f"Pods of group[{_format_group(group)}]", rows
    for term, rows in nodes.topology.carried().items():
        yield f"Pods with term[{_format_term(term)}]", rows


def _format_labels(labels: Mapping[str, str] | None) -> str:
    if labels is None:
        return "not there"
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _format_group(group: PodGroup) -> str:
    owner = f" of {group.owner}" if group.owner else ""
    return f"{group.namespace}: {_format_labels(group.labels)}{owner}{' ending' if group.terminating else ''}"


def _format_term(term: PodTerm) -> str:
    return f"{term.kind.name} {term.weight} {term.topology_key} {_format_peers(term.peers)}"


def _format_peers(peers: Peers) -> str:
    others = "" if peers.namespace_selector.nothing else f" or {peers.namespace_selector}"
    owner = f" of {peers.owner}" if peers.owner else ""
    live = " live" if peers.live else ""
    return f"{peers.selector} in {','.join(sorted(peers.namespaces))}{others}{owner}{live}"


def _sum(nodes: Snapshot, found: DomainSum) -> tuple[str, dict[str, int], dict[str, int]]:
    column = nodes.labels.get(found.key)
    if column is None:
        return found.key, {}, {}
    have = {
        str(value): int(found.values[code])
        for code, value in enumerate(column.values.values)
        if value is not None and code < len(found.values) and found.values[code]
    }
    want: dict[str, int] = {}
    for source, weight in found.sources:
        for row, count in source.rows.items():
            value = column.values.values[int(column.codes[row])]
            if value is not None:
                want[value] = want.get(value, 0) + weight * count
    return found.key, have, {domain: count for domain, count in want.items() if count}


def compare(
    have: Readout, want: Readout, *, leave_out: frozenset[str] = frozenset()
) -> Iterator[Difference | None]:
    """Yield how the columns differ from those built anew; None after each column: a pause.

    Of the nodes `leave_out` nothing is known for sure.
    """
    there, expected = set(have.rows) - leave_out, set(want.rows) - leave_out
    for name in sorted(there - expected):
        yield Difference(name, "node", "in the columns", "no such Node")
    for name in sorted(expected - there):
        yield Difference(name, "node", "not in the columns", "a Node")
    names = sorted(there & expected)
    left = np.array([have.rows[name] for name in names], np.intp)
    right = np.array([want.rows[name] for name in names], np.intp)
    for what, mine, theirs in _pairs(have, want, left, right):
        for index in np.flatnonzero(mine != theirs).tolist():
            yield Difference(names[index], what, str(mine[index]), str(theirs[index]))
        yield None
    for name in sorted({*have.namespaces, *want.namespaces}):
        before, after = have.namespaces.get(name), want.namespaces.get(name)
        if before != after:
            yield Difference(name, "labels of the namespace", _format_labels(before), _format_labels(after))
    yield from _compare_topology(have, want)


def _pairs(
    have: Readout, want: Readout, left: NDArray[np.intp], right: NDArray[np.intp]
) -> Iterator[tuple[str, Column, Column]]:
    for what in sorted({*have.numbers, *want.numbers}):
        yield what, _number(have, what, left), _number(want, what, right)
    for what in sorted({*have.codes, *want.codes}):
        yield what, _decoded(have, what, left), _decoded(want, what, right)
    for what in sorted({*have.counts, *want.counts}):
        yield what, _counted(have, what, left), _counted(want, what, right)


def _number(readout: Readout, what: str, rows: NDArray[np.intp]) -> Column:
    found = readout.numbers.get(what)
    return np.zeros(len(rows), np.int64) if found is None else found[rows]


def _decoded(readout: Readout, what: str, rows: NDArray[np.intp]) -> Column:
    decoded = np.full(len(rows), None, object)
    found = readout.codes.get(what)
    if found is not None:
        codes, values = found
        for index, code in enumerate(codes[rows].tolist()):
            decoded[index] = values[code]
    return decoded


def _counted(readout: Readout, what: str, rows: NDArray[np.intp]) -> Column:
    found = readout.counts.get(what, {})
    if not found:
        return np.zeros(len(rows), np.int64)
    return np.fromiter((found.get(row, 0) for row in rows.tolist()), np.int64, len(rows))


def _compare_topology(have: Readout, want: Readout) -> Iterator[Difference | None]:
    """Compare what is derived from the groups: the columns that somebody holds, and their sums."""
    name_of = {row: name for name, row in have.rows.items()}
    wanted_name = {row: name for name, row in want.rows.items()}
    for peers, rows in have.peers:
        expected: dict[str, int] = {}
        for group, counts in want.groups.items():
            if all(one.matches(group, have.namespaces) for one in peers):
                for row, count in counts.items():
                    expected[wanted_name[row]] = expected.get(wanted_name[row], 0) + count
        actual = {name_of.get(row, f"row {row}"): count for row, count in rows.items()}
        words = " and ".join(map(_format_peers, peers))
        for name in sorted({*actual, *expected}):
            if actual.get(name, 0) != expected.get(name, 0):
                yield Difference(
                    name, f"Pods meant by[{words}]", str(actual.get(name, 0)), str(expected.get(name, 0))
                )
        yield None
    for key, actual_sum, expected_sum in have.sums:
        for domain in sorted({*actual_sum, *expected_sum}):
            if actual_sum.get(domain, 0) != expected_sum.get(domain, 0):
                yield Difference(
                    f"{key}={domain}", "sum of the domain",
                    str(actual_sum.get(domain, 0)), str(expected_sum.get(domain, 0)),
                )  # fmt: skip
