"""Which storage the Pods of each row use: PersistentVolumeClaims, and disks that they name.

No columns: few have any, and each its own.
"""

from collections.abc import Iterable, Mapping


class ClaimUse:
    """Counts of Pods by row and by claim (namespace/name) or disk (`Disk.key`). Owned by the node table."""

    def __init__(self) -> None:
        self._by_row: dict[int, dict[str, int]] = {}
        #: claim -> how many Pods use it, on any row
        self._total: dict[str, int] = {}

    def count(self, row: int, claims: Iterable[str], sign: int) -> None:
        """Count a Pod with its claims, or count it no longer."""
        here = self._by_row.setdefault(row, {})
        for claim in claims:
            _add(here, claim, sign)
            _add(self._total, claim, sign)
        if not here:
            del self._by_row[row]

    def clear(self, row: int) -> None:
        """Forget all Pods of a row."""
        for claim, count in self._by_row.pop(row, {}).items():
            _add(self._total, claim, -count)

    def users(self, claim: str) -> int:
        """Return how many Pods use a claim."""
        return self._total.get(claim, 0)

    def on(self, row: int) -> Mapping[str, int]:
        """Return the claims and disks that the Pods of a row use, with their counts."""
        return self._by_row.get(row, {})


def _add(counts: dict[str, int], key: str, number: int) -> None:
    total = counts.get(key, 0) + number
    if total:
        counts[key] = total
    else:
        counts.pop(key, None)
