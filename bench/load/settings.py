"""How a workload is run: what the command line says. PURE."""

from dataclasses import dataclass, replace
from typing import Literal

from bench.load.arrivals import Arrivals
from vaina.objects import load_progress

Nodes = Literal["objects", "simulated", "hollow", "real"]
Creation = Literal["pending", "batch", "unary"]
RUN_LABEL = load_progress.RUN_LABEL


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one run."""

    run: str
    nodes: Nodes = "objects"
    create: Creation = "batch"
    #: Pods in a call, and calls in flight, of creation in batches; callers of unary creation
    batch_size: int = 100
    in_flight: int = 4
    callers: int = 32
    #: open loop: measured Pods a second; 0: closed loop
    rate: float = 0.0
    arrivals: Arrivals = "constant"
    #: open loop: offsets of a trace, as text
    trace: str = ""
    seed: int = 1
    window_seconds: float = 1.0
    #: a step ends with an error when nothing has happened for so long
    patience_seconds: float = 60.0
    #: of the Pods' containers, instead of the template's; "": the template's
    image: str = ""
    command: tuple[str, ...] = ()
    #: whether Pods are waited for until they run
    wait_running: bool = False
    #: whether everything stays
    keep: bool = False
    #: at the end, for namespaces to be gone
    clean_seconds: float = 30.0
    #: whether what happened is judged afterwards, and for how many seconds rules among Pods are walked
    #: through, beside being counted
    verify: bool = True
    verify_seconds: float = 2.0
    #: hollow and simulated nodes: delays of stages, as a flag of the kubelet says them
    stages: str = ""

    #: commands of agents on other machines: which create measured Pods, and which have hollow kubelets; none:
    #: this machine
    generate_on: tuple[str, ...] = ()
    hollow_on: tuple[str, ...] = ()

    @property
    def selector(self) -> str:
        """Selects everything of the run."""
        return f"{RUN_LABEL}={self.run}"

    def numbered(self, number: int) -> "Settings":
        """Return those of one of several runs.

        The same, under a name of its own, for what one leaves may still be ending.
        """
        return replace(self, run=f"{self.run}-{number}")
