"""Jobs: what is decided, and what is counted."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from controller.job.failures import MAX_BACKOFF, NO_FAILURES, Backoff
from controller.job.reconcile import JobPlan, reconcile
from controller.job.tracking import MAX_UNCOUNTED, Done, after_release, before_release
from controller.job.view import observe
from tests.unit.controller.job.world import job_pod, stored_job
from vaina.api.batch.v1 import job_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp
from vaina.objects.jobs import INDEX_FAILURE_COUNT

NOW = 1000.0
Rule = job_pb2.PodFailurePolicyRule


def exit_code(action: str, *values: int, operator: str = "In") -> job_pb2.PodFailurePolicy:
    requirement = job_pb2.PodFailurePolicyOnExitCodesRequirement(operator=operator, values=values)
    return job_pb2.PodFailurePolicy(rules=[Rule(action=action, on_exit_codes=requirement)])


def on_condition(action: str, kind: str) -> job_pb2.PodFailurePolicy:
    pattern = job_pb2.PodFailurePolicyOnPodConditionsPattern(type=kind, status="True")
    return job_pb2.PodFailurePolicy(rules=[Rule(action=action, on_pod_conditions=[pattern])])


def success(*rules: dict[str, Any]) -> job_pb2.SuccessPolicy:
    return job_pb2.SuccessPolicy(rules=[job_pb2.SuccessPolicyRule(**rule) for rule in rules])


def disrupted(name: str, **kwargs: Any) -> pod_pb2.Pod:
    pod = job_pod(name, "Failed", exit_code=137, **kwargs)
    pod.status.conditions.add(type="DisruptionTarget", status="True")
    return pod


def counted(name: str, failures: int, **kwargs: Any) -> pod_pb2.Pod:
    pod = job_pod(name, "Failed", **kwargs)
    pod.metadata.annotations[INDEX_FAILURE_COUNT] = str(failures)
    return pod


@dataclass(frozen=True)
class Told:
    """What a plan and the two statuses say, in short."""

    create: int = 0
    indexes: tuple[int, ...] = ()
    remove: tuple[str, ...] = ()
    terminate: tuple[str, ...] = ()
    ends: str = ""
    wake: float | None = None
    release: tuple[str, ...] = ()
    #: (active, succeeded, failed) in the end
    counts: tuple[int, int, int] = (0, 0, 0)
    #: Complete or Failed
    finished: str = ""


@dataclass(frozen=True)
class Case:
    name: str
    want: Told
    pods: tuple[pod_pb2.Pod, ...] = ()
    spec: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    backoff: Backoff = NO_FAILURES
    started: float = NOW - 100
    leaving: bool = False


def make(case: Case) -> job_pb2.Job:
    job = stored_job(**case.spec)
    if case.leaving:
        job.metadata.deletion_timestamp.CopyFrom(timestamp(NOW))
    for name, value in case.status.items():
        if name in ("uncounted_succeeded", "uncounted_failed"):
            getattr(job.status.uncounted_terminated_pods, name.removeprefix("uncounted_")).extend(value)
        else:
            setattr(job.status, name, value)
    if not job.spec.suspend:
        job.status.start_time.CopyFrom(timestamp(case.started))
    for kind in case.conditions:
        job.status.conditions.add(type=kind, status="True", reason="Why", message="because")
    return job


def decide(job: job_pb2.Job, pods: tuple[pod_pb2.Pod, ...], backoff: Backoff) -> JobPlan:
    return reconcile(observe(job, pods, ()), backoff=backoff, now=NOW)


def names(pods: Any) -> tuple[str, ...]:
    return tuple(sorted(pod.metadata.name for pod in pods))


def tell(case: Case) -> Told:
    job = make(case)
    view = observe(job, case.pods, ())
    plan = reconcile(view, backoff=case.backoff, now=NOW)
    gone = {pod.metadata.uid for pod in plan.remove}
    done = Done(created=len(plan.create), deleted=len(plan.remove) + len(plan.terminate))
    counting = before_release(observe(job, case.pods, gone), plan, done, NOW)
    held = {pod.metadata.uid for pod in view.tracked} - gone - {pod.metadata.uid for pod in counting.release}
    status = after_release(counting.status, held, plan, NOW, may_end=not counting.more)
    return Told(
        len(plan.create), tuple(new.index for new in plan.create if new.index is not None), names(plan.remove),
        names(plan.terminate), plan.ending.reason if plan.ending is not None else "", plan.wake_seconds,
        names(counting.release), (status.active, status.succeeded, status.failed),
        "".join(c.type for c in status.conditions if c.type in ("Complete", "Failed")),
    )  # fmt: skip


INDEXED: dict[str, Any] = {"completion_mode": "Indexed", "completions": 4, "parallelism": 4}
PER_INDEX = {**INDEXED, "backoff_limit_per_index": 1, "backoff_limit": 2**31 - 1}
RUNNING = (job_pod("a"), job_pod("b"))
CASES = (
    Case("as many Pods as may run at a time are created", Told(2, counts=(2, 0, 0))),
    Case("no more than are still needed", Told(1, counts=(1, 2, 0)), status={"succeeded": 2}),
    Case("what runs already is counted", Told(1, counts=(2, 0, 0)), (job_pod("a"),)),
    Case("enough run: nothing is done", Told(counts=(2, 0, 0)), RUNNING),
    Case("a Pod that is ending is replaced", Told(1, release=("b",), counts=(2, 0, 1)), (job_pod("a"), job_pod("b", deleted=NOW)),
         spec={"backoff_limit": 6}, backoff=Backoff(0, 0)),
    Case("only once it has ended, when it is meant so", Told(counts=(1, 0, 0)), (job_pod("a"), job_pod("b", deleted=NOW)),
         {"pod_replacement_policy": "Failed"}),
    Case("a success is counted and the Pod let go", Told(1, release=("a",), counts=(2, 1, 0)), (job_pod("a", "Succeeded"), job_pod("b"))),
    Case("a success that is noted already is counted once", Told(1, release=("a",), counts=(2, 1, 0)),
         (job_pod("a", "Succeeded"), job_pod("b")), status={"uncounted_succeeded": ["a"]}),
    Case("one that is noted and held no more is counted", Told(1, counts=(2, 1, 0)),
         (job_pod("a", "Succeeded", tracked=False), job_pod("b")), status={"uncounted_succeeded": ["a"]}),
    Case("one that is noted and gone too", Told(1, counts=(2, 1, 0)), (job_pod("b"),), status={"uncounted_succeeded": ["a"]}),
    Case("one that is held no more and not noted was counted before", Told(1, counts=(2, 1, 0)),
         (job_pod("a", "Succeeded", tracked=False), job_pod("b")), status={"succeeded": 1}),
    Case("a failure is counted, and the next Pod waits", Told(release=("a",), counts=(1, 0, 1), wake=10.0),
         (job_pod("a", "Failed", at=NOW), job_pod("b"))),
    Case("twice as long after the second", Told(release=("a",), counts=(1, 0, 2), wake=20.0),
         (job_pod("a", "Failed", at=NOW), job_pod("b")), status={"failed": 1}, backoff=Backoff(1, NOW - 50)),
    Case("the wait is over", Told(1, counts=(2, 0, 1)), (job_pod("b"),), status={"failed": 1}, backoff=Backoff(1, NOW - 10)),
    Case("a success after it ends the wait", Told(1, release=("a", "b"), counts=(1, 1, 1)),
         (job_pod("a", "Failed", at=NOW - 5), job_pod("b", "Succeeded", at=NOW)), {"parallelism": 1, "completions": 2}),
    Case("a failure that is noted already is counted once", Told(release=("a",), counts=(1, 0, 1), wake=8.0),
         (job_pod("a", "Failed", at=NOW), job_pod("b")), status={"uncounted_failed": ["a"]}, backoff=Backoff(1, NOW - 2)),
    Case("more failures than the limit end it", Told(terminate=("b",), ends="BackoffLimitExceeded", release=("a", "b"), counts=(0, 0, 2)),
         (job_pod("a", "Failed"), job_pod("b")), {"backoff_limit": 0}),
    Case("with nothing left to end it has failed", Told(ends="BackoffLimitExceeded", release=("a",), counts=(0, 0, 1), finished="Failed"),
         (job_pod("a", "Failed"),), {"backoff_limit": 0}),
    Case("restarts count where Pods restart their containers", Told(terminate=("a",), ends="BackoffLimitExceeded", release=("a",), counts=(0, 0, 1)),
         (job_pod("a", restarts=2),), {"restart_policy": "OnFailure", "backoff_limit": 2}),
    Case("fewer restarts do not", Told(1, counts=(2, 0, 0)), (job_pod("a", restarts=1),), {"restart_policy": "OnFailure", "backoff_limit": 2}),
    Case("with a limit of none the first restart does", Told(terminate=("a",), ends="BackoffLimitExceeded", release=("a",), counts=(0, 0, 1)),
         (job_pod("a", restarts=1),), {"restart_policy": "OnFailure", "backoff_limit": 0}),
    Case("enough successes complete it", Told(ends="CompletionsReached", counts=(0, 3, 0), finished="Complete"), status={"succeeded": 3}),
    Case("the last success is counted first", Told(ends="CompletionsReached", release=("a",), counts=(0, 3, 0), finished="Complete"),
         (job_pod("a", "Succeeded"),), status={"succeeded": 2}),
    Case("what runs beyond that is removed uncounted", Told(remove=("b",), release=("a",), counts=(0, 3, 0)),
         (job_pod("a", "Succeeded"), job_pod("b")), status={"succeeded": 2}),
    Case("an ending Pod holds up the end", Told(ends="CompletionsReached", counts=(0, 3, 0)),
         (job_pod("z", tracked=False, deleted=NOW),), status={"succeeded": 3}),
    Case("fewer at a time: the ones too many are removed uncounted", Told(remove=("b",), counts=(1, 0, 0)),
         (job_pod("a", "Running", ready=True), job_pod("b", "Pending")), {"parallelism": 1}),
    Case("none at a time", Told(remove=("a", "b"), counts=(0, 0, 0)), RUNNING, {"parallelism": 0}),
    Case("suspended, all are removed uncounted", Told(remove=("a", "b"), counts=(0, 0, 0)), RUNNING, {"suspend": True}),
    Case("suspended, none is created", Told(), (), {"suspend": True}),
    Case("suspended, what has ended is counted", Told(release=("a",), counts=(0, 1, 0)), (job_pod("a", "Succeeded"),), {"suspend": True}),
    Case("suspended and all done, it completes", Told(ends="CompletionsReached", counts=(0, 3, 0), finished="Complete"), (),
         {"suspend": True}, {"succeeded": 3}),
    Case("without a number of completions the first success stops the making", Told(release=("a",), counts=(1, 1, 0)),
         (job_pod("a", "Succeeded"), job_pod("b")), {"completions": None}),
    Case("and when the others have ended it is complete", Told(ends="CompletionsReached", release=("b",), counts=(0, 2, 0), finished="Complete"),
         (job_pod("b", "Succeeded"),), {"completions": None}, {"succeeded": 1}),
    Case("no completions wanted: complete at once", Told(ends="CompletionsReached", finished="Complete"), (), {"completions": 0}),
    Case("past its deadline it ends", Told(terminate=("a",), ends="DeadlineExceeded", release=("a",), counts=(0, 0, 1)),
         (job_pod("a"),), {"active_deadline_seconds": 100}),
    Case("before that it is looked at again in time", Told(counts=(2, 0, 0), wake=50.0), RUNNING, {"active_deadline_seconds": 150}),
    Case("what was decided to fail fails", Told(ends="Why", release=("a",), counts=(0, 0, 1), finished="Failed"),
         (job_pod("a", "Failed"),), conditions=("FailureTarget",)),
    Case("also what succeeded then counts", Told(ends="Why", release=("a",), counts=(0, 1, 0), finished="Failed"),
         (job_pod("a", "Succeeded"),), conditions=("FailureTarget",)),
    Case("what was decided to succeed succeeds, whatever fails", Told(ends="Why", release=("a",), counts=(0, 3, 1), finished="Complete"),
         (job_pod("a", "Failed"),), {"backoff_limit": 0}, {"succeeded": 3}, ("SuccessCriteriaMet",)),
    Case("a Job that is being deleted lets all go and makes none", Told(release=("a", "b"), counts=(2, 0, 0)), RUNNING, leaving=True),
    Case("each index gets a Pod", Told(4, (0, 1, 2, 3), counts=(4, 0, 0)), (), INDEXED),
    Case("those that are there and done get none", Told(2, (1, 3), counts=(3, 1, 0)),
         (job_pod("a", index=0),), {**INDEXED}, {"completed_indexes": "2", "succeeded": 1}),
    Case("an index that succeeds is counted by its number", Told(release=("a",), counts=(1, 1, 0)),
         (job_pod("a", "Succeeded", index=1), job_pod("b", index=0)), {**INDEXED, "completions": 2}),
    Case("twice the same index is removed once", Told(remove=("b",), counts=(1, 0, 0)),
         (job_pod("a", index=0, ready=True), job_pod("b", "Pending", index=0)), {**INDEXED, "completions": 1, "parallelism": 1}),
    Case("a Pod without an index is removed", Told(remove=("b",), counts=(1, 0, 0)),
         (job_pod("a", index=0), job_pod("b")), {**INDEXED, "completions": 1, "parallelism": 1}),
    Case("one beyond the completions too", Told(remove=("b",), counts=(1, 0, 0)),
         (job_pod("a", index=0), job_pod("b", index=7)), {**INDEXED, "completions": 1, "parallelism": 1}),
    Case("two Pods of an index succeed: it counts once", Told(ends="CompletionsReached", release=("a", "b"), counts=(0, 1, 0), finished="Complete"),
         (job_pod("a", "Succeeded", index=0), job_pod("b", "Succeeded", index=0)), {**INDEXED, "completions": 1}),
    Case("fewer completions than before: what is beyond is forgotten", Told(ends="CompletionsReached", counts=(0, 2, 0), finished="Complete"),
         (), {**INDEXED, "completions": 2}, {"completed_indexes": "0-3", "succeeded": 4}),
    Case("a success policy by indexes ends the rest", Told(terminate=("b",), ends="SuccessPolicy", release=("a", "b"), counts=(0, 1, 0)),
         (job_pod("a", "Succeeded", index=2), job_pod("b", index=0)), {**INDEXED, "success_policy": success({"succeeded_indexes": "2-3", "succeeded_count": 1})}),
    Case("one by number", Told(ends="SuccessPolicy", release=("a",), counts=(0, 2, 0), finished="Complete"),
         (job_pod("a", "Succeeded", index=2),), {**INDEXED, "success_policy": success({"succeeded_count": 2})}, {"completed_indexes": "0", "succeeded": 1}),
    Case("one that is not met does nothing", Told(3, (0, 1, 3), release=("a",), counts=(3, 1, 0)),
         (job_pod("a", "Succeeded", index=2),), {**INDEXED, "success_policy": success({"succeeded_indexes": "3"})}),
    Case("per index a failed Pod is kept until the next has its count, which waits", Told(3, (1, 2, 3), counts=(3, 0, 0), wake=10.0),
         (counted("a", 0, index=0, at=NOW),), PER_INDEX),
    Case("then the next one comes", Told(1, (0,), counts=(1, 0, 0)),
         (counted("a", 0, index=0, at=NOW - 10),), {**PER_INDEX, "completions": 1}),
    Case("and the first is let go", Told(release=("a",), counts=(1, 0, 1)),
         (counted("a", 0, index=0, at=NOW), job_pod("b", index=0)), {**PER_INDEX, "completions": 1}),
    Case("an index that failed too often has failed, the others go on", Told(3, (1, 2, 3), release=("a",), counts=(3, 0, 1)),
         (counted("a", 1, index=0, at=NOW),), PER_INDEX),
    Case("when all indexes have ended and one has failed, so has the Job", Told(ends="FailedIndexes", release=("a",), counts=(0, 3, 1), finished="Failed"),
         (counted("a", 1, index=0, at=NOW),), PER_INDEX, {"completed_indexes": "1-3", "succeeded": 3}),
    Case("more failed indexes than allowed end it", Told(terminate=("b",), ends="MaxFailedIndexesExceeded", release=("a", "b"), counts=(0, 0, 2)),
         (counted("a", 1, index=0, at=NOW), job_pod("b", index=1)), {**PER_INDEX, "max_failed_indexes": 0}),
    Case("policy: an exit code fails the Job", Told(terminate=("b",), ends="PodFailurePolicy", release=("a", "b"), counts=(0, 0, 2)),
         (job_pod("a", "Failed", exit_code=42), job_pod("b")), {"pod_failure_policy": exit_code("FailJob", 42)}),
    Case("policy: another code does not", Told(release=("a",), counts=(1, 0, 1), wake=10.0),
         (job_pod("a", "Failed", exit_code=1, at=NOW), job_pod("b")), {"pod_failure_policy": exit_code("FailJob", 42)}),
    Case("policy: any code but these", Told(ends="PodFailurePolicy", release=("a",), counts=(0, 0, 1), finished="Failed"),
         (job_pod("a", "Failed", exit_code=1),), {"pod_failure_policy": exit_code("FailJob", 42, operator="NotIn")}),
    Case("policy: a disruption is not counted", Told(release=("a",), counts=(1, 0, 0), wake=10.0),
         (disrupted("a", at=NOW), job_pod("b")), {"pod_failure_policy": on_condition("Ignore", "DisruptionTarget"), "backoff_limit": 0}),
    Case("policy: an index fails at once", Told(3, (1, 2, 3), release=("a",), counts=(3, 0, 1)),
         (counted("a", 0, index=0, exit_code=7, at=NOW),), {**PER_INDEX, "pod_failure_policy": exit_code("FailIndex", 7)}),
    Case("policy: what is to be counted is", Told(release=("a",), counts=(1, 0, 1), wake=10.0),
         (job_pod("a", "Failed", exit_code=3, at=NOW), job_pod("b")), {"pod_failure_policy": exit_code("Count", 3)}),
    Case("policy: an ending Pod is waited for, it may still say how it ended", Told(counts=(1, 0, 0)),
         (job_pod("a"), job_pod("b", deleted=NOW)), {"pod_failure_policy": exit_code("FailJob", 42)}),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_decided_and_counted(case: Case) -> None:
    assert tell(case) == case.want


def test_of_many_only_some_are_counted_at_a_time_and_the_job_does_not_end() -> None:
    pods = tuple(job_pod(f"p{number}", "Succeeded") for number in range(MAX_UNCOUNTED + 5))
    case = Case("many", Told(), pods, {"completions": len(pods), "parallelism": 10})
    told = tell(case)
    assert len(told.release) == MAX_UNCOUNTED
    assert (told.finished, told.counts) == ("", (0, MAX_UNCOUNTED, 0))


def test_a_job_is_complete_no_sooner_than_it_began() -> None:
    """Who began it had a clock that was ahead: the apiserver takes no earlier time, and it would never end."""
    job = make(Case("", Told(), status={"succeeded": 3}, started=NOW + 900))
    plan = decide(job, (), NO_FAILURES)
    counting = before_release(observe(job, (), ()), plan, Done(0, 0), NOW)
    status = after_release(counting.status, (), plan, NOW, may_end=True)
    assert [one.type for one in status.conditions] == ["SuccessCriteriaMet", "Complete"]
    assert status.completion_time == timestamp(NOW + 900)


def test_a_second_look_at_what_runs_changes_nothing() -> None:
    job = make(Case("runs", Told(), RUNNING))
    view = observe(job, RUNNING, ())
    first = before_release(view, decide(job, RUNNING, Backoff()), Done(), NOW).status
    job.status.CopyFrom(first)
    plan = decide(job, RUNNING, Backoff())
    again = before_release(observe(job, RUNNING, ()), plan, Done(), NOW + 60).status
    assert (plan, again) == (JobPlan(), first)


def test_the_counts_of_an_index_go_on_to_its_next_pod() -> None:
    job = make(Case("next", Told(), spec={**PER_INDEX, "backoff_limit_per_index": 5, "completions": 1}))
    [new] = decide(job, (counted("a", 2, index=0, at=1),), Backoff()).create
    assert (new.index, new.failures, new.ignored) == (0, 3, 0)
    job.spec.pod_failure_policy.CopyFrom(exit_code("Ignore", 1))
    [new] = decide(job, (counted("a", 2, index=0, at=1),), Backoff()).create
    assert (new.failures, new.ignored) == (2, 1)


def test_names_follow_from_the_job_and_the_index_and_avoid_what_is_taken() -> None:
    job = make(Case("names", Told(), spec={**INDEXED, "completions": 1}))
    view = observe(job, (), ())
    [first] = reconcile(view, backoff=Backoff(), now=NOW).create
    [same] = reconcile(view, backoff=Backoff(), now=NOW).create
    [other] = reconcile(view, backoff=Backoff(), now=NOW, taken={first.name}).create
    assert first == same
    assert first.name.startswith("work-0-")
    assert other.name != first.name


@pytest.mark.parametrize(
    ("failures", "passed", "want"),
    [
        (0, 0, 0),
        (1, 0, 10),
        (1, 4, 6),
        (2, 0, 20),
        (3, 0, 40),
        (6, 0, 320),
        (7, 0, MAX_BACKOFF),
        (1000, 0, MAX_BACKOFF),
        (1, 60, 0),
    ],
)
def test_the_wait_doubles_up_to_ten_minutes(failures: int, passed: float, want: float) -> None:
    assert Backoff(failures, NOW - passed).remaining(NOW) == want
