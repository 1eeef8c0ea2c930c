"""PURE: what is in the way between Pods.

Affinity, anti-affinity and spreading, with the domain and the Pods that are meant.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_terms import Peers, PodTerm, TermKind
from scheduler.columns.snapshot import Snapshot
from scheduler.explain.lacks import Asked, Describer, by_reasons

#: bits of InterPodAffinity's reasons
_NOT_NEAR, _NOT_AWAY, _NOT_WANTED = 1, 2, 4


def _domain(nodes: Snapshot, key: str, row: int) -> str:
    column = nodes.label_codes(key)
    value = None if column is None else column.values.values[column.codes.item(row)]
    return value or ""


def _rows_of(nodes: Snapshot, key: str, row: int) -> set[int]:
    """The rows of a row's domain; none where it has no such label."""
    column = nodes.label_codes(key)
    code = 0 if column is None else column.codes.item(row)
    if column is None or not code:
        return set()
    return set(np.flatnonzero(column.codes[: nodes.size] == code).tolist())


def _count(nodes: Snapshot, peers: Peers, rows: set[int]) -> int:
    return sum(count for row, count in nodes.topology.column(peers).rows.items() if row in rows)


def _pods(number: int, peers: Peers) -> str:
    who = "Pod" if number == 1 else "Pods"
    return f"{number or 'no'} {who} {peers.selector}".rstrip()


def _affinity_words(asked: Asked, index: int) -> str:
    row, code, nodes = int(asked.evaluation.rows[index]), int(asked.answer.codes[index]), asked.nodes
    parts: list[str] = []
    for term in asked.pod.asked.terms:
        domain = _domain(nodes, term.topology_key, row)
        rows = _rows_of(nodes, term.topology_key, row)
        if code & _NOT_NEAR and term.kind is TermKind.REQUIRED:
            if not domain:
                parts.append(f"has no label {term.topology_key}, which its affinity asks for")
            elif not _count(nodes, term.peers, rows):
                parts.append(f"{_pods(0, term.peers)} in {term.topology_key}={domain} (affinity)")
        if code & _NOT_AWAY and term.kind is TermKind.ANTI:
            number = _count(nodes, term.peers, rows)
            if number:
                parts.append(f"{_pods(number, term.peers)} in {term.topology_key}={domain} (anti-affinity)")
    if code & _NOT_WANTED:
        parts += [_unwanted(nodes, term, row) for term in _existing(asked) if _holds(nodes, term, row)]
    return " and ".join(parts) or by_reasons(asked, index)


def _existing(asked: Asked) -> list[PodTerm]:
    terms = asked.nodes.topology.terms_matching(asked.pod.group)
    return [term for term in terms if term.kind is TermKind.ANTI]


def _holds(nodes: Snapshot, term: PodTerm, row: int) -> bool:
    rows = _rows_of(nodes, term.topology_key, row)
    return any(row in rows for row in nodes.topology.carriers(term).rows)


def _unwanted(nodes: Snapshot, term: PodTerm, row: int) -> str:
    domain = _domain(nodes, term.topology_key, row)
    return f"Pods in {term.topology_key}={domain} keep away from Pods {term.peers.selector} (their anti-affinity)"


def _spread_words(asked: Asked, index: int) -> str:
    row, nodes = int(asked.evaluation.rows[index]), asked.nodes
    parts: list[str] = []
    for item in asked.pod.asked.spread:
        domain = _domain(nodes, item.topology_key, row)
        if not item.hard:
            continue
        if not domain:
            parts.append(f"has no label {item.topology_key}, by which it is spread")
            continue
        number = _count(nodes, item.peers, _rows_of(nodes, item.topology_key, row))
        parts.append(
            f"{item.topology_key}={domain} has {_pods(number, item.peers)} (maxSkew {item.max_skew})"
        )
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
