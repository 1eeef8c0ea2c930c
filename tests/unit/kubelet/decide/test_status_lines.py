"""What is said of a Pod, as tables of lines (see `lines`).

Phase, and each container's state, started and ready (rows B8 to B12, B14).
"""

import pytest

from kubelet.decide.containers import RestartPolicy
from kubelet.decide.status import NodeAddresses, compute_pod_status
from kubelet.decide.termination import Ending, EndReason, natural_ending
from tests.unit.kubelet.decide.lines import known_of, pod_of, status_line
from tests.unit.kubelet.decide.observations import NOW
from vaina.api.core.v1 import pod_pb2

POLICY = RestartPolicy()
NODE = NodeAddresses("192.0.2.1", "docker")

#: (Pod, known, what is said)
LINES = [
    ("Always app", "bare", "Pending app:ContainerCreating"),
    ("Always app", "", "Pending app:ContainerCreating"),
    ("Always app", "app:made", "Pending app:ContainerCreating"),
    ("Always app", "app:run", "Running app:run+*"),
    ("Always app two", "app:run", "Pending app:run+* two:ContainerCreating"),
    ("Always app two", "app:run two:run", "Running app:run+* two:run+*"),
    # Restart policies.
    # What is about to start again shows its end until back-off or the next attempt.
    ("Always app", "app:x0", "Running app:x0"),
    ("Always app", "app:x1", "Running app:x1"),
    ("Always app two", "app:x0 two:x0", "Running app:x0 two:x0"),
    ("Always app two", "app:x0", "Pending app:x0 two:ContainerCreating"),
    ("Always app two", "app:x1 two:run", "Running app:x1 two:run+*"),
    ("Always app", "app:x1/1@1-11", "Running app:CrashLoopBackOff"),
    ("Always app", "app:x1/1@1-3*900", "Running app:x1"),
    ("Always app", "app:x1 app:made/1", "Running app:ContainerCreating"),
    ("OnFailure app", "app:x1", "Running app:x1"),
    ("OnFailure app two", "app:x1 two:x0", "Running app:x1 two:x0"),
    ("OnFailure app two", "app:x1 two:x0 app:run/1", "Running app:run+* two:x0"),
    ("Never app=OnFailure two", "app:x1 two:x1", "Running app:x1 two:x1"),
    ("Never app=Never[4] two", "app:x4 two:x0", "Running app:x4 two:x0"),
    ("Always i:one app", "one:x1", "Pending one:x1 app:PodInitializing"),
    ("OnFailure i:one app", "one:x1", "Pending one:x1 app:PodInitializing"),
    ("Never i:one=OnFailure app", "one:x1", "Pending one:x1 app:PodInitializing"),
    ("Always i:one app", "one:x0 app:x1", "Running one:x0* app:x1"),
    ("Always i:one app", "second one:x0!", "Pending one:x0 app:PodInitializing"),
    ("Always s:side app", "side:x1 app:run", "Running side:x1 app:run+*"),
    ("Never s:side app", "side:x1 app:run", "Running side:x1 app:run+*"),
    ("Always s:side app", "side:x1", "Pending side:x1 app:PodInitializing"),
    ("Always app", "app:x1/1@1-3", "Running app:CrashLoopBackOff"),
    ("Always app", "app:x0/1@1-3", "Running app:CrashLoopBackOff"),
    ("Always app two", "app:x1/1@1-3 two:run", "Running app:CrashLoopBackOff two:run+*"),
    ("Always app=Never two", "app:x1 two:run", "Running app:x1 two:run+*"),
    ("Always app=Never", "app:x1", "Failed app:x1"),
    ("Always app=Never", "app:x0", "Succeeded app:x0"),
    ("OnFailure app", "app:x0", "Succeeded app:x0"),
    ("OnFailure app", "app:x1/1@1-3", "Running app:CrashLoopBackOff"),
    ("OnFailure app two", "app:x0 two:run", "Running app:x0 two:run+*"),
    ("OnFailure app two", "app:x0 two:x1/1@1-3", "Running app:x0 two:CrashLoopBackOff"),
    ("Never app", "app:x0", "Succeeded app:x0"),
    ("Never app", "app:x1", "Failed app:x1"),
    ("Never app", "app:x137", "Failed app:x137"),
    ("Never app two", "app:x0 two:x0", "Succeeded app:x0 two:x0"),
    ("Never app two", "app:x0 two:x1", "Failed app:x0 two:x1"),
    ("Never app two", "app:x1 two:run", "Running app:x1 two:run+*"),
    ("Never app two", "app:x0", "Pending app:x0 two:ContainerCreating"),
    ("Never app=Always two", "app:x1/1@1-3 two:x0", "Running app:CrashLoopBackOff two:x0"),
    ("Never app=Never[4]", "app:x4/1@1-3", "Running app:CrashLoopBackOff"),
    ("Never app=Never[4]", "app:x5", "Failed app:x5"),
    # Init containers.
    ("Always i:one app", "", "Pending one:PodInitializing app:PodInitializing"),
    ("Always i:one app", "one:run", "Pending one:run+ app:PodInitializing"),
    ("Always i:one app", "one:x0", "Pending one:x0* app:PodInitializing"),
    ("Always i:one app", "one:x1/1@1-3", "Pending one:CrashLoopBackOff app:PodInitializing"),
    ("Never i:one app", "one:x1", "Failed one:x1 app:PodInitializing"),
    ("Always i:one=Never app", "one:x1", "Failed one:x1 app:PodInitializing"),
    ("Never i:one=OnFailure app", "one:x1/1@1-3", "Pending one:CrashLoopBackOff app:PodInitializing"),
    ("OnFailure i:one app", "one:x1/1@1-3", "Pending one:CrashLoopBackOff app:PodInitializing"),
    ("Always i:one i:other app", "one:x0 other:run", "Pending one:x0* other:run+ app:PodInitializing"),
    ("Always i:one app", "one:x0 app:run", "Running one:x0* app:run+*"),
    ("Always i:one app", "one:x0 app:x1/1@1-3", "Running one:x0* app:CrashLoopBackOff"),
    ("Never i:one app", "one:x0 app:x0", "Succeeded one:x0* app:x0"),
    # Sidecars.
    ("Always s:side app", "side:run", "Pending side:run+* app:PodInitializing"),
    ("Always s:side? app", "side:run", "Pending side:run app:PodInitializing"),
    ("Always s:side~ app", "side:run", "Pending side:run+ app:PodInitializing"),
    ("Always s:side app", "side:run app:run", "Running side:run+* app:run+*"),
    ("Always s:side app", "side:x1/1@1-3 app:run", "Running side:CrashLoopBackOff app:run+*"),
    ("Never s:side app", "side:x1/1@1-3 app:run", "Running side:CrashLoopBackOff app:run+*"),
    ("Never s:side app", "side:run app:x0", "Running side:run+* app:x0"),
    ("Never s:side app", "side:x143 app:x0", "Succeeded side:x143 app:x0"),
    ("Never s:side app", "side:x0 app:x1", "Failed side:x0 app:x1"),
    ("Always s:side i:one app", "side:run one:run", "Pending side:run+* one:run+ app:PodInitializing"),
    # Debug containers decide nothing.
    ("Always d:debug app", "app:run", "Running app:run+* debug:ContainerCreating"),
    ("Always d:debug app", "app:run debug:run", "Running app:run+* debug:run"),
    ("Always d:debug app", "app:run debug:x1", "Running app:run+* debug:x1"),
    ("Never d:debug app", "app:x0 debug:x9", "Succeeded app:x0 debug:x9"),
    ("Never d:debug app", "app:x1 debug:x0", "Failed app:x1 debug:x0"),
    # Probes and hooks.
    ("Always app?", "app:run", "Running app:run"),
    ("Always app?", "app:up", "Running app:run+*"),
    ("Always app~", "app:run", "Running app:run+"),
    ("Always app~", "app:ok", "Running app:run+*"),
    ("Always app?~", "app:run", "Running app:run"),
    ("Always app?~", "app:up", "Running app:run+"),
    ("Always app?~", "app:ok", "Running app:run+*"),
    ("Always app+", "app:sick", "Running app:run+*"),
    ("Always app>", "app:hooking", "Pending app:ContainerCreating"),
    ("Always app>", "app:run", "Running app:run+*"),
    # Sandboxes.
    ("Always app", "lost app:x137", "Running app:x137"),
    ("Never app", "lost app:x137", "Failed app:x137"),
    ("OnFailure app", "lost app:x0", "Succeeded app:x0"),
    ("Always i:one app", "second one:x0! app:x137!", "Running one:x0 app:x137"),
    ("Always app", "second app:run/1", "Running app:run+*"),
]


@pytest.mark.requirement("B14")
@pytest.mark.parametrize(("pod", "known", "want"), LINES, ids=lambda text: text or "nothing")
def test_status(pod: str, known: str, want: str) -> None:
    made, observed = pod_of(pod), known_of(known)
    ending = natural_ending(made, observed, NOW)
    status = compute_pod_status(made, observed, node=NODE, ending=ending, now=NOW, policy=POLICY)
    assert status_line(status) == want


#: The same while the Pod is being deleted: nothing begins again, and what it was is final once nothing runs.
ENDING = [
    ("Always app", "app:run", "Running app:run+*"),
    ("Always app", "app:x0", "Succeeded app:x0"),
    ("Always app", "app:x143", "Failed app:x143"),
    ("Always app two", "app:x0 two:run", "Running app:x0 two:run+*"),
    ("Always app two", "app:x0 two:x143", "Failed app:x0 two:x143"),
    ("Always app", "app:x1/1@1-3", "Failed app:x1"),
    ("Always s:side app", "side:run app:x0", "Running side:run+* app:x0"),
    ("Always s:side app", "side:x143 app:x0", "Succeeded side:x143 app:x0"),
    ("Always i:one app", "one:x143", "Failed one:x143 app:PodInitializing"),
    ("Always i:one app", "one:run", "Pending one:run+ app:PodInitializing"),
    ("Always app", "", "Failed app:ContainerCreating"),
    ("Always d:debug app", "app:x0 debug:run", "Running app:x0 debug:run"),
]


@pytest.mark.parametrize(("pod", "known", "want"), ENDING, ids=lambda text: text or "nothing")
def test_status_while_it_ends(pod: str, known: str, want: str) -> None:
    made, observed = pod_of(pod), known_of(known)
    ending = Ending(EndReason.DELETED, NOW + 30)
    status = compute_pod_status(made, observed, node=NODE, ending=ending, now=NOW, policy=POLICY)
    assert status_line(status) == want


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
@pytest.mark.parametrize("known", ["app:run", "app:x0", "app:x1", "", "lost app:run"])
def test_a_final_phase_stays(phase: str, known: str) -> None:
    made = pod_of("Always app")
    made.status.CopyFrom(pod_pb2.PodStatus(phase=phase, reason="Why", message="words"))
    observed = known_of(known)
    ending = Ending(EndReason.FINISHED, NOW + 30)
    status = compute_pod_status(made, observed, node=NODE, ending=ending, now=NOW, policy=POLICY)
    assert (status.phase, status.reason, status.message) == (phase, "Why", "words")
