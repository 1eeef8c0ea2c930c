"""What hollow containers do, and how long each stage of a hollow node takes. PURE."""

import random
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kubelet.runtime.records import ContainerConfig, ContainerPhase, ContainerState, Uid


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds, drawn evenly between two bounds from the node's own generator: a seed makes the whole run."""

    least: float = 0.0
    most: float = 0.0

    def draw(self, rng: random.Random) -> float:
        return self.least if self.most <= self.least else rng.uniform(self.least, self.most)


NONE = Delay()


@dataclass(frozen=True, slots=True)
class Stages:
    """phase -> delay -> next phase."""

    run_sandbox: Delay = NONE
    create_container: Delay = NONE
    start_container: Delay = NONE
    #: from the stop signal to the end of the process
    stop_container: Delay = NONE
    pull_image: Delay = NONE
    #: of an image that is a volume: the kubelet waits so long
    unpack_image: Delay = NONE
    #: images that are on the node from the beginning; ("*",): all
    images: tuple[str, ...] = ("*",)
    #: images that are in no registry: pulling them fails
    missing_images: frozenset[str] = field(default_factory=frozenset)


TIMED: Final = ("run_sandbox", "create_container", "start_container", "stop_container", "pull_image")


def parse_stages(items: Sequence[str]) -> Stages:
    """Read delays in seconds, `run_sandbox=0.1-0.5` or `pull_image=2`; the others are 0. Raises ValueError."""
    delays: dict[str, Any] = {}
    for item in items:
        stage, equals, text = item.partition("=")
        if stage not in TIMED:
            raise ValueError(f'"{item}": "{stage}" is no stage (there are {", ".join(TIMED)})')
        least, dash, most = text.partition("-")
        try:
            delay = Delay(float(least), float(most if dash else least))
        except ValueError:
            raise ValueError(f'"{item}": a delay is 0.5 or 0.1-0.5') from None
        if not equals or not 0 <= delay.least <= delay.most < float("inf"):
            raise ValueError(f'"{item}": a delay is 0.5 or 0.1-0.5')
        delays[stage] = delay
    # An image that takes time to come is not there yet.
    return Stages(images=() if "pull_image" in delays else ("*",), **delays)


FOREVER = float("inf")
TERM_EXIT_CODE = 143
KILL_EXIT_CODE = 137


@dataclass(frozen=True, slots=True)
class Program:
    """A process and its end."""

    #: (seconds after the start, what is written)
    writes: tuple[tuple[float, bytes], ...] = ()
    runs_seconds: float = FOREVER
    exit_code: int = 0
    ignores_term: bool = False
    #: copies its standard input to its output, until that ends
    copies_input: bool = False
    missing: bool = False


def read_program(argv: Sequence[str]) -> Program:
    """Return what a command of a hollow container does.

    `sleep 5`, `echo a`, `exit 3`, `true`, `false`, `cat`, `trap … TERM`, alone or after `sh -c`, joined by `;`
    or `&&`. Anything else, and no command at all, runs for ever.
    """
    words = [*argv]
    if len(words) == 3 and words[0] in {"sh", "/bin/sh"} and words[1] == "-c":
        script = words[2].replace("&&", ";")
        commands = [shlex.split(part) for part in script.split(";") if part.strip()]
    else:
        commands = [words] if words else []
    return _run(commands)


def _run(commands: Sequence[Sequence[str]]) -> Program:  # noqa: C901, PLR0912 - one command a case
    at, code, ignores = 0.0, 0, False
    writes: list[tuple[float, bytes]] = []
    if not commands:
        return Program()
    for command in commands:
        match [*command]:
            case ["true" | ":"]:
                code = 0
            case ["false"]:
                code = 1
            case ["echo", *words]:
                writes.append((at, (" ".join(words) + "\n").encode()))
                code = 0
            case ["sleep", "infinity" | "inf"]:
                return Program(tuple(writes), FOREVER, ignores_term=ignores)
            case ["sleep", seconds]:
                at += float(seconds)
                code = 0
            case ["exit", number]:
                return Program(tuple(writes), at, int(number), ignores)
            case ["exit"]:
                return Program(tuple(writes), at, code, ignores)
            case ["trap", "", "TERM"]:
                ignores = True
            case ["trap", _, "TERM"]:
                # Whatever it would do then: it ends by the signal.
                code = 0
            case ["cat"]:
                return Program(tuple(writes), FOREVER, 0, ignores, copies_input=True)
            case ["nosuchcommand", *_]:
                return Program(missing=True)
            case _:
                return Program(tuple(writes), FOREVER, ignores_term=ignores)
    return Program(tuple(writes), at, code, ignores)


@dataclass(slots=True)
class HollowContainer:
    """A container with its program; its state at any time follows from its times. Owned by its runtime."""

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
    told: bool = False

    def start(self, now: float) -> None:
        self.started_at = now
        if self.program.missing:
            self.ends_at, self.exit_code, self.reason = now, 128, "StartError"
        else:
            self.ends_at, self.exit_code = now + self.program.runs_seconds, self.program.exit_code

    def is_running(self, now: float) -> bool:
        return self.ends_at is not None and now < self.ends_at

    def term(self, now: float, delay: float) -> None:
        if self.is_running(now) and not self.program.ignores_term:
            self._end(now + delay, TERM_EXIT_CODE)

    def kill(self, now: float) -> None:
        if self.is_running(now):
            self._end(now, KILL_EXIT_CODE)

    def _end(self, at: float, code: int) -> None:
        assert self.ends_at is not None
        if at < self.ends_at:
            self.ends_at, self.exit_code = at, code

    def log(self, now: float) -> list[tuple[float, bytes]]:
        end = now if self.ends_at is None else min(now, self.ends_at)
        return [
            (self.started_at + at, data)
            for at, data in self.program.writes
            if self.ends_at is not None and self.started_at + at <= end
        ]

    def state(self, now: float) -> ContainerState:
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
