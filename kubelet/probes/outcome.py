"""What one run of a probe says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """Success or failure, and the words for the Unhealthy event."""

    succeeded: bool
    message: str = ""
    #: it succeeded, and somebody should look all the same: a ProbeWarning event
    warning: bool = False
