"""Any object at all, of any kind: it is defaulted and checked without a crash, and checking changes nothing."""

from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.defaulting import default
from apiserver.validation import validate_create, validate_status_update, validate_update, warnings_for
from tests.support.messages import messages
from vaina.kinds import KINDS, Kind


def encoded(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
@given(data=st.data())
@settings(
    max_examples=max(5, settings.default.max_examples // 5),  # type: ignore[union-attr]
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
)
def test_an_object_is_defaulted_and_checked(kind: Kind[Any], data: st.DataObject) -> None:
    new, old = data.draw(messages(kind, normal=False)), data.draw(messages(kind, normal=False))
    for message in (new, old):
        default(kind, message)
    before = encoded(new), encoded(old)
    for found in (
        validate_create(kind, new),
        validate_update(kind, new, old),
        validate_update(kind, new, new),
        validate_status_update(kind, new, old),
    ):
        assert all(error.type and error.field and error.detail for error in found)
        assert len(found) == len(set(found))
    assert all(isinstance(text, str) for text in warnings_for(kind, new))
    assert (encoded(new), encoded(old)) == before
    default(kind, new)
    assert encoded(new) == before[0]
