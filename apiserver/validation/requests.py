"""Rules for the options of requests that are no objects: logs.

For the registry's streams. Follows `pkg/apis/core/validation`: ValidatePodLogOptions.
"""

from typing import Final

from apiserver.validation.metadata import NEGATIVE, Errors
from vaina.api.core.v1 import pod_pb2
from vaina.objects.field_path import Path, forbidden, invalid, not_supported

_POSITIVE: Final = "must be greater than 0"
#: how upstream shows a path to the whole
_WHOLE: Final = "[]"
_STREAMS: Final = ("All", "Stderr", "Stdout")


def check_log_options(options: pod_pb2.PodLogOptions) -> Errors:
    """Check which part of a container's log is wished."""
    errors: Errors = []
    if options.HasField("tail_lines") and options.tail_lines < 0:
        errors.append(invalid(Path("tailLines"), options.tail_lines, NEGATIVE))
    if options.HasField("limit_bytes") and options.limit_bytes < 1:
        errors.append(invalid(Path("limitBytes"), options.limit_bytes, _POSITIVE))
    if options.HasField("since_seconds"):
        if options.HasField("since_time"):
            detail = "at most one of `sinceTime` or `sinceSeconds` may be specified"
            errors.append(forbidden(_WHOLE, detail))
        elif options.since_seconds < 1:
            errors.append(invalid(Path("sinceSeconds"), options.since_seconds, _POSITIVE))
    if options.HasField("stream"):
        if options.stream not in _STREAMS:
            errors.append(not_supported(Path("stream"), options.stream, _STREAMS))
        if options.stream != "All" and options.HasField("tail_lines"):
            detail = "`tailLines` and specific `stream` are mutually exclusive for now"
            errors.append(forbidden(_WHOLE, detail))
    return errors
