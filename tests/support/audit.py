"""What the audit log would have, collected in a list."""

from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from apiserver.audit.auditing import Auditing
from apiserver.audit.log import AuditLog, LogFile
from apiserver.audit.policy import Policy, read_policy
from vaina.clock import Clock, SystemClock

HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
#: everything, as much as there is
EVERYTHING = "rules: [{level: RequestResponse}]"


class Collected(AuditLog):
    """Events as they come."""

    def __init__(self) -> None:
        super().__init__(LogFile("-", SystemClock()), SystemClock())
        self.events: list[dict[str, Any]] = []

    def append(self, line: bytes) -> None:
        """Collect an event."""
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        self.events.append(msgspec.json.decode(line))

    def take(self) -> list[dict[str, Any]]:
        """Return the events since the last time."""
        events, self.events = self.events, []
        return events


def policy_of(folder: Path, text: str = EVERYTHING) -> Policy:
    """Read a policy without its head."""
    path = folder / "policy.yaml"
    path.write_text(HEAD + text)
    return read_policy(path)


def make_auditing(policy: Policy, clock: Clock) -> tuple[Auditing, Collected]:
    """Return an audit by a policy, and where its events are collected; ids are audit-1, audit-2, ..."""
    numbers, collected = count(1), Collected()
    return Auditing(policy, collected, clock, lambda: f"audit-{next(numbers)}"), collected
