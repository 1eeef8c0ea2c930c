"""Which member of an etcd cluster is asked: the first, until it fails; then the next one, round and round.

A member that is cut off from the others still takes connections, so what counts is whether calls are
answered. (etcd's own client spreads its calls over all members: client/v3 `internal/endpoint`, round robin.
One slow member then slows a share of all calls.)
"""

import structlog

_LOG = structlog.get_logger()


class Rotation:
    """The member that is asked now, by its place in the configuration."""

    def __init__(self, endpoints: tuple[str, ...]) -> None:
        self._endpoints = endpoints
        self.current = 0

    def __len__(self) -> int:
        return len(self._endpoints)

    def failed(self, index: int, why: str) -> bool:
        """Know that a member failed: if it is the one that is asked, ask the next one. Return whether it was."""
        if index != self.current or len(self) == 1:
            return False
        self.current = (index + 1) % len(self)
        _LOG.warning(
            "etcd member failed, asking the next one",
            endpoint=self._endpoints[index], next=self._endpoints[self.current], error=why,
        )  # fmt: skip
        return True
