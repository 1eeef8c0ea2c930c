"""What may be asked of a container's log. Pure; called by `streams`.

Follows `pkg/apis/core/validation`, ValidatePodLogOptions.
"""

from vaina.api.core.v1 import pod_pb2
from vaina.errors import FieldError
from vaina.objects import field_path
from vaina.objects.field_path import Path

_STREAMS = ("All", "Stderr", "Stdout")


def check_log_options(options: pod_pb2.PodLogOptions) -> list[FieldError]:
    """Return every violation."""
    errors: list[FieldError] = []
    if options.HasField("tail_lines") and options.tail_lines < 0:
        errors.append(
            field_path.invalid(Path("tailLines"), options.tail_lines, "must be greater than or equal to 0")
        )
    if options.HasField("limit_bytes") and options.limit_bytes < 1:
        errors.append(field_path.invalid(Path("limitBytes"), options.limit_bytes, "must be greater than 0"))
    if options.HasField("since_seconds") and options.HasField("since_time"):
        why = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        errors.append(field_path.forbidden(Path("sinceTime"), why))
    elif options.HasField("since_seconds") and options.since_seconds < 1:
        errors.append(
            field_path.invalid(Path("sinceSeconds"), options.since_seconds, "must be greater than 0")
        )
    if options.stream and options.stream not in _STREAMS:
        errors.append(field_path.not_supported(Path("stream"), options.stream, _STREAMS))
    elif options.stream in _STREAMS[1:] and options.HasField("tail_lines"):
        why = "`tailLines` and specific `stream` are mutually exclusive for now"
        errors.append(field_path.forbidden(Path(), why))
    return errors
