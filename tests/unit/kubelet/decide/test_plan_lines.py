"""What is to be done for a Pod, as tables of lines (see `lines`).

Restart policies x kinds of containers x states x probes (rows B8 to B11).

Each line has its own answer. The name of a case is the line itself.
"""

import pytest

from kubelet.decide.compute import compute_pod_plan
from kubelet.decide.containers import RestartPolicy
from kubelet.decide.termination import natural_ending
from tests.unit.kubelet.decide.lines import known_of, plan_line, pod_of
from tests.unit.kubelet.decide.observations import NOW

POLICY = RestartPolicy()

#: B8. One container, and another that runs so that the Pod goes on. (Pod, how it ended, what follows)
RESTARTS = [
    ("Always app two", "app:x0 two:run", "start app/1@1"),
    ("Always app two", "app:x1 two:run", "start app/1@1"),
    ("Always app two", "app:x137 two:run", "start app/1@1"),
    ("OnFailure app two", "app:x0 two:run", "rest"),
    ("OnFailure app two", "app:x1 two:run", "start app/1@1"),
    ("OnFailure app two", "app:x143 two:run", "start app/1@1"),
    ("Never app two", "app:x0 two:run", "rest"),
    ("Never app two", "app:x1 two:run", "rest"),
    ("Never app two", "app:x137 two:run", "rest"),
    # Its own policy goes before the Pod's (KEP-5307).
    ("Always app=Never two", "app:x0 two:run", "rest"),
    ("Always app=Never two", "app:x1 two:run", "rest"),
    ("Always app=OnFailure two", "app:x0 two:run", "rest"),
    ("Always app=OnFailure two", "app:x1 two:run", "start app/1@1"),
    ("OnFailure app=Never two", "app:x1 two:run", "rest"),
    ("OnFailure app=Always two", "app:x0 two:run", "start app/1@1"),
    ("Never app=Always two", "app:x0 two:run", "start app/1@1"),
    ("Never app=Always two", "app:x9 two:run", "start app/1@1"),
    ("Never app=OnFailure two", "app:x0 two:run", "rest"),
    ("Never app=OnFailure two", "app:x9 two:run", "start app/1@1"),
    # A rule for a code goes before both.
    ("Always app=Never[42] two", "app:x42 two:run", "start app/1@1"),
    ("Always app=Never[42] two", "app:x41 two:run", "rest"),
    ("Always app=Never[42] two", "app:x0 two:run", "rest"),
    ("Never app=Never[42] two", "app:x42 two:run", "start app/1@1"),
    ("Never app=Never[42] two", "app:x1 two:run", "rest"),
    ("Never app=Never[0] two", "app:x0 two:run", "start app/1@1"),
    ("OnFailure app=OnFailure[0] two", "app:x0 two:run", "start app/1@1"),
    ("OnFailure app=OnFailure[42] two", "app:x1 two:run", "start app/1@1"),
    ("Never app=Always[42] two", "app:x1 two:run", "start app/1@1"),
    # Attempts go on from the newest.
    ("Always app two", "app:x1/6 two:run", "start app/7@1"),
    ("Always app two", "app:made/3 two:run", "start app/3@0"),
    ("Never app two", "app:made two:run", "start app/0@0"),
    ("Never app two", "two:run", "start app/0@0"),
    ("OnFailure app two", "two:run", "start app/0@0"),
    ("Always app two", "", "start app/0@0, start two/0@0"),
    ("Always app two", "app:x1 two:x1", "start app/1@1, start two/1@1"),
    ("OnFailure app two", "app:x1 two:x0", "start app/1@1"),
    ("Always app two", "app:run two:run", "rest"),
    ("Never app two", "app:run two:run", "rest"),
]

#: B8. Back-off: 10 s doubling to 5 min, counted from the end; forgotten after ten minutes of good running.
BACKOFF = [
    ("Always app", "app:x1@0", "start app/1@1"),
    ("Always app", "app:x1@0-500", "start app/1@1"),
    ("Always app", "app:x1/1@1", "wait 10"),
    ("Always app", "app:x1/1@1-9", "wait 1"),
    ("Always app", "app:x1/1@1-10", "start app/2@2"),
    ("Always app", "app:x0/1@1-4", "wait 6"),
    ("Always app", "app:x1/2@2-10", "wait 10"),
    ("Always app", "app:x1/2@2-20", "start app/3@3"),
    ("Always app", "app:x1/3@3-10", "wait 30"),
    ("Always app", "app:x1/4@4-10", "wait 70"),
    ("Always app", "app:x1/5@5-10", "wait 150"),
    ("Always app", "app:x1/6@6-10", "wait 290"),
    ("Always app", "app:x1/7@7-10", "wait 290"),
    ("Always app", "app:x1/90@90-10", "wait 290"),
    ("Always app", "app:x1/90@90-300", "start app/91@91"),
    ("Always app", "app:x1/7@7-10*599", "wait 290"),
    ("Always app", "app:x1/7@7*600", "start app/8@1"),
    ("Always app", "app:x0/7@7*5000", "start app/8@1"),
    ("OnFailure app", "app:x1/1@1-3", "wait 7"),
    ("Never app=Always two", "app:x1/1@1-3 two:run", "wait 7"),
    ("Never app=Never[3] two", "app:x3/1@1-3 two:run", "wait 7"),
    ("Always app two", "app:x1/1@1-3 two:x1/2@2-5", "wait 7"),
    ("Always app two", "app:x1/1@1-3 two:x1", "start two/1@1, wait 7"),
    ("Always s:side app", "side:x1/1@1-3 app:run", "wait 7"),
    ("Always i:one app", "one:x1/1@1-3", "wait 7"),
    ("OnFailure i:one app", "one:x1/2@2-3", "wait 17"),
]

#: B10. Init containers: one after the other, each to a good end.
INIT = [
    ("Always i:one app", "", "start one/0@0"),
    ("Always i:one app", "one:run", "rest"),
    ("Always i:one app", "one:made", "start one/0@0"),
    ("Always i:one app", "one:x0", "start app/0@0"),
    ("Always i:one app", "one:x1", "start one/1@1"),
    ("OnFailure i:one app", "one:x1", "start one/1@1"),
    ("OnFailure i:one app", "one:x0", "start app/0@0"),
    ("Never i:one app", "one:x0", "start app/0@0"),
    ("Never i:one app", "one:run", "rest"),
    ("Always i:one=Never i:other app", "one:x0", "start other/0@0"),
    ("Never i:one=OnFailure app", "one:x1", "start one/1@1"),
    ("Never i:one=Never[7] app", "one:x7", "start one/1@1"),
    ("Always i:one i:other app", "one:run", "rest"),
    ("Always i:one i:other app", "one:x0", "start other/0@0"),
    ("Always i:one i:other app", "one:x0 other:run", "rest"),
    ("Always i:one i:other app", "one:x0 other:x1", "start other/1@1"),
    ("Always i:one i:other app", "one:x0 other:x0", "start app/0@0"),
    ("Always i:one i:other app two", "one:x0 other:x0", "start app/0@0, start two/0@0"),
    # Once a main container is there they are done, also when their records are not.
    ("Always i:one app", "app:run", "rest"),
    ("Always i:one app", "app:x1", "start app/1@1"),
    ("Always i:one app", "one:x0 app:x1", "start app/1@1"),
    ("Always i:one app", "one:x1 app:run", "rest"),
    ("Always i:one app two", "one:x0 app:run", "start two/0@0"),
    ("OnFailure i:one app", "one:x0 app:x1/1@1-10", "start app/2@2"),
]

#: B11. Sidecars: started in their turn, gated by their startup probe, kept running whatever the Pod's policy.
SIDECARS = [
    ("Always s:side app", "", "start side/0@0"),
    ("Always s:side app", "side:run", "start app/0@0"),
    ("Always s:side? app", "side:run", "rest"),
    ("Always s:side? app", "side:up", "start app/0@0"),
    ("Always s:side> app", "side:hooking", "rest"),
    ("Always s:side> app", "side:run", "start app/0@0"),
    ("Always s:side~ app", "side:run", "start app/0@0"),
    ("Never s:side app", "side:x1", "start side/1@1"),
    ("Never s:side app", "side:x0", "start side/1@1"),
    ("Never s:side app", "side:x0 app:run", "start side/1@1"),
    ("OnFailure s:side app", "side:x0 app:run", "start side/1@1"),
    ("Always s:side app", "side:run app:run", "rest"),
    ("Always s:side? app", "side:run/1 app:run", "rest"),
    ("Always s:side? app", "side:run/1 app:x1", "start app/1@1"),
    ("Always s:side i:one app", "side:run", "start one/0@0"),
    ("Always s:side? i:one app", "side:run", "rest"),
    ("Always s:side? i:one app", "side:up", "start one/0@0"),
    ("Always s:side i:one app", "side:run one:run", "rest"),
    ("Always s:side i:one app", "side:x1 one:run", "start side/1@1"),
    ("Never s:side i:one app", "side:x0 one:run", "start side/1@1"),
    ("Always s:side i:one app", "side:run one:x0", "start app/0@0"),
    ("Always s:side i:one app", "side:x1 one:x0", "start side/1@1"),
    ("Always i:one s:side app", "", "start one/0@0"),
    ("Always i:one s:side app", "one:x0", "start side/0@0"),
    ("Always i:one s:side app", "one:x0 side:run", "start app/0@0"),
    ("Always s:side s:last app", "side:run", "start last/0@0"),
    ("Always s:side? s:last app", "side:run", "rest"),
    ("Always s:side s:last app", "side:run last:run", "start app/0@0"),
    ("Always s:side s:last? app", "side:run last:run", "rest"),
    ("Always s:side s:last app", "side:x1 last:run app:run", "start side/1@1"),
    ("Always s:side s:last app", "side:x1 last:x1 app:run", "start side/1@1, start last/1@1"),
    ("Always s:side+ app", "side:sick app:run", "term side liveness, wait 30"),
    ("Always s:side? app", "side:late", "term side startup, wait 30"),
    ("Always s:side+ i:one app", "side:sick one:run", "term side liveness, wait 30"),
]

#: B9. What probes and hooks ask for.
HEALTH = [
    ("Always app+", "app:run", "rest"),
    ("Always app+", "app:sick", "term app liveness, wait 30"),
    ("Never app+", "app:sick", "term app liveness, wait 30"),
    ("OnFailure app+", "app:sick", "term app liveness, wait 30"),
    ("Always app?", "app:run", "rest"),
    ("Always app?", "app:late", "term app startup, wait 30"),
    ("Always app?+", "app:up", "rest"),
    ("Always app~", "app:run", "rest"),
    ("Always app~", "app:ok", "rest"),
    ("Always app>", "app:hooking", "rest"),
    ("Always app>", "app:unhooked", "term app post start hook, wait 30"),
    ("Never app>", "app:unhooked", "term app post start hook, wait 30"),
    ("Always app+<", "app:sick", "hook app liveness, wait 30"),
    ("Always app?<", "app:late", "hook app startup, wait 30"),
    ("Always app><", "app:unhooked", "hook app post start hook, wait 30"),
    ("Always app+ two", "app:sick two:run", "term app liveness, wait 30"),
    ("Always app+ two+", "app:sick two:sick", "term app liveness, term two liveness, wait 30"),
    ("Always app+ two", "app:sick two:x1", "term app liveness, start two/1@1, wait 30"),
    ("Always app+ two", "app:sick two:x1/1@1-3", "term app liveness, wait 7"),
    ("Always app+", "app:sick/4@4", "term app liveness, wait 30"),
    ("Always app+", "app:x137/4@4-10", "wait 70"),
]

#: The sandbox dies, or is another one by now.
SANDBOXES = [
    ("Always app", "bare", "make s0, start app/0@0"),
    ("Never app", "bare", "make s0, start app/0@0"),
    ("Always i:one app", "bare", "make s0, start one/0@0"),
    ("Always s:side app", "bare", "make s0, start side/0@0"),
    ("Always d:debug app", "bare", "make s0, start debug/0@0, start app/0@0"),
    ("Always app", "lost", "stop s0, make s1, start app/0@0"),
    ("Always app", "lost app:x137", "stop s0, make s1, start app/1@1"),
    ("Always app", "lost app:x0", "stop s0, make s1, start app/1@1"),
    ("Always app", "lost app:x137/3@3-1", "stop s0, make s1, wait 39"),
    ("Always app", "lost app:run", "term app sandbox changed, wait 30"),
    ("Always app<", "lost app:run", "hook app sandbox changed, wait 30"),
    ("Never app", "lost app:run", "term app pod ends, wait 30"),
    ("Never app=Always", "lost app:run", "term app sandbox changed, wait 30"),
    ("Never app", "lost app:x137", "stop s0"),
    ("Never app=Always", "lost app:x137", "stop s0, make s1, start app/1@1"),
    ("Never app=Never[137] two", "lost app:x137 two:x137", "stop s0, make s1, start app/1@1"),
    ("Never app two=OnFailure", "lost app:x137 two:x0", "stop s0"),
    ("OnFailure app", "lost app:x137", "stop s0, make s1, start app/1@1"),
    ("OnFailure app", "lost app:x0", "stop s0"),
    ("OnFailure app two", "lost app:x0 two:x137", "stop s0, make s1, start two/1@1"),
    ("Always app two", "lost app:x0 two:run", "term two sandbox changed, wait 30"),
    ("Always i:one app", "lost one:x0", "stop s0, make s1, start one/1@1"),
    ("Always i:one app", "lost one:x0 app:x137", "stop s0, make s1, start one/1@1"),
    ("Always i:one i:other app", "lost one:x0 other:x137", "stop s0, make s1, start one/1@1"),
    ("Always s:side app", "lost side:x137 app:x137", "stop s0, make s1, start side/1@1"),
    ("Always d:debug app", "lost debug:x137 app:x137", "stop s0, make s1, start app/1@1"),
    ("Always d:debug app", "lost debug:run app:x137", "term debug sandbox changed, wait 30"),
    # In the second one.
    ("Always app", "second app:x137!", "start app/1@1"),
    ("Always app", "second app:run/1", "rest"),
    ("Always app", "second app:made/1!", "start app/2@0"),
    ("Always i:one app", "second one:x0!", "start one/1@1"),
    ("Always i:one app", "second one:x0! app:x137!", "start one/1@1"),
    ("Always i:one app", "second one:x0/1 app:x137!", "start app/1@1"),
    ("Always i:one app", "second one:x0! app:run/1", "rest"),
    ("Always i:one i:other app", "second one:x0/1 other:x0!", "start other/1@1"),
    ("Always s:side app", "second side:x137! app:x137!", "start side/1@1"),
    ("Always s:side app", "second side:run/1 app:x137!", "start app/1@1"),
    ("Always d:debug app", "second debug:x0! app:run/1", "rest"),
    ("Always d:debug app", "second app:run/1", "start debug/0@0"),
]

LINES = [*RESTARTS, *BACKOFF, *INIT, *SIDECARS, *HEALTH, *SANDBOXES]


@pytest.mark.requirement("B8")
@pytest.mark.requirement("B9")
@pytest.mark.requirement("B10")
@pytest.mark.requirement("B11")
@pytest.mark.parametrize(("pod", "known", "want"), LINES, ids=lambda text: text or "nothing")
def test_plan(pod: str, known: str, want: str) -> None:
    made, observed = pod_of(pod), known_of(known)
    plan = compute_pod_plan(made, observed, ending=None, now=NOW, policy=POLICY)
    assert plan_line(plan) == want


#: Whether a Pod has come to its end by itself: (Pod, known, ended)
ENDINGS = [
    ("Always app", "app:x0", False),
    ("Always app", "app:x1", False),
    ("Always app=Never", "app:x1", True),
    ("Always app=Never two", "app:x1 two:x0", False),
    ("OnFailure app", "app:x0", True),
    ("OnFailure app", "app:x1", False),
    ("OnFailure app=Always", "app:x0", False),
    ("Never app", "app:x0", True),
    ("Never app", "app:x1", True),
    ("Never app", "app:run", False),
    ("Never app", "app:made", False),
    ("Never app", "", False),
    ("Never app=Always", "app:x1", False),
    ("Never app=Never[1]", "app:x1", False),
    ("Never app=Never[2]", "app:x1", True),
    ("Never app two", "app:x0", False),
    ("Never app two", "app:x0 two:run", False),
    ("Never app two", "app:x0 two:x1", True),
    ("OnFailure app two", "app:x0 two:x1", False),
    ("OnFailure app two", "app:x0 two:x0", True),
    # Sidecars and debug containers hold nothing open.
    ("Never s:side app", "side:run app:x0", True),
    ("Never s:side app", "side:x1 app:x0", True),
    ("Never s:side app", "side:x0 app:run", False),
    ("OnFailure s:side app", "side:run app:x0", True),
    ("OnFailure s:side app", "side:run app:x1", False),
    ("Never d:debug app", "debug:run app:x1", True),
    ("Never d:debug app", "debug:x0 app:run", False),
    ("Always d:debug app", "debug:x1 app:x0", False),
    # An init container that failed for good is the end.
    ("Never i:one app", "one:x1", True),
    ("Never i:one app", "one:x0", False),
    ("Never i:one app", "one:run", False),
    ("OnFailure i:one app", "one:x1", False),
    ("Always i:one app", "one:x1", False),
    ("Always i:one=Never app", "one:x1", True),
    ("Never i:one=OnFailure app", "one:x1", False),
    ("Never i:one i:other app", "one:x0 other:x1", True),
    ("Never s:side i:one app", "side:run one:x1", True),
    ("Never s:side app", "side:x1", False),
    # What may start nothing twice ends with its sandbox.
    ("Never app", "lost app:run", True),
    ("Never app", "lost", False),
    ("Never i:one app", "lost one:run", True),
    ("Never d:debug app", "lost debug:run", False),
    ("Never app=Always", "lost app:x137", False),
    ("Never app=Always", "lost app:run", False),
    ("Never app=OnFailure", "lost app:run", False),
    ("Never app=Never[3]", "lost app:run", False),
    ("Never app=Never[3]", "lost app:x137", True),
    ("OnFailure app", "lost app:run", False),
    ("Always app", "lost app:run", False),
    ("Never app", "bare", False),
]


@pytest.mark.parametrize(("pod", "known", "want"), ENDINGS, ids=str)
def test_ending(pod: str, known: str, want: bool) -> None:
    assert (natural_ending(pod_of(pod), known_of(known), NOW) is not None) is want
