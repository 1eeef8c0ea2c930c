import pytest

from vaina.api.meta.v1 import meta_pb2
from vaina.objects.rollouts import DESIRED_REPLICAS, REVISION, int_annotation, revision_of


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("3", 3),
        ("1000000000000000000", 10**18),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 0),
        ("two", 0),
    ],
)
def test_revisions_have_64_bits(text: str, want: int) -> None:
    assert revision_of(meta_pb2.ObjectMeta(annotations={REVISION: text})) == want


@pytest.mark.parametrize(("text", "want"), [("2147483647", 2**31 - 1), ("2147483648", None), ("", None)])
def test_numbers_of_replicas_have_32(text: str, want: int | None) -> None:
    assert int_annotation(meta_pb2.ObjectMeta(annotations={DESIRED_REPLICAS: text}), DESIRED_REPLICAS) == want
