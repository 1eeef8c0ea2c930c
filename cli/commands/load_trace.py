"""The `--trace` of load tests: how much of it is read, and what is refused before anything is made."""

from bench.load.arrivals import parse_trace
from bench.load.settings import Settings
from bench.load.workload import CreatePods, Workload
from cli.failures import Failure

#: characters of a trace
MAX_TRACE = 32 * 1024 * 1024


def check_trace(workload: Workload, settings: Settings) -> None:
    """Find out before anything is made that a trace is too short, or none is wanted."""
    for step in workload.case.workload_template:
        if settings.trace and isinstance(step, CreatePods) and step.collect_metrics:
            if step.steady_state:
                raise Failure(
                    f"--trace: {workload.name} has a steady state, whose Pods come at a rate (--rate)"
                )
            try:
                parse_trace(settings.trace, workload.count(step))
            except ValueError as error:
                raise Failure(f"--trace: {error}") from error
