"""Options of requests for logs."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from apiserver.validation.place import find_violations
from apiserver.validation.pod_subresources import check_log_options
from tests.unit.apiserver.validation.cases import violations
from vaina.api.core.v1 import pod_pb2


@pytest.mark.parametrize(
    ("options", "want"),
    [
        ({}, ()),
        ({"tail_lines": 0, "limit_bytes": 1, "since_seconds": 1, "stream": "All"}, ()),
        (
            {"tail_lines": -1, "limit_bytes": 0, "since_seconds": 0},
            (
                "tailLines: Invalid value: -1: must be greater than or equal to 0",
                "limitBytes: Invalid value: 0: must be greater than 0",
                "sinceSeconds: Invalid value: 0: must be greater than 0",
            ),
        ),
        (
            {"since_seconds": 5, "since_time": Timestamp(seconds=5)},
            ("[]: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",),
        ),
        (
            {"stream": "Both", "tail_lines": 5},
            (
                'stream: Unsupported value: "Both": supported values: "All", "Stderr", "Stdout"',
                "[]: Forbidden: `tailLines` and specific `stream` are mutually exclusive for now",
            ),
        ),
    ],
)
def test_which_part_of_a_log_is_wished(options: dict[str, Any], want: tuple[str, ...]) -> None:
    assert find_violations(check_log_options, pod_pb2.PodLogOptions(**options)) == violations(*want)
