"""The scale sub-resource in the fake apiserver: bytes in, bytes out. Called by `vaina.testing.apiserver`."""

from typing import Any

from vaina.api.autoscaling.v1 import scale_pb2, scale_request_pb2
from vaina.api.meta.v1 import request_pb2
from vaina.kinds import Kind
from vaina.objects.patching import apply_patch, read_patch
from vaina.objects.scale import SCALE, check_scale, scale_of
from vaina.serving.handlers import decode
from vaina.testing.tracker import Tracker


class Scales:
    """The verbs of one kind that has replicas."""

    def __init__(self, tracker: Tracker, kind: Kind[Any]) -> None:
        self._tracker, self._kind = tracker, kind

    def get(self, data: bytes) -> bytes:
        request = decode(request_pb2.GetRequest, data)
        return scale_of(self._tracker.get(self._kind, request.namespace, request.name)).SerializeToString()

    def update(self, data: bytes) -> bytes:
        request = decode(scale_request_pb2.UpdateScaleRequest, data)
        meta = request.object.metadata
        obj = self._tracker.get(self._kind, meta.namespace, meta.name)
        with self._tracker.dry_run(request.options.dry_run):
            return self._scaled(obj, request.object)

    def patch(self, data: bytes) -> bytes:
        request = decode(request_pb2.PatchRequest, data)
        validation = request.options.field_validation
        change = read_patch(SCALE, request.patch_type, request.patch, _nobody_listens, validation=validation)
        obj = self._tracker.get(self._kind, request.namespace, request.name)
        strict = validation == "Strict"
        scale: Any = apply_patch(SCALE, change, scale_of(obj), _nobody_listens, strict=strict)
        with self._tracker.dry_run(request.options.dry_run):
            return self._scaled(obj, scale)

    def _scaled(self, obj: Any, scale: scale_pb2.Scale) -> bytes:
        check_scale(scale, obj.metadata.name)
        obj.metadata.uid, obj.metadata.resource_version = scale.metadata.uid, scale.metadata.resource_version
        obj.spec.replicas = scale.spec.replicas
        return scale_of(self._tracker.update(self._kind, obj)).SerializeToString()


def _nobody_listens(_warning: str) -> None:
    """Drop a warning: tests ask for errors."""
