"""PURE: what is in the way between Pods: affinity, anti-affinity and spreading, with the domain and the Pods
that are meant.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_terms import Peers, PodTerm, TermKind
from scheduler.columns.snapshot import Snapshot
from scheduler.explain.lacks import Asked, Describer, by_reasons

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


def _affinity_words(asked: Asked, index: int) -> str:
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


INTER_POD_AFFINITY: Final = Describer(_affinity_words, _by_domain)
POD_TOPOLOGY_SPREAD: Final = Describer(_spread_words, _by_domain)
