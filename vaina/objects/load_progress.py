"""What a load test tells of itself while it runs: an annotation on a namespace of its own. PURE.

`vaina load run` writes it (`bench/load/publishing.py`) and the page reads it (`dashboard/scheduling/loads.py`);
decision 301 says why it is there. Whoever may write a namespace may write anything: what is read has bounds.
"""

from typing import Annotated, Final, Literal

import msgspec

#: what a run has made carries it, with the run's name
RUN_LABEL: Final = "load.vaina.dev/run"
ANNOTATION: Final = "load.vaina.dev/progress"
#: of the workload's namespaces the one that carries it: RUN-progress
NAMESPACE: Final = "progress"
#: of the annotation
MAX_BYTES: Final = 32 * 1024
#: measurements that are told, the newest; figures of one; lines that say how it is run
MAX_MEASUREMENTS: Final = 4
MAX_FIGURES: Final = 64
MAX_LINES: Final = 40
#: letters of a name, and of a line
MAX_NAME: Final = 100
MAX_LETTERS: Final = 300

_Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
_Line = Annotated[str, msgspec.Meta(max_length=MAX_LETTERS)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
_Number = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]

State = Literal["running", "ended", "failed"]


class ProgressError(Exception):
    """An annotation that no run has written."""


class Measured(msgspec.Struct, frozen=True):
    """A stretch of the run that is measured, or was."""

    name: _Line
    pods: _Count
    bound: _Count
    #: when it began, seconds since the run did; how many of the run's Pods were bound then
    since: _Number
    before: _Count
    #: from its beginning to the last binding
    seconds: _Number
    #: by the names that reports have (`bench.load.report.metrics_of`)
    figures: Annotated[dict[_Name, _Number], msgspec.Meta(max_length=MAX_FIGURES)]


class LoadProgress(msgspec.Struct, frozen=True):
    """How far a run is."""

    workload: _Line
    state: State
    #: what it does
    step: _Line
    #: when it began, seconds since the epoch; how many seconds ago that was
    started: _Number
    seconds: _Number
    #: the Pods of its steps: how many there are to be, were asked for, have been bound, have run, and are gone
    wanted: _Count
    asked: _Count
    bound: _Count
    running: _Count
    gone: _Count
    #: at most MAX_MEASUREMENTS, in their order
    measurements: Annotated[list[Measured], msgspec.Meta(max_length=MAX_MEASUREMENTS)] = []
    #: how it is run, line by line
    config: Annotated[dict[_Name, _Line], msgspec.Meta(max_length=MAX_LINES)] = {}
    format: Literal["vaina-load-progress/1"] = "vaina-load-progress/1"


def encode_progress(progress: LoadProgress) -> str:
    """Write it within its bounds: of the measurements as many of the newest as there is room for."""
    told = progress.measurements[-MAX_MEASUREMENTS:]
    while True:
        text = msgspec.json.encode(msgspec.structs.replace(progress, measurements=told))
        if len(text) <= MAX_BYTES or not told:
            return text.decode()
        told = told[1:]


def decode_progress(text: str) -> LoadProgress:
    """Read it. Raises ProgressError."""
    # Never more bytes than letters: what is too long is not read at all.
    if len(text) > MAX_BYTES:
        raise ProgressError(f"more than {MAX_BYTES >> 10} KiB")
    try:
        return msgspec.json.decode(text, type=LoadProgress)
    except msgspec.MsgspecError as error:
        raise ProgressError(str(error)) from error
