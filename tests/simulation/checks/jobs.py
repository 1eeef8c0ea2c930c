"""PURE: what must hold of every commit of a Job and of its Pods.

Each Pod that ends is counted once, each index done once.

How many may be active at a time is in `never_too_many`, as for every owner.
"""

from collections.abc import Iterator
from typing import Any

from tests.simulation.checks.commits import Seen
from tests.simulation.checks.model import Commit, Model, is_active
from vaina.kinds import JOB, POD
from vaina.objects.jobs import (
    COMPLETE,
    Indexes,
    completion_index,
    finished_as,
    is_indexed,
    is_tracked,
    parse_indexes,
)
from vaina.objects.meta import controller_of


def counted_once(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """counted: a Job counts no more Pods than have ended, forgets none that it has counted, and ends once."""
    del seen
    if commit.kind is not JOB or commit.new is None:
        return
    job, status, name = commit.new, commit.new.status, commit.new.metadata.name
    succeeded = [*model.succeeded(job.metadata.uid).values()]
    noted = len(status.uncounted_terminated_pods.succeeded)
    if is_indexed(job.spec):
        done = _done(job)
        proven = Indexes.of(index for pod in succeeded if (index := completion_index(pod)) is not None)
        if invented := [index for index in done if index not in proven]:
            yield f"Job {name} says that {invented} have succeeded, and no Pod has"
        if status.succeeded != len(done):
            yield f"Job {name} says that {status.succeeded} have succeeded, and which: {done}"
    elif status.succeeded + noted > len(succeeded):
        yield f"Job {name} counts {status.succeeded} + {noted} Pods that succeeded, and there were {len(succeeded)}"
    if commit.old is None:
        return
    before = commit.old.status
    for field in ("succeeded", "failed"):
        if getattr(status, field) < getattr(before, field):
            yield f"Job {name} has counted {getattr(before, field)} {field}, and says {getattr(status, field)}"
    if lost := [index for index in _done(commit.old) if index not in _done(job)]:
        yield f"Job {name} has forgotten that {lost} have succeeded"
    if (was := finished_as(commit.old)) and finished_as(job) != was:
        yield f"Job {name} was {was}, and is {finished_as(job) or 'not'}"
    if not was and finished_as(job):
        yield from _ended_well(job, succeeded)


def _ended_well(job: Any, succeeded: list[Any]) -> Iterator[str]:
    status, name, wished = job.status, job.metadata.name, job.spec.completions
    uncounted = status.uncounted_terminated_pods
    if uncounted.succeeded or uncounted.failed:
        yield f"Job {name} has ended, and {[*uncounted.succeeded, *uncounted.failed]} are not counted"
    if finished_as(job) == COMPLETE and job.spec.HasField("completions") and status.succeeded < wished:
        yield f"Job {name} is complete with {status.succeeded} of {wished}"
    if finished_as(job) == COMPLETE and not is_indexed(job.spec) and status.succeeded != len(succeeded):
        yield f"Job {name} ended with {status.succeeded} counted, and {len(succeeded)} Pods succeeded"


def noted_before_it_goes(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """counted: a Pod that succeeded is let go only when its Job says so, or has noted before that it failed."""
    del seen
    if commit.kind is not POD or commit.old is None or not is_tracked(commit.old):
        return
    if commit.new is not None and is_tracked(commit.new):
        return
    pod, reference = commit.old, controller_of(commit.old.metadata)
    if reference is None or pod.status.phase != "Succeeded" or pod.metadata.uid in model.noted_failed:
        return
    job = next((item for item in model.of(JOB) if item.metadata.uid == reference.uid), None)
    if job is None or finished_as(job) or job.metadata.HasField("deletion_timestamp"):
        return
    if is_indexed(job.spec):
        index = completion_index(pod)
        if index is not None and index < job.spec.completions and index not in _done(job):
            yield f"{commit.key} was let go, and Job {reference.name} does not say that {index} has succeeded"
        return
    uncounted = job.status.uncounted_terminated_pods
    let_go = [uid for uid in model.succeeded(reference.uid) if not is_tracked(model.ever[uid])]
    if job.status.succeeded + len(uncounted.succeeded) < len(let_go):
        yield (
            f"{commit.key} was let go, {len(let_go)} Pods that succeeded are, and Job {reference.name} says "
            f"{job.status.succeeded} + {len(uncounted.succeeded)}"
        )


def one_an_index(commit: Commit, model: Model, seen: Seen) -> Iterator[str]:
    """counted: no Pod is made for an index that another one is at, or that is done."""
    del seen
    if commit.kind is not POD or commit.old is not None or commit.author.role != "controller":
        return
    reference, index = controller_of(commit.new.metadata), completion_index(commit.new)
    if reference is None or reference.kind != JOB.kind or index is None:
        return
    others = [
        pod.metadata.name
        for pod in model.below(reference.uid)
        if is_active(pod) and completion_index(pod) == index and pod.metadata.uid != commit.new.metadata.uid
    ]
    if others:
        yield f"{commit.key} was made for the index {index}, and {others} is at it"
    job = next((item for item in model.of(JOB) if item.metadata.uid == reference.uid), None)
    if job is not None and index in _done(job):
        yield f"{commit.key} was made for the index {index}, and Job {reference.name} says that it is done"


def _done(job: Any) -> Indexes:
    return parse_indexes(job.status.completed_indexes, job.spec.completions)
