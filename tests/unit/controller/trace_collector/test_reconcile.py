from controller.trace_collector import reconcile
from vaina.api.trace.v1 import trace_pb2
from vaina.clock import micro_timestamp, timestamp
from vaina.testing.builders import make_meta
from vaina.testing.clock import EPOCH


def trace(uid: str, *, ended: float, gone: float | None = None) -> trace_pb2.PodTrace:
    made = trace_pb2.PodTrace(metadata=make_meta(uid, created=EPOCH))
    made.status.steps.add(step="ADMITTED", end_time=micro_timestamp(ended))
    if gone is not None:
        made.status.pod_deleted_time.CopyFrom(timestamp(gone))
    return made


def test_only_old_traces_of_pods_that_went_unseen_are_removed():
    traces = [
        trace("lives", ended=EPOCH),
        trace("left-behind", ended=EPOCH + 10),
        trace("just-reported", ended=EPOCH + 3000),
        trace("expires-by-itself", ended=EPOCH, gone=EPOCH + 5),
    ]
    got = reconcile(traces, {"lives"}, now=EPOCH + 3700)
    assert [item.metadata.name for item in got] == ["left-behind"]
    assert reconcile([item for item in traces if item not in got], {"lives"}, now=EPOCH + 3700) == ()
