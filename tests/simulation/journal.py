"""What happened in a run, as lines in their order: the same seed must give the same lines, byte for byte."""

import hashlib
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Author:
    """On whose behalf a server's code runs."""

    part: str = ""
    #: which process of the part: restarts count up
    incarnation: int = 0
    #: the verb of the call
    verb: str = ""
    #: the name of the task that made it: node-lifecycle-3, say
    task: str = ""

    @property
    def role(self) -> str:
        """What the part does: scheduler for scheduler-b."""
        return self.part.removesuffix("-b")

    @property
    def lock(self) -> str:
        """The name of the Lease for which the processes of the part compete; empty where there is none."""
        return {"scheduler": "kube-scheduler", "controller": "kube-controller-manager"}.get(self.role, "")

    @property
    def identity(self) -> str:
        """The process, as a candidate calls itself."""
        return f"{self.part}_{self.incarnation}"


NOBODY = Author()
#: set for every task that serves a call: a commit knows who asked for it
AUTHOR: ContextVar[Author] = ContextVar("author", default=NOBODY)


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must never be, and was."""

    invariant: str
    text: str
    at: float

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:.3f} s: {self.text}"


class Journal:
    """Owned by one world."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        #: faults that hit something, by kind
        self.faults: Counter[str] = Counter()
        #: how often each invariant was looked at
        self.checks: Counter[str] = Counter()
        self.violations: list[Violation] = []

    def note(self, at: float, text: str) -> None:
        """Add a line."""
        self.lines.append(f"{at:.6f} {text}")

    def fault(self, at: float, kind: str, text: str = "") -> None:
        """Add a line about a fault that hit something, and count it."""
        self.faults[kind] += 1
        self.lines.append(f"{at:.6f} fault {kind} {text}")

    def digest(self) -> str:
        """Return the hash of all lines."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()
