"""Thresholds of probes."""

import hypothesis.strategies as st
from hypothesis import given

from kubelet.decide.observation import ProbeKind, ProbeResult
from kubelet.probes.machine import advance, initial
from vaina.api.core.v1 import pod_pb2

SUCCESS, FAILURE, UNKNOWN = ProbeResult.SUCCESS, ProbeResult.FAILURE, ProbeResult.UNKNOWN


def probe(success: int, failure: int) -> pod_pb2.Probe:
    return pod_pb2.Probe(success_threshold=success, failure_threshold=failure)


def results(kind: ProbeKind, outcomes: str, *, success: int = 1, failure: int = 3) -> list[ProbeResult]:
    """Return the result after each outcome: + is success, - is failure."""
    state, found = initial(kind), []
    for outcome in outcomes:
        state = advance(state, outcome == "+", probe(success, failure))
        found.append(state.result)
    return found


def test_before_the_first_outcome_each_kind_has_its_own_result() -> None:
    assert [initial(kind).result for kind in (ProbeKind.LIVENESS, ProbeKind.READINESS, ProbeKind.STARTUP)] == [
        SUCCESS, FAILURE, UNKNOWN,
    ]  # fmt: skip


def test_failures_count_only_in_a_row() -> None:
    assert results(ProbeKind.LIVENESS, "--+--")[-1] is SUCCESS
    assert results(ProbeKind.LIVENESS, "--+---")[-1] is FAILURE


def test_successes_count_only_in_a_row() -> None:
    assert results(ProbeKind.READINESS, "+-++", success=2) == [FAILURE, FAILURE, FAILURE, SUCCESS]


def test_a_startup_probe_is_unknown_until_a_threshold_is_reached() -> None:
    assert results(ProbeKind.STARTUP, "--") == [UNKNOWN, UNKNOWN]
    assert results(ProbeKind.STARTUP, "---")[-1] is FAILURE
    assert results(ProbeKind.STARTUP, "--+")[-1] is SUCCESS


def test_thresholds_have_defaults() -> None:
    for outcomes in ("+", "--+", "---", "---+"):
        assert results(ProbeKind.STARTUP, outcomes, success=0, failure=0) == results(
            ProbeKind.STARTUP, outcomes
        )


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 4), st.integers(1, 4))
def test_the_result_is_that_of_the_last_run_that_was_long_enough(
    outcomes: list[bool], success: int, failure: int
) -> None:
    state, want = initial(ProbeKind.STARTUP), UNKNOWN
    for index in range(len(outcomes)):
        state = advance(state, outcomes[index], probe(success, failure))
        needed = success if outcomes[index] else failure
        run = outcomes[max(0, index + 1 - needed) : index + 1]
        if len(run) == needed and len(set(run)) == 1:
            want = SUCCESS if outcomes[index] else FAILURE

    assert state.result is want
