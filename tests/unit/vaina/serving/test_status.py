import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaina import errors
from vaina.errors import ERRORS_BY_REASON, Conflict, FieldError, Invalid
from vaina.serving import status

#: every kind of error and its code
CODES = {
    "Invalid": "INVALID_ARGUMENT", "BadRequest": "INVALID_ARGUMENT", "Unauthorized": "UNAUTHENTICATED",
    "Forbidden": "PERMISSION_DENIED", "NotFound": "NOT_FOUND", "AlreadyExists": "ALREADY_EXISTS",
    "Conflict": "ABORTED", "Expired": "OUT_OF_RANGE", "RequestEntityTooLarge": "RESOURCE_EXHAUSTED",
    "TooManyRequests": "RESOURCE_EXHAUSTED", "ServiceUnavailable": "UNAVAILABLE", "InternalError": "INTERNAL",
    "MethodNotAllowed": "UNIMPLEMENTED", "Timeout": "DEADLINE_EXCEEDED",
    "NotAcceptable": "INVALID_ARGUMENT", "UnsupportedMediaType": "INVALID_ARGUMENT",
}  # fmt: skip


@pytest.mark.parametrize("reason", sorted(ERRORS_BY_REASON))
def test_every_error_has_its_code_and_comes_back_as_itself(reason):
    error = ERRORS_BY_REASON[reason](
        "words", group="apps", kind="replicasets", name="web", uid="u", retry_seconds=1.5
    )
    code, message, details = status.to_rpc(error)
    assert code.name == CODES[reason]
    back = status.from_rpc(code, message, details)
    assert type(back) is type(error)
    assert (back.message, back.group, back.kind, back.name, back.uid, back.retry_seconds) == (
        "words", "apps", "replicasets", "web", "u", 1.5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "want"), [(7, errors.TooManyRequests), (2, errors.Unavailable), (8, errors.Unavailable)]
)
@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL])
def test_of_a_stream_that_was_refused_nothing_was_done_and_of_one_that_broke_nobody_knows(code, number, want):
    found = status.from_rpc(code, f"Received RST_STREAM with error code {number}", None)
    assert type(found) is want
    assert ("nothing was done" in found.message) is (number == 7)


def test_there_is_exactly_one_error_info_and_violations_stand_in_bad_request():
    causes = [FieldError("FieldValueRequired", "spec.a", "Required value")]
    _, _, details = status.to_rpc(Invalid.of("Pod", "x", causes))
    found = [item.TypeName() for item in status_pb2.Status.FromString(details).details]
    assert found == ["vaina.api.meta.v1.Status", "google.rpc.ErrorInfo", "google.rpc.BadRequest"]
    bad = error_details_pb2.BadRequest()
    status_pb2.Status.FromString(details).details[2].Unpack(bad)
    assert [(item.field, item.description) for item in bad.field_violations] == [("spec.a", "Required value")]


def size(message: str, details: bytes) -> int:
    encoded = sum(1 if 32 <= byte <= 126 and byte != 37 else 3 for byte in message.encode())
    return encoded + -(-len(details) // 3) * 4


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=3000)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(st.builds(FieldError, st.just("FieldValueInvalid"), TEXT, TEXT), max_size=60), TEXT, TEXT)
def test_whatever_is_wrong_message_and_details_stay_under_four_kib(causes, name, words):
    for error in (Invalid.of("Pod", name, causes), Conflict(words, kind="pods", name=name)):
        code, message, details = status.to_rpc(error)
        assert size(message, details) <= status.MAX_BYTES + 4
        assert type(status.from_rpc(code, message, details)) is type(error)


def test_what_does_not_fit_is_counted():
    causes = [
        FieldError("FieldValueInvalid", f"spec.containers[{i}]", "Invalid value: " + "x" * 40)
        for i in range(99)
    ]
    _, message, _ = status.to_rpc(Invalid.of("Pod", "web", causes))
    assert message.startswith('Pod "web" is invalid: [spec.containers[0]: Invalid value: xxx')
    assert message.endswith("more]")


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, "connection refused", errors.Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", errors.Timeout),
        (grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2", errors.Unavailable),
        (grpc.StatusCode.INTERNAL, "something else", errors.InternalError),
        (grpc.StatusCode.CANCELLED, "", errors.Unavailable),
        (grpc.StatusCode.DATA_LOSS, "", errors.InternalError),
    ],
)
def test_answers_that_are_not_ours_mean_what_their_code_means(code, message, kind):
    assert type(status.from_rpc(code, message, None)) is kind
    assert type(status.from_rpc(code, message, b"\xff not a status")) is kind


@pytest.mark.parametrize(
    "words",
    [
        "SERVER: Received message larger than max (5300043 vs. 4194304)",
        "Decompressed message larger than max",
    ],
)
def test_a_request_that_grpc_refuses_is_refused_in_kubernetes_words(words):
    error = status.from_rpc(grpc.StatusCode.RESOURCE_EXHAUSTED, words, None)
    assert (type(error), error.message) == (errors.TooLarge, "Request entity too large: limit is 3145728")


def test_warnings_are_bounded_and_keep_their_script():
    texts = ["plain", "a\u00f1o", "x" * 3000, "y" * 3000, "z"]
    trailers = status.warning_trailers(texts)
    assert sum(len(value) for _, value in trailers) < status.MAX_BYTES
    assert status.warnings_of(trailers) == ["plain", "a\u00f1o", "x" * 3000, "and 2 more"]
