"""One hollow container: a program, when it was started, and what that makes of it at any time.

PURE but for being changed by its runtime.
"""

from dataclasses import dataclass, field

from kubelet.runtime.hollow.program import KILL_EXIT_CODE, TERM_EXIT_CODE, Program
from kubelet.runtime.records import ContainerConfig, ContainerPhase, ContainerState, Uid


@dataclass(slots=True)
class HollowContainer:
    """Owned by its runtime."""

    id: str
    sandbox_id: str
    pod_uid: Uid
    config: ContainerConfig
    program: Program
    created_at: float
    started_at: float = 0.0
    #: when the process ends, and how; None: it was never started
    ends_at: float | None = None
    exit_code: int = 0
    reason: str = ""
    #: the end was told as an event
    told: bool = field(default=False)

    def start(self, now: float) -> None:
        """Start the program."""
        self.started_at = now
        if self.program.missing:
            self.ends_at, self.exit_code, self.reason = now, 128, "StartError"
        else:
            self.ends_at, self.exit_code = now + self.program.runs_seconds, self.program.exit_code

    def is_running(self, now: float) -> bool:
        """Say whether the process runs at this time."""
        return self.ends_at is not None and now < self.ends_at

    def term(self, now: float, delay: float) -> None:
        """Send the stop signal."""
        if self.is_running(now) and not self.program.ignores_term:
            self._end(now + delay, TERM_EXIT_CODE)

    def kill(self, now: float) -> None:
        """End the process at once."""
        if self.is_running(now):
            self._end(now, KILL_EXIT_CODE)

    def _end(self, at: float, code: int) -> None:
        assert self.ends_at is not None
        if at < self.ends_at:
            self.ends_at, self.exit_code = at, code

    def log(self, now: float) -> list[tuple[float, bytes]]:
        """Return what was written up to now, with times."""
        end = now if self.ends_at is None else min(now, self.ends_at)
        return [
            (self.started_at + at, data)
            for at, data in self.program.writes
            if self.ends_at is not None and self.started_at + at <= end
        ]

    def state(self, now: float) -> ContainerState:
        """Return the record at this time."""
        running = self.is_running(now)
        exited = self.ends_at is not None and not running
        phase = ContainerPhase.CREATED
        if self.ends_at is not None:
            phase = ContainerPhase.RUNNING if running else ContainerPhase.EXITED
        reason = self.reason or ("Error" if self.exit_code else "Completed")
        return ContainerState(
            id=self.id,
            sandbox_id=self.sandbox_id,
            pod_uid=self.pod_uid,
            name=self.config.name,
            attempt=self.config.attempt,
            phase=phase,
            image=self.config.image,
            image_id=self.config.image_id,
            created_at=self.created_at,
            started_at=0.0 if self.reason == "StartError" else self.started_at,
            finished_at=self.ends_at if exited and self.ends_at is not None else 0.0,
            exit_code=self.exit_code if exited else 0,
            reason=reason if exited else "",
            labels=self.config.labels,
            annotations=self.config.annotations,
        )
