"""PURE: what a ControllerRevision keeps of a template.

A patch of its owner, `{"spec":{"template":{..., "$patch":"replace"}}}`.

Called by the controllers of StatefulSets and DaemonSets, and by `vaina rollout`. Follows
`pkg/controller/history` and `getPatch` of `pkg/controller/statefulset`.
"""

from collections.abc import Iterable
from typing import Any, Final

from vaina.api.apps.v1 import controller_revision_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.objects.decode import dict_to_message
from vaina.objects.encode import message_to_dict
from vaina.objects.meta import is_controlled_by
from vaina.objects.tree import compact_json, parse_one

Revision = controller_revision_pb2.ControllerRevision

#: label of revisions, and of Pods: which template made them
REVISION_HASH: Final = "controller-revision-hash"


def template_data(template: pod_pb2.PodTemplateSpec) -> bytes:
    """Return what a revision keeps of a template. The same for equal templates."""
    kept = {**message_to_dict(template), "$patch": "replace"}
    return compact_json({"spec": {"template": kept}}, sort_keys=True)


def template_of(revision: Revision) -> pod_pb2.PodTemplateSpec:
    """Return the template that a revision keeps. Raises ValueError when it keeps none."""
    tree: Any = parse_one(revision.data.raw)
    try:
        kept = {key: value for key, value in tree["spec"]["template"].items() if key != "$patch"}
    except (KeyError, TypeError, AttributeError):
        kept = None
    template = None if kept is None else dict_to_message(pod_pb2.PodTemplateSpec, kept)[0]
    if not isinstance(template, pod_pb2.PodTemplateSpec):
        raise ValueError(f"the revision {revision.metadata.name} keeps no template")  # noqa: TRY004 - its content, not its type
    return template


def owned_by(revisions: Iterable[Revision], uid: str) -> list[Revision]:
    """Return the revisions whose controller has a uid."""
    return [revision for revision in revisions if is_controlled_by(revision.metadata, uid)]
