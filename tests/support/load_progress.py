"""Load tests as they tell of themselves in a cluster, for tests."""

import msgspec

from vaina.api.core.v1 import namespace_pb2
from vaina.objects.load_progress import ANNOTATION, NAMESPACE, RUN_LABEL, LoadProgress, encode_progress
from vaina.testing.builders import make_namespace


def make_progress(**changes: object) -> LoadProgress:
    """Return what a run tells that has bound half of ten Pods after two seconds."""
    made = LoadProgress(
        workload="SchedulingBasic/5Nodes", state="running", step="createPods [0]", started=1_767_225_600.0,
        seconds=2.0, wanted=10, asked=8, bound=5, running=3, gone=0,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def make_run(
    run: str, progress: LoadProgress | str, *, uid: str = "", deleted: float | None = None
) -> namespace_pb2.Namespace:
    """Return the namespace in which a run tells of itself."""
    made = make_namespace(f"{run}-{NAMESPACE}", deleted=deleted)
    made.metadata.uid = uid or f"uid-of-{run}"
    made.metadata.labels[RUN_LABEL] = run
    text = progress if isinstance(progress, str) else encode_progress(progress)
    made.metadata.annotations[ANNOTATION] = text
    return made
