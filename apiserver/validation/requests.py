"""Rules for the options of requests that are no objects: logs.

For the registry's streams. Follows `pkg/apis/core/validation`: ValidatePodLogOptions.
"""

from typing import Final

from apiserver.validation.place import NEGATIVE, Place
from vaina.api.core.v1 import pod_pb2

_POSITIVE: Final = "must be greater than 0"
_STREAMS: Final = ("All", "Stderr", "Stdout")


def check_log_options(root: Place, options: pod_pb2.PodLogOptions) -> None:
    """Check which part of a container's log is wished."""
    #: how upstream shows a path to the whole
    whole = Place("[]", root.errors)
    if options.HasField("tail_lines") and options.tail_lines < 0:
        root.child("tailLines").invalid(options.tail_lines, NEGATIVE)
    if options.HasField("limit_bytes") and options.limit_bytes < 1:
        root.child("limitBytes").invalid(options.limit_bytes, _POSITIVE)
    if options.HasField("since_seconds"):
        if options.HasField("since_time"):
            whole.forbidden("at most one of `sinceTime` or `sinceSeconds` may be specified")
        elif options.since_seconds < 1:
            root.child("sinceSeconds").invalid(options.since_seconds, _POSITIVE)
    if options.HasField("stream"):
        root.child("stream").check_supported(options.stream, _STREAMS)
        if options.stream != "All" and options.HasField("tail_lines"):
            whole.forbidden("`tailLines` and specific `stream` are mutually exclusive for now")
