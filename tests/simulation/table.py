"""PURE: what was done in many runs, added up, so that one sees that something was."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from tests.simulation.simulate import Outcome
from tests.simulation.story import VERBS, Faults

#: everything that a fault may be counted as
FAULTS = (
    *(item.name.replace("_", "-") for item in fields(Faults)),
    "kill", "partition-silent", "partition-refused", "partition-deaf", "cut-streams", "cut-storage", "slow", "compact",
    "stale", "skew", "exit-container", "leadership-lost",
)  # fmt: skip
INVARIANTS = (
    "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13", "I15", "I16", "I17", "I18", "I19", "I20",
    "preempted", "surge", "unavailable", "counted", "identity", "one-a-node", "budget", "volume",
)  # fmt: skip


@dataclass(slots=True)
class Totals:
    """Sums over runs."""

    seeds: int = 0
    turns: int = 0
    commits: int = 0
    seconds: float = 0.0
    verbs: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    failures: int = 0

    def add(self, outcome: Outcome) -> None:
        """Add a run."""
        self.seeds += 1
        self.turns += outcome.turns
        self.commits += outcome.commits
        self.seconds += outcome.seconds
        self.verbs += outcome.verbs
        self.faults += outcome.faults
        self.checks += outcome.checks
        self.failures += outcome.violation is not None

    def never_happened(self) -> list[str]:
        """Return the verbs, faults and invariants that did not come up."""
        wanted = ((VERBS, self.verbs), (FAULTS, self.faults), (INVARIANTS, self.checks))
        return [name for names, counts in wanted for name in names if not counts[name]]

    def text(self, seconds: float) -> str:
        """Return the table; `seconds` is how long it took."""
        lines = [
            f"{self.seeds} seeds in {seconds:.0f} s ({seconds / max(self.seeds, 1):.2f} s each), {self.failures} failed",
            f"  {self.turns} turns, {self.commits} commits, {self.seconds / 3600:.1f} hours of simulated time",
            *_row("steps", VERBS, self.verbs),
            *_row("faults", FAULTS, self.faults),
            *_row("checks", INVARIANTS, self.checks),
        ]
        return "\n".join(lines)


def _row(title: str, names: tuple[str, ...], counts: Mapping[str, int]) -> list[str]:
    cells = [f"{name} {counts.get(name, 0)}" for name in names]
    return [f"  {title:7}{' · '.join(cells[start : start + 8])}" for start in range(0, len(cells), 8)]
