"""States that the stories of `tests/property/test_pod_life.py` came to, and in which something was wrong."""

from dataclasses import replace

import pytest

from kubelet.decide.compute import compute_pod_plan
from kubelet.decide.containers import RestartPolicy
from kubelet.decide.status import NodeAddresses, compute_pod_status
from kubelet.decide.termination import natural_ending
from tests.unit.kubelet.decide.lines import known_of, plan_line, pod_of
from tests.unit.kubelet.decide.observations import NOW

LINES = [
    # Killed between creating an attempt and starting it, in a sandbox that died then: the attempt before has
    # its back-off still.
    ("Always app", "app:x1@3-5! app:made/1! second", "wait 35"),
    ("Always app", "app:x1@3-50! app:made/1! second", "start app/2@4"),
    # A sidecar that waits for its back-off holds nobody up who looks after the next one.
    ("Always s:one s:two? app", "one:x1@2-5 two:late", "term two startup, wait 15"),
    ("Always s:one s:two+ app", "one:x1@2-5 two:sick", "term two liveness, wait 15"),
    ("Always s:one s:two app", "one:x1@2-5", "wait 15"),
]


@pytest.mark.parametrize(("pod", "known", "want"), LINES, ids=str)
def test_plan(pod, known, want):
    made, seen = pod_of(pod), known_of(known)
    assert plan_line(compute_pod_plan(made, seen, ending=None, now=NOW, policy=RestartPolicy())) == want


def test_a_main_container_that_never_began_goes_by_its_own_policy():
    """Its Pod may start nothing twice, and its sandbox died while init containers ran.

    As one that runs, it may begin.
    """
    known = known_of("one:x0 lost")
    assert natural_ending(pod_of("Never i:one app=Always"), known, NOW) is None
    assert natural_ending(pod_of("Never i:one app"), known, NOW) is not None


def test_sidecars_that_end_one_after_the_other_have_one_grace():
    pod, known = pod_of("Never s:one s:two app"), known_of("app:x0 one:run two:run")
    first = natural_ending(pod, known, NOW)
    assert first is not None
    assert first.deadline == NOW + 30
    later = replace(known, observed_at=NOW + 20)
    assert natural_ending(pod, later, NOW + 20, before=first) == first


@pytest.mark.parametrize("known", ["app:made/3", "app:hooking/3"])
def test_what_was_said_of_an_attempt_whose_record_is_gone_holds_until_the_next_has_begun(known):
    """Somebody removed the records of a Pod that runs.

    Its next attempt is made: neither its phase nor its last state go back.
    """
    pod = pod_of("Always app>")
    ran = known_of("app:run/2")
    for seen in (ran, replace(ran, containers=()), known_of(known), known_of(known)):
        status = compute_pod_status(
            pod, replace(seen, previous=said(pod)), node=NodeAddresses("192.0.2.1", "docker"), ending=None, now=NOW,
            policy=RestartPolicy(),
        )  # fmt: skip
        pod.status.CopyFrom(status)
        assert status.phase == "Running"
    assert status.container_statuses[0].restart_count == 3
    assert status.container_statuses[0].last_state.terminated.reason == "ContainerStatusUnknown"


def said(pod):
    """Return what was said last, as the worker keeps it: not the message that is written to."""
    copy = type(pod.status)()
    copy.CopyFrom(pod.status)
    return copy
