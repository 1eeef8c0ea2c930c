"""How many Pods of some kind there are on each node and in each topology domain, true at any moment.

The counters are those of `scheduler.columns.pod_counts`: columns of Pods, and their sums by domain.
Both live as long as somebody holds them (a class's cycle, as many as `scheduler.decide.cycle.Cycles.limit`
of those; a term's column also as long as a Pod carries it). While they live each placement costs the columns
and sums it concerns; a new column is filled from the groups of Pods that are there, found by label. Nothing
is asked of Pods that no selector means.
"""

from collections.abc import Iterable, Mapping
from typing import Final
from weakref import WeakValueDictionary, ref

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.labels import LabelColumn
from scheduler.columns.pod_counts import DomainSum, PodColumn, Sources
from scheduler.columns.pod_info import PodClass
from scheduler.columns.pod_terms import (
    NOTHING_ASKED,
    Label,
    Namespaces,
    PeerIndex,
    Peers,
    PodGroup,
    PodTerm,
    TermKind,
    marks,
    required_marks,
)

#: groups whose terms are remembered; more, and all are forgotten
MEMO: Final = 16_384


class _Placed:
    """Pods of one group that are somewhere."""

    __slots__ = ("columns", "rows", "version")

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        #: the columns that count them, as of a version of the index of columns; not held by this
        self.columns: tuple[ref[PodColumn], ...] = ()
        self.version = -1


class Topology:
    """Counts Pods by what other Pods ask of them.

    Owned by the scheduling task; part of `NodeTable`, which calls it.
    """

    def __init__(self, labels: Mapping[str, LabelColumn]) -> None:
        self._labels = labels
        self._namespaces: dict[str, dict[str, str]] = {}
        self._placed: dict[PodGroup, _Placed] = {}
        self._groups_by_label: dict[Label, dict[PodGroup, None]] = {}
        self._columns: WeakValueDictionary[tuple[Peers, ...], PodColumn] = WeakValueDictionary()
        self._column_index: PeerIndex[ref[PodColumn]] = PeerIndex()
        #: term -> Pods that carry it: as long as there are some; and as long as somebody asks about them
        self._carried: dict[PodTerm, PodColumn] = {}
        self._carriers: WeakValueDictionary[PodTerm, PodColumn] = WeakValueDictionary()
        self._term_index: PeerIndex[PodTerm] = PeerIndex()
        #: terms against others of Pods that are to come somewhere, and how many such Pods there are
        self._expected: dict[PodTerm, int] = {}
        self._sums: WeakValueDictionary[tuple[str, Sources], DomainSum] = WeakValueDictionary()
        self._by_key: dict[str, list[ref[DomainSum]]] = {}
        self._memo: dict[PodGroup, tuple[int, tuple[PodTerm, ...]]] = {}

    @property
    def namespaces(self) -> Namespaces:
        return self._namespaces

    @property
    def sizes(self) -> dict[str, int]:
        return {
            "groups": len(self._placed), "columns": len(self._columns), "terms": len(self._carried),
            "sums": sum(map(len, self._by_key.values())), "keys": len(self._by_key),
        }  # fmt: skip

    def count(self, row: int, pod: PodClass, sign: int) -> None:
        group = pod.group
        placed = self._placed.get(group)
        if placed is None:
            placed = self._come(group)
        rows = placed.rows
        left = rows.get(row, 0) + sign
        if left:
            rows[row] = left
        else:
            del rows[row]
        if placed.version != self._column_index.version:
            self._find_columns(group, placed)
        for weak in placed.columns:
            column = weak()
            if column is not None:
                self._count_in(column, row, sign)
        if pod.asked is not NOTHING_ASKED:
            for term in pod.asked.terms:
                self._carry(term, row, sign)
        if not rows:
            self._go(group)

    def count_more(self, rows: Mapping[int, int], pod: PodClass) -> None:
        group = pod.group
        placed = self._placed.get(group)
        if placed is None:
            placed = self._come(group)
        there = placed.rows
        for row, number in rows.items():
            there[row] = there.get(row, 0) + number
        if placed.version != self._column_index.version:
            self._find_columns(group, placed)
        for weak in placed.columns:
            column = weak()
            if column is not None:
                for row, number in rows.items():
                    self._count_in(column, row, number)
        for term in pod.asked.terms:
            for row, number in rows.items():
                self._carry(term, row, number)

    def terms_matching(self, group: PodGroup) -> tuple[PodTerm, ...]:
        """Return the terms of Pods that are placed which mean Pods of a group, in the order of their making.

        Terms against others count for Pods that are only to come too: who asks supposes them there
        (`NodeTable.suppose`).
        """
        if not self._carried and not self._expected:
            return ()
        version = self._term_index.version
        found = self._memo.get(group)
        if found is None or found[0] != version:
            terms = [
                term
                for term in {**dict.fromkeys(self._term_index.candidates(group)), **self._expected}
                if term.peers.matches(group, self._namespaces)
            ]
            terms.sort(key=lambda term: term.serial)
            if len(self._memo) >= MEMO:
                self._memo.clear()
            found = self._memo[group] = (version, tuple(terms))
        return found[1]

    def expect(self, pod: PodClass, sign: int) -> None:
        """Let the terms against others of a Pod be known that has a node in view (sign 1), or no longer (-1)."""
        for term in pod.asked.terms:
            if term.kind is TermKind.ANTI:
                self._expected[term] = self._expected.get(term, 0) + sign
                if not self._expected[term]:
                    del self._expected[term]
                self._term_index.version += 1

    def column(self, *peers: Peers) -> PodColumn:
        found = self._columns.get(peers)
        if found is None:
            found = self._columns[peers] = PodColumn(peers)
            self._fill(found)
            index, first = self._column_index, peers[0]
            index.add(first, ref(found, lambda gone: index.discard(first, gone)))
        return found

    def carriers(self, term: PodTerm) -> PodColumn:
        found = self._carriers.get(term)
        if found is None:
            found = self._carriers[term] = PodColumn((term.peers,), carried=True)
        return found

    def sum(self, key: str, sources: Sources, eligible: NDArray[np.bool_] | None = None) -> DomainSum:
        """Return columns, with weights, summed by the domains of a topology key.

        A sum over `eligible` rows (bool[N]) is the asker's own, and true until a node changes.
        """
        found = self._sums.get((key, sources)) if eligible is None else None
        if found is not None:
            return found
        made = DomainSum(key, sources, eligible)
        made.fill(*self._codes(key))
        if eligible is None:
            self._sums[key, sources] = made
        for column, weight in sources:
            sums = column.sums
            sums.append((ref(made, lambda gone, sums=sums: _drop_sum(sums, gone)), weight))  # type: ignore[misc]  # a default argument, not one of ref's
        by_key = self._by_key
        by_key.setdefault(key, []).append(ref(made, lambda gone: _drop_key(by_key, key, gone)))
        return made

    def label_changed(self, row: int, key: str, before: int, after: int) -> None:
        """The node of a row is in another domain of a key (codes of the label's column)."""
        if before == after:
            return
        for weak in [*self._by_key.get(key, ())]:
            found = weak()
            if found is not None:
                found.move(row, before, after)

    def clear_row(self, row: int) -> None:
        for group, placed in [*self._placed.items()]:
            gone = placed.rows.pop(row, 0)
            if not gone:
                continue
            if placed.version != self._column_index.version:
                self._find_columns(group, placed)
            for weak in placed.columns:
                held = weak()
                if held is not None:
                    self._count_in(held, row, -gone)
            if not placed.rows:
                self._go(group)
        for term, column in [*self._carried.items()]:
            gone = column.rows.get(row, 0)
            if gone:
                self._carry(term, row, -gone)

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> bool:
        """Take in a namespace's labels (None: it is gone); say whether anybody's selector looks at them."""
        before = self._namespaces.get(name, {})
        if labels is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = dict(labels)
        if before == self._namespaces.get(name, {}):
            return False
        self._term_index.version += 1
        self._memo.clear()
        seeing = [column for column in self._columns.values() if _sees_namespaces(column)]
        if seeing:
            self._column_index.version += 1
        for column in seeing:
            column.rows.clear()
            self._fill(column)
            for weak, _ in column.sums:
                found = weak()
                if found is not None:
                    found.fill(*self._codes(found.key))
        return bool(seeing) or any(_sees_namespaces(column) for column in self._carried.values())

    def placed(self) -> dict[PodGroup, dict[int, int]]:
        """Return how many Pods of each group are on each row: a copy, for `scheduler.debug.verify`."""
        return {group: dict(placed.rows) for group, placed in self._placed.items()}

    def carried(self) -> dict[PodTerm, dict[int, int]]:
        return {term: dict(column.rows) for term, column in self._carried.items()}

    def live_columns(self) -> list[tuple[tuple[Peers, ...], dict[int, int]]]:
        """Return the columns that somebody holds, with their counts: a copy."""
        return [(column.peers, dict(column.rows)) for column in self._columns.values()]

    def live_sums(self) -> list[DomainSum]:
        return [found for found in self._sums.values() if found.eligible is None]

    def _come(self, group: PodGroup) -> _Placed:
        placed = self._placed[group] = _Placed()
        for label in marks(group):
            self._groups_by_label.setdefault(label, {})[group] = None
        return placed

    def _go(self, group: PodGroup) -> None:
        del self._placed[group]
        for label in marks(group):
            there = self._groups_by_label[label]
            del there[group]
            if not there:
                del self._groups_by_label[label]

    def _find_columns(self, group: PodGroup, placed: _Placed) -> None:
        found: list[ref[PodColumn]] = []
        for weak in self._column_index.candidates(group):
            column = weak()
            if column is not None and self._means(column, group):
                found.append(weak)
        placed.columns, placed.version = tuple(found), self._column_index.version

    def _means(self, column: PodColumn, group: PodGroup) -> bool:
        namespaces = self._namespaces
        return all(peers.matches(group, namespaces) for peers in column.peers)

    def _fill(self, column: PodColumn) -> None:
        rows = column.rows
        for group in self._groups(column.peers[0]):
            if self._means(column, group):
                for row, count in self._placed[group].rows.items():
                    rows[row] = rows.get(row, 0) + count

    def _groups(self, peers: Peers) -> Iterable[PodGroup]:
        if peers.selector.nothing:
            return ()
        labels = required_marks(peers)
        if labels is None:
            return self._placed
        return [group for label in labels for group in self._groups_by_label.get(label, ())]

    def _carry(self, term: PodTerm, row: int, sign: int) -> None:
        column = self._carried.get(term)
        if column is None:
            column = self._carried[term] = self.carriers(term)
            self._term_index.add(term.peers, term)
        self._count_in(column, row, sign)
        if not column.rows:
            del self._carried[term]
            self._term_index.discard(term.peers, term)

    def _count_in(self, column: PodColumn, row: int, sign: int) -> None:
        rows = column.rows
        left = rows.get(row, 0) + sign
        if left:
            rows[row] = left
        else:
            del rows[row]
        column.journal.pods_changed(row)
        for weak, weight in column.sums:
            found = weak()
            if found is None:
                continue
            labels = self._labels.get(found.key)
            if labels is not None:
                found.add(row, labels.codes.item(row), sign * weight)

    def _codes(self, key: str) -> tuple[NDArray[np.int32] | None, int]:
        labels = self._labels.get(key)
        return (None, 0) if labels is None else (labels.codes, labels.values.size)


def _drop_sum(sums: list[tuple[ref[DomainSum], int]], gone: ref[DomainSum]) -> None:
    sums[:] = [item for item in sums if item[0] is not gone]


def _drop_key(by_key: dict[str, list[ref[DomainSum]]], key: str, gone: ref[DomainSum]) -> None:
    """Forget a sum, and its key with the last one: users may ask for any key."""
    there = by_key[key]
    there.remove(gone)
    if not there:
        del by_key[key]


def _sees_namespaces(column: PodColumn) -> bool:
    return any(
        not peers.namespace_selector.nothing and not peers.namespace_selector.is_everything
        for peers in column.peers
    )
